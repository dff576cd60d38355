"""docs/python.md: its examples give what they say, and the names it lists import."""

from __future__ import annotations

import doctest
import re
import shutil
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

import recog
from recog.recognition.options import HandwritingOptions, SpeechOptions

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
OLD_NAMES = re.findall(r"^\| `(recog\.[\w.]+)` \|", PAGE.partition("## Names of")[2], re.MULTILINE)


def test_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for sample in (ROOT / "data" / "samples").iterdir():
        shutil.copy(sample, tmp_path)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 10
    test = doctest.DocTestParser().get_doctest("".join(blocks), {}, "python.md", None, 0)
    report: list[str] = []
    failed, tried = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert not failed and tried >= 30, "".join(report)


@pytest.mark.parametrize("name", OLD_NAMES)
def test_old_names_import(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert callable(getattr(import_module(module), attribute)) or attribute == "WRITERS"


def test_old_names_are_the_new_ones() -> None:
    assert len(OLD_NAMES) == 9
    from recog import align, decoding, live, recogniser
    from recog.recognition.forced_alignment import align_text
    from recog.recognition.live import Listener

    assert decoding.Decoder is recog.Decoder and recogniser.load is recog.load
    assert align.align_text is align_text and live.Listener is Listener


def test_every_public_name_and_option_is_on_the_page() -> None:
    words = set(re.findall(r"\w+", PAGE))
    assert set(recog.__all__) - {"__version__"} <= words
    assert {
        field.name for kind in (SpeechOptions, HandwritingOptions) for field in fields(kind)
    } <= words
