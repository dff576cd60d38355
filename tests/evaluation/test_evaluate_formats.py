"""Every format that recog writes is a reference and a hypothesis, and a text to align; anything
else is refused."""

from __future__ import annotations

import codecs
from itertools import permutations
from pathlib import Path

import pytest

from recog.cli.align import read_text_lines
from recog.errors import UserError
from recog.evaluation import evaluate, read_pairs
from recog.formats import SUFFIXES, WRITERS
from recog.formats.timed import trn
from recog.transcript import Line, Transcript, Word

SPOKEN = Transcript(
    "talk.wav",
    (
        Line("good day", (Word("good", 0.0, 0.5), Word("day", 0.5, 1.0)), start=0.0, end=1.0),
        Line(
            "{ <see> & you }",
            tuple(
                Word(text, 2.0 + k / 5, 2.2 + k / 5)
                for k, text in enumerate(["{", "<see>", "&", "you", "}"])
            ),
            start=2.0,
            end=3.0,
        ),
    ),
    duration=3.0,
)
WRITTEN = Transcript(
    "p.png",
    (
        Line(
            "Dear <Anna> &",
            tuple(
                Word(text, box=(30 * k, 0, 30 * k + 20, 10))
                for k, text in enumerate(("Dear", "<Anna>", "&"))
            ),
            polygon=((0, 0), (80, 0), (80, 10), (0, 10)),
            baseline=((0, 8), (80, 8)),
        ),
        Line(
            "{ all is well }",
            polygon=((0, 20), (90, 20), (90, 30), (0, 30)),
            baseline=((0, 28), (90, 28)),
        ),
    ),
    size=(100, 50),
)
OF_SOUND = ("txt", "json", "srt", "vtt", "tsv", "ctm", "textgrid")
OF_PAGES = ("txt", "json", "page", "alto", "hocr")
MIXED = [(SPOKEN, *pair) for pair in permutations(OF_SOUND, 2)] + [
    (WRITTEN, *pair) for pair in permutations(OF_PAGES, 2)
]


def put(folder: Path, stem: str, name: str, transcript: Transcript) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.{SUFFIXES.get(name, name)}"
    path.write_text(WRITERS[name](transcript), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("transcript", "one", "other"), MIXED, ids=[f"{a}-{b}" for _, a, b in MIXED]
)
def test_every_format_against_every_other(
    tmp_path: Path, transcript: Transcript, one: str, other: str
) -> None:
    words = len(transcript.text.split())
    ref, hyp = (
        put(tmp_path / "r", "x", one, transcript),
        put(tmp_path / "h", "y", other, transcript),
    )
    pairs, _ = read_pairs(ref, hyp)
    result = evaluate(pairs)
    assert len(pairs) == 1 and result.wer.errors == 0 and result.wer.reference == words
    put(tmp_path / "h", "x", other, transcript)
    put(tmp_path / "r", "y", one, transcript)
    pairs, warnings = read_pairs(tmp_path / "r", tmp_path / "h")
    result = evaluate(pairs)
    assert [pair.id for pair in pairs] == ["x", "y"] and not warnings
    assert result.wer.errors == 0 and result.wer.reference == 2 * words


def test_trn_alone_and_in_folders(tmp_path: Path) -> None:
    texts = [("x", "good day"), ("y", "see you")]
    (tmp_path / "ref").mkdir()
    (tmp_path / "ref/all.trn").write_text(trn.write(texts))
    for name, text in texts:
        put(
            tmp_path / "hyp",
            name,
            "textgrid",
            Transcript("", (Line(text, start=0.0, end=1.0),), duration=1.0),
        )
    for reference in (tmp_path / "ref", tmp_path / "ref/all.trn"):
        pairs, warnings = read_pairs(reference, tmp_path / "hyp")
        assert [(pair.id, pair.reference, pair.hypothesis) for pair in pairs] == [
            (name, text, text) for name, text in texts
        ]
        assert not warnings
    (tmp_path / "one.trn").write_text(trn.write(texts[:1]))
    ((pair,), _) = read_pairs(tmp_path / "one.trn", tmp_path / "hyp/x.TextGrid")
    assert (pair.reference, pair.hypothesis) == ("good day", "good day")


def test_what_lies_beside_the_transcripts_of_a_folder(tmp_path: Path) -> None:
    for folder in ("r", "h"):
        put(tmp_path / folder, "p", "page", WRITTEN)
        (tmp_path / folder / "mets.xml").write_text("<mets/>")
        (tmp_path / folder / "p.jpg").write_bytes(b"\xff\xd8\0")
        (tmp_path / folder / "clips.tsv").write_text("path\tsentence\tup\n")
    pairs, warnings = read_pairs(tmp_path / "r", tmp_path / "h")
    assert [pair.id for pair in pairs] == ["p"] and not warnings
    (tmp_path / "h/p.xml").write_text("<PcGts>")
    with pytest.raises(UserError, match=r"p\.xml is not well-formed XML"):
        read_pairs(tmp_path / "r", tmp_path / "h")


@pytest.mark.parametrize("name", ["json", "vtt", "srt", "textgrid", "page", "alto", "hocr"])
def test_a_name_that_says_nothing(tmp_path: Path, name: str) -> None:
    transcript = WRITTEN if name in OF_PAGES else SPOKEN
    odd = put(tmp_path, "x", name, transcript)
    odd = odd.rename(odd.with_suffix(".out"))
    ((pair,), _) = read_pairs(put(tmp_path, "x", "txt", transcript), odd)
    assert (pair.hypothesis or "").split() == transcript.text.split()
    assert read_text_lines(odd) == [line.text for line in transcript.lines]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pdf", b"%PDF-1.7\n", r"a\.pdf is not read as text; give plain text, json"),
        (
            "a.ass",
            b"[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,D,,0,0,0,,hello\n",
            r"a\.ass is not read as text",
        ),
        ("a.csv", b"id,text\n1,hello\n", r"a\.csv is not read as text"),
        ("a.docx", b"PK\3\4", r"a\.docx is not read as text"),
        ("a.xml", b"<mets/>", r"a\.xml is neither PAGE nor ALTO nor hOCR: its root is <mets>"),
        ("a.out", b"<?xml version='1.0'?><svg/>", r"a\.out is neither PAGE nor ALTO nor hOCR"),
        ("a.html", b"<p>Text of a page.<br>", r"a\.html is not hOCR: it has no ocr_page"),
        ("a.txt", b"<!DOCTYPE html><html><body>Text</body></html>", r"a\.txt is not hOCR"),
        ("a.json", b'{"text": "x"}', r"a\.json has no format_version"),
        ("a.TextGrid", b"text", r"a\.TextGrid is not a TextGrid"),
    ],
)
def test_markup_is_never_scored_or_aligned_as_words(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_pairs(path, path)
    with pytest.raises(UserError, match=said):
        read_text_lines(path)


@pytest.mark.parametrize("name", OF_SOUND + OF_PAGES)
def test_every_format_is_a_text_to_align(tmp_path: Path, name: str) -> None:
    transcript = WRITTEN if name in ("page", "alto", "hocr") else SPOKEN
    words = " ".join(read_text_lines(put(tmp_path, "x", name, transcript))).split()
    assert words == transcript.text.split()


def test_texts_of_many_recordings_are_not_aligned_with_one(tmp_path: Path) -> None:
    (tmp_path / "a.trn").write_text(
        "i {uh / @} want (um) {kilos / kilogrammes} (s-1)\n(really) (s-2)\nso { what (s-3)\n"
    )
    assert read_text_lines(tmp_path / "a.trn") == ["i uh want um kilos", "really", "so { what"]
    for name in ("rows.jsonl", "all.stm"):
        (tmp_path / name).write_text('{"media": "a.wav", "text": "x"}\n')
        with pytest.raises(UserError, match="holds the texts of many recordings"):
            read_text_lines(tmp_path / name)


@pytest.mark.parametrize(
    ("mark", "encoding"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")]
)
def test_textgrids_of_praat_in_utf_16(tmp_path: Path, mark: bytes, encoding: str) -> None:
    """Both text forms, and both byte orders."""
    short = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n3\n<exists>\n1\n"IntervalTier"\n"lines"\n0\n3\n2\n'
        '0\n1\n"good day"\n2\n3\n"größer"\n'
    )
    long = WRITERS["textgrid"](
        Transcript(
            "",
            (Line("good day", start=0.0, end=1.0), Line("größer", start=2.0, end=3.0)),
            duration=3.0,
        )
    )
    for content in (short, long):
        path = tmp_path / "x.TextGrid"
        path.write_bytes(mark + content.replace("\n", "\r\n").encode(encoding))
        ((pair,), _) = read_pairs(path, path)
        assert pair.reference == pair.hypothesis == "good day größer"
        assert read_text_lines(path) == ["good day", "größer"]
