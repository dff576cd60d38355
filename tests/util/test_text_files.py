"""Text files of any maker: UTF-8, UTF-16, and nothing else."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from recog.corpora.files import read_text as read_corpus_text
from recog.errors import UserError
from recog.util.text_files import decode_text, read_text


@pytest.mark.parametrize(
    "content",
    [
        "größer\n".encode(),
        "größer\n".encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + "größer\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "größer\n".encode("utf-16-be"),
    ],
)
def test_every_encoding_with_a_mark(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    assert read_text(tmp_path / "a.txt") == read_corpus_text(tmp_path / "a.txt") == "größer\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x89PNG\r\n\0", "is not a text file"),
        ("größer".encode("latin-1"), r"is not UTF-8 text \(byte 2\)"),
        (codecs.BOM_UTF16_LE + b"a\0b", r"is not UTF-16 text \(byte 4\)"),
        (codecs.BOM_UTF32_LE + "ab".encode("utf-32-le"), "is not a text file"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(UserError, match=r"a\.txt " + said):
        decode_text(content, "a.txt")
    (tmp_path / "a.txt").write_bytes(content)
    for read in (read_text, read_corpus_text):
        with pytest.raises(UserError, match=said):
            read(tmp_path / "a.txt")
