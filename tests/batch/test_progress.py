"""How far a batch is said to be."""

import pytest

from recog.batch import progress as module
from recog.batch.progress import Progress, progress_display
from recog.batch.work import FileProgress, Result


@pytest.fixture
def now(monkeypatch):
    times = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: times[0])
    return times


def test_a_file_counts_for_its_size(now):
    said = []
    progress = Progress([10, 80, 10], lambda fraction, text: said.append((fraction, text)))
    now[0] += 20
    progress.done(0, Result(seconds=60))
    assert said[-1] == (0.1, "1 of 3 files, 0:01:00 of about 0:10:00, 0:03:00 left")
    progress.report(1, FileProgress(240, 480))
    now[0] += 80
    assert str(progress) == "1 of 3 files, 0:05:00 of about 0:10:00, 0:01:40 left"
    progress.done(1, Result(seconds=480))
    progress.done(2, Result(errors=("broken",)))
    assert said[-1] == (1.0, "3 of 3 files, 0:09:00 of about 0:09:00, 0:00:00 left")


def test_a_recording_that_does_not_say_how_long_it_is(now):
    progress = Progress([1], lambda fraction, text: None)
    progress.report(0, FileProgress(75.0))
    assert progress.fraction() is None and str(progress) == "0:01:15"


def test_a_header_that_lies_gives_no_more_than_all(now):
    progress = Progress([1], lambda fraction, text: None)
    progress.report(0, FileProgress(75.0, 10.0))
    assert progress.fraction() == 1.0


def test_a_log_gets_a_line_every_half_minute(now, capsys):
    with progress_display(printing=False) as show:
        for _ in range(7):
            now[0] += 10
            show(0.5, "half")
    assert capsys.readouterr().err == "recog: half.\n" * 2
    with progress_display(printing=False, log=False) as show:
        now[0] += 1000
        show(0.5, "half")
    assert capsys.readouterr().err == ""
