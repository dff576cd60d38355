"""A batch that is killed at random moments leaves whole results only, and goes on where it was."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_kill_and_resume():
    script = [sys.executable, ROOT / "scripts" / "kill_and_resume.py", ROOT / "data" / "samples"]
    options = ["--files", "60", "--kills", "4", "--", "--beam", "0", "--jobs", "2", "--format", "srt"]
    done = subprocess.run([*script, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("killed after") == 4
    assert done.stdout.endswith("60 results, all complete, none written twice, none missing, nothing left behind\n")
