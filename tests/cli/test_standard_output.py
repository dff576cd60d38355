"""What becomes of results where standard output takes no more."""

import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "numbers.wav"
COMMANDS = (["transcribe", SAMPLE, "--beam", "0"], ["models"], ["models", "latin-handwriting"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: str(len(arguments)))
def test_a_full_disk_under_standard_output_is_one_sentence(arguments):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "recog", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "recog: standard output: No space left on device.\n",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no broken pipes of this kind")
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: str(len(arguments)))
def test_a_reader_that_leaves_ends_the_command_in_silence(arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "recog", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    assert (process.wait(60), process.stderr.read()) == (141, "")
    process.stderr.close()
