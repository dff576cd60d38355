"""The Python lines of README.md run as they stand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(
    r"^```python\n(.*?)^```",
    (ROOT / "README.md").read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)
GIVEN = """
import string
import numpy as np

letters = string.ascii_lowercase
scores = np.random.default_rng(1).normal(0, 3, (2, 20, 28))
log_probs = (scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))).astype(np.float32)
lengths = [20, 12]
"""  # what README's lines on the decoder take as given
ARPA = "\\data\\\nngram 1=4\n\n\\1-grams:\n-1 <unk>\n-99 <s>\n-1 </s>\n-1 recog\n\n\\end\\\n"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[0])
def test_python_lines(block: str, tmp_path: Path):
    for sample in (ROOT / "data" / "samples").iterdir():
        shutil.copy(sample, tmp_path)
    shutil.copy(tmp_path / "weather.wav", tmp_path / "interview.mp3")  # read by its content
    (tmp_path / "model.arpa").write_text(ARPA)
    script = (GIVEN if "log_probs" in block else "") + block
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", script],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if "interview.mp3" in block:
        assert "the weather is fine" in done.stdout and "(1100, 900)" in done.stdout
        assert "--> 00:00" in (tmp_path / "interview.srt").read_text()
    else:
        assert len(done.stdout.splitlines()) == 2


def test_readme_has_python_lines():
    assert len(BLOCKS) == 2
