"""``Transcript.save``, ``to_dict`` and how transcripts show themselves."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from recog.errors import UserError
from recog.formats import WRITERS
from recog.transcript import Line, Transcript, Word

SPOKEN = Transcript(
    "talk.mp3",
    (
        Line(
            "good morning",
            (Word("good", 0.5, 0.75), Word("morning", 0.75, 1.25)),
            start=0.5,
            end=1.25,
            confidence=0.9,
        ),
    ),
    "english-speech",
    duration=2.0,
)
PAGE = Transcript(
    "page.png",
    (Line("a b", baseline=((1, 30), (90, 30)), polygon=((1, 9), (90, 9), (90, 35))),),
    "m",
    size=(100, 60),
)


@pytest.mark.parametrize(
    ("name", "format"),
    [("x.txt", "txt"), ("x.json", "json"), ("x.srt", "srt"), ("x.VTT", "vtt"), ("x.tsv", "tsv"), ("x.ctm", "ctm"),
     ("x.TextGrid", "textgrid"), ("deep/er/x.srt", "srt")],
)  # fmt: skip
def test_the_suffix_says_the_format(name: str, format: str, tmp_path: Path):
    SPOKEN.save(tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8") == WRITERS[format](SPOKEN)


def test_the_format_may_be_said(tmp_path: Path):
    SPOKEN.save(str(tmp_path / "subtitles"), "srt")
    assert (tmp_path / "subtitles").read_text() == WRITERS["srt"](SPOKEN)
    for format, mark in (("page", "PcGts"), ("alto", "<alto")):
        PAGE.save(tmp_path / "x.xml", format=format)
        assert mark in (tmp_path / "x.xml").read_text()
    PAGE.save(tmp_path / "x.hocr")
    PAGE.save(tmp_path / "x.html")
    assert "ocr_page" in (tmp_path / "x.hocr").read_text() == (tmp_path / "x.html").read_text()


@pytest.mark.parametrize(
    ("transcript", "name", "format", "sentence"),
    [
        (
            PAGE,
            "x.xml",
            None,
            "x.xml may be PAGE or ALTO; give format='page' or format='alto' too.",
        ),
        (PAGE, "x", None, "has no suffix that names a format; end it in one of .txt, .json"),
        (PAGE, "x.docx", None, "has no suffix that names a format"),
        (PAGE, "x.txt", "word", "There is no output format 'word'; use one of txt, json"),
        (PAGE, "x.srt", None, "page.png is an image"),
        (SPOKEN, "x.xml", "page", "talk.mp3 is sound"),
        (SPOKEN, "x.pdf", None, "talk.mp3 is sound, and a searchable PDF needs images"),
        (PAGE, "x.pdf", None, "A PDF needs the picture of page.png; give it too: save"),
    ],
)
def test_what_cannot_be_saved_is_told(
    transcript: Transcript, name: str, format: str | None, sentence: str, tmp_path: Path
):
    with pytest.raises(UserError, match=sentence):
        transcript.save(tmp_path / name, format)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    SPOKEN.save(tmp_path / "x.txt")
    monkeypatch.setattr(
        "recog.util.atomic_files.flush_to_disk",
        lambda path: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )
    with pytest.raises(UserError, match=r"x.txt: cannot be written \(No space left on device\)"):
        Transcript("other", (Line("new"),)).save(tmp_path / "x.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"] and "good morning" in (
        tmp_path / "x.txt"
    ).read_text()


def test_pages_of_a_document_go_into_files_of_their_own(tmp_path: Path):
    both = Transcript.of_pages("two.tiff", [PAGE, PAGE])
    both.save(tmp_path / "x.xml", "page")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-0001.xml", "x-0002.xml"]


def test_a_pdf_has_its_picture(tmp_path: Path):
    picture = np.full((60, 100), 255, np.uint8)
    picture[10:30, 5:90] = 0
    cv2.imwrite(str(tmp_path / "page.png"), picture)
    read = Transcript(str(tmp_path / "page.png"), PAGE.lines, "m", size=(100, 60))
    read.save(tmp_path / "file.pdf")
    PAGE.save(tmp_path / "array.pdf", image=picture)
    PAGE.save(tmp_path / "stream.pdf", image=io.BytesIO((tmp_path / "page.png").read_bytes()))
    contents = {
        (tmp_path / f"{name}.pdf").read_bytes().replace(b"f", b"") for name in ("array", "stream")
    }
    assert all(content.startswith(b"%PDF") for content in contents)
    assert b"/Width 100 /Height 60" in (tmp_path / "file.pdf").read_bytes()
    with pytest.raises(
        UserError,
        match=r"has 1 pages, and the transcript of two.tiff has 2; give the image that it is of",
    ):
        Transcript.of_pages("two.tiff", [PAGE, PAGE]).save(tmp_path / "x.pdf", image=picture)
    assert not (tmp_path / "x.pdf").exists()


def test_the_dictionary_is_what_json_says():
    for transcript in (SPOKEN, PAGE, Transcript.of_pages("two.tiff", [PAGE, PAGE])):
        assert json.loads(WRITERS["json"](transcript)) == transcript.to_dict()
    assert SPOKEN.to_dict()["lines"][0]["words"][1] == {
        "text": "morning",
        "start": 0.75,
        "end": 1.25,
    }


def test_representations_are_one_line():
    assert repr(SPOKEN) == "<Transcript of 'talk.mp3': 1 line, 2.0 s, 'good morning'>"
    assert (
        repr(SPOKEN.lines[0]) == "<Line 0.50 to 1.25 s, 'good morning', 2 words, confidence 0.90>"
    )
    assert str(SPOKEN) == "good morning" and f"{SPOKEN.lines[0]}" == "good morning"
    long = Transcript(
        "a\nb.png",
        tuple(Line(f"line {i} of many") for i in range(500)),
        size=(9, 9),
        warnings=("cut.",),
    )
    assert (
        repr(long)
        == r"<Transcript of 'a\nb.png': 500 lines, 1 warning, 'line 0 of many\nline 1 of many\nline 2 of…'>"
    )
    both = Transcript.of_pages("two.tiff", [PAGE, PAGE])
    assert repr(both) == r"<Transcript of 'two.tiff': 2 pages, 2 lines, 'a b\n\x0ca b'>"


def test_a_place_that_is_no_path() -> None:
    with pytest.raises(UserError, match="saved to a path, and this is BytesIO"):
        SPOKEN.save(io.BytesIO())  # type: ignore[arg-type]
