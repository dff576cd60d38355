"""A batch that is killed at random moments leaves whole results only, and goes on where it was."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_kill_and_resume():
    script = [sys.executable, ROOT / "scripts" / "kill_and_resume.py", ROOT / "data" / "samples"]
    options = [
        "--files",
        "60",
        "--kills",
        "4",
        "--",
        "--beam",
        "0",
        "--jobs",
        "2",
        "--format",
        "srt",
    ]
    done = subprocess.run([*script, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("killed: ") == 4
    assert done.stdout.endswith(
        "60 results, all complete, none written twice, none missing, nothing left behind\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT for a group of processes")
def test_an_interruption_leaves_whole_results_and_the_list(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "0.wav").write_bytes(b"no sound")
    for i in range(1, 200):
        shutil.copy(ROOT / "data" / "samples" / "numbers.wav", tmp_path / "in" / f"{i:03d}.wav")
    arguments = [
        "transcribe",
        tmp_path / "in",
        "-o",
        tmp_path / "out",
        "--beam",
        "0",
        "--jobs",
        "2",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "recog", *arguments, "--failures", tmp_path / "list.tsv"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(list(tmp_path.glob("out/*.txt"))) < 5:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    _, said = process.communicate(timeout=30)
    assert (
        process.returncode,
        said.count("of 200 files"),
        said.endswith("recog: interrupted.\n"),
    ) == (130, 1, True), said
    assert "Traceback" not in said
    assert (tmp_path / "list.tsv").read_text().startswith(f"{tmp_path / 'in' / '0.wav'}\t")
    written = list(tmp_path.glob("out/*"))
    assert 5 <= len(written) < 199 and len({path.read_bytes() for path in written}) == 1
