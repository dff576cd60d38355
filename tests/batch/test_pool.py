"""The pool of processes: order, crashes, what it leaves behind."""

import os
import shutil
import signal
import sys
import threading
import time
from itertools import count
from pathlib import Path

import pytest

from recog.batch.files import Input
from recog.batch.outputs import spool_of
from recog.batch.pool import Pool, in_order, throttled
from recog.batch.work import FileProgress, FileRecogniser, Result, Task, run_sequentially
from recog.errors import UserError

SAMPLES = Path(__file__).parent.parent.parent / "data" / "samples"
TASK = Task("english-speech", {"beam": 0, "threads": 1})
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs signals and named pipes")


def quiet(index: int, file_progress: FileProgress) -> None:
    pass


def test_results_come_in_order_where_that_is_asked_for_and_are_those_of_one_process(tmp_path):
    names = [str(SAMPLES / name) for name in ("letter.wav", "numbers.wav", "weather.wav")]
    (tmp_path / "empty.wav").touch()
    inputs = [Input(name) for name in [*names, str(tmp_path / "empty.wav"), names[1]]]
    single = [result for _, result in run_sequentially(FileRecogniser(TASK), inputs, quiet)]
    assert single[1].stdout and single[3].errors and not single[3].stdout
    with Pool(TASK, 2, ordered=True) as pool:
        assert list(pool.run(inputs, quiet)) == list(enumerate(single))


def test_in_order():
    shuffled = [
        (2, Result(stdout="c")),
        (0, Result(stdout="a")),
        (1, Result(stdout="b")),
        (3, Result()),
    ]
    assert [index for index, _ in in_order(iter(shuffled))] == [0, 1, 2, 3]


@posix
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_costs_one_file(tmp_path, number):
    """A file that is a named pipe keeps its worker waiting, until the worker dies as a library in C
    would have it die."""
    os.mkfifo(tmp_path / "killer.wav")
    for i in range(3):
        shutil.copy(SAMPLES / "numbers.wav", tmp_path / f"good{i}.wav")
    inputs = [
        Input(str(tmp_path / name))
        for name in ("good0.wav", "killer.wav", "good1.wav", "good2.wav")
    ]
    with Pool(TASK, 1, ordered=False) as pool:
        threading.Thread(target=kill_at, args=(pool, 1, number), daemon=True).start()
        results = dict(pool.run(inputs, quiet))
    assert sorted(results) == [0, 1, 2, 3]
    assert results[1].errors[0].startswith(f"{inputs[1].name}: the process that read it")
    assert number.name in results[1].errors[0]
    assert all(results[i].stdout == results[0].stdout and not results[i].errors for i in (0, 2, 3))


def kill_at(pool: Pool, index: int, number: int) -> None:
    """Kill the worker that has an input in work, where that is a PDF once it has begun."""
    while not (pool._workers and pool._workers[0].index == index):
        time.sleep(0.01)
    spool = spool_of(pool._workers[0].entry)
    while spool is not None and not spool.exists():
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(pool._workers[0].process.pid, number)


def test_a_model_that_cannot_be_loaded_is_said_once_and_nothing_is_left_running():
    pool = Pool(Task("english-speech", {"beam": 0, "alpha": 1.0}), 2, ordered=False)
    with pytest.raises(UserError, match="alpha"), pool:
        pass
    assert not pool._workers


def test_workers_end_with_the_pool(tmp_path):
    with Pool(TASK, 1, ordered=False) as pool:
        process = pool._workers[0].process
        assert process.is_alive()
    assert not process.is_alive()


def test_progress_is_told_seldom(monkeypatch):
    clock = count(0.0, 0.2)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    said = []
    report = throttled(said.append)
    for i in range(10):
        report(FileProgress(i))
    assert [file_progress.done for file_progress in said] == [2, 5, 8]


@posix
def test_a_crash_leaves_no_half_of_a_pdf(tmp_path):
    os.mkfifo(tmp_path / "killer.png")
    entry = Input(str(tmp_path / "killer.png"), str(tmp_path / "out" / "killer.pdf"))
    with Pool(
        Task("latin-handwriting", {"beam": 0, "threads": 1}, "pdf"), 1, ordered=False
    ) as pool:
        folder = Path(pool._workers[0].folder)
        assert folder.exists()
        threading.Thread(target=kill_at, args=(pool, 0, signal.SIGSEGV), daemon=True).start()
        [(_, result)] = pool.run([entry], quiet)
    assert "SIGSEGV" in result.errors[0] and not folder.exists()
    assert (tmp_path / "out").exists() and list((tmp_path / "out").iterdir()) == []
