"""What ``recog tune`` asks of its options before it loads a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from recog.cli import app


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--lm-for", "English=a.bin", "--lm-for", "English =b.bin"), "English is given twice"),
        (("--lm-for", "English"), "give a language and a file"),
        (("--fix", "nothing"), "nothing is none of"),
        (("--view", "0.1"), "--variant 0.1: give a slant"),
        (("--view", "0.1,3"), "--variant 0.1,3: give a slant"),
        (("--view", "0.1,x"), "--variant 0.1,x: give a slant"),
    ],
)
def test_wrong_options_are_named(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["tune", "latin-handwriting", str(tmp_path / "dev.jsonl"), *options]
    )
    assert result.exit_code == 2
    assert said in result.output
