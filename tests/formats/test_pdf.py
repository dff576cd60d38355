"""Searchable PDF, read back by PDFium: the text line by line, each word on its box, the picture as
it was."""

from __future__ import annotations

import io
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import UsageError
from recog.formats.layout import pdf
from recog.formats.layout.glyphless import glyphless_font
from recog.formats.layout.rotation import rotate_line
from recog.media.document.picture import Picture, file_picture
from recog.transcript import Line, Transcript, Word

pdfium = pytest.importorskip("pypdfium2")
SAMPLES = Path(__file__).parent.parent.parent / "data" / "samples"
SIZE = (1100, 900)


def made(*pages: tuple[Transcript, Picture | None]) -> bytes:
    file = io.BytesIO()
    writer = pdf.PdfWriter(file, "a title (€)")
    for transcript, picture in pages:
        writer.add(transcript, picture)
    writer.finish()
    return file.getvalue()


def texts(data: bytes) -> list[list[str]]:
    """The lines of each page."""
    document = pdfium.PdfDocument(data)
    return [page.get_textpage().get_text_range().split("\r\n") for page in document]


def line_of(
    text: str, top: float = 100.0, left: float = 50.0, *, right_to_left: bool = False
) -> Line:
    """A line whose words stand side by side, 40 pixels high."""
    words, at = [], left
    spoken = text.split()
    for word in reversed(spoken) if right_to_left else spoken:
        words.append(Word(word, box=(at, top, at + 18.0 * len(word), top + 40)))
        at += 18.0 * len(word) + 12
    baseline = ((left, top + 32), (at, top + 32))
    outline = ((left, top), (at, top), (at, top + 40), (left, top + 40))
    return Line(
        text, tuple(reversed(words) if right_to_left else words), baseline=baseline, polygon=outline
    )


def page_of(*found: str, **options: bool) -> Transcript:
    lines = tuple(line_of(text, 60.0 + 60 * at, **options) for at, text in enumerate(found))
    return Transcript("p.png", lines, size=SIZE)


GREEK, CHINESE, HINDI, MATHS = "ἐν ἀρχῇ ἦν ὁ λόγος", "子曰 學而 時習之", "नमस्ते दुनिया", "𝔄𝔟𝔠 𐍈 z"


@pytest.mark.parametrize("text", ["Où est-elle, l’été ? (oui)", GREEK, CHINESE, HINDI, MATHS, "a"])
def test_text_of_any_script_comes_back(text: str) -> None:
    assert texts(made((page_of(text, "fin"), None))) == [[text, "fin"]]


@pytest.mark.parametrize("text", ["שלום עולם", "في البدء كان الكلمة", "שלום 1905 עולם"])
def test_right_to_left_text_comes_back_in_the_order_of_reading(text: str) -> None:
    assert texts(made((page_of(text, right_to_left=True), None))) == [[text]]


def test_pages_follow_one_another_and_a_thousand_characters_are_kept_apart() -> None:
    pages = ["".join(chr(0x4E00 + 37 * page + i) for i in range(30)) for page in range(40)]
    assert texts(made(*((page_of(text), None) for text in pages))) == [[text] for text in pages]


@settings(max_examples=50)
@given(
    st.lists(
        st.text(st.characters(categories=("Lu", "Ll", "Nd"), max_codepoint=0x58F), min_size=1),
        min_size=1,
    )
)
def test_any_words_come_back(words: list[str]) -> None:
    text = " ".join(word[:12] for word in words[:4])
    assert texts(made((page_of(text), None))) == [[text]]


def test_words_lie_on_their_boxes() -> None:
    transcript = page_of("the road along", "was white")
    page = pdfium.PdfDocument(made((transcript, file_picture("p", encoded(SIZE), 300.0))))[0]
    scale, height = 300 / 72, page.get_height()
    found = page.get_textpage()
    assert not any(ord(c) < 32 and c not in "\r\n" for c in found.get_text_range())
    at = 0
    text = found.get_text_range()
    for line in transcript.lines:
        for word in line.words:
            at = text.index(word.text, at)
            boxes = np.array([found.get_charbox(at + i) for i in range(len(word.text))])
            left, bottom, right, top = (
                boxes[:, 0].min(),
                boxes[:, 1].min(),
                boxes[:, 2].max(),
                boxes[:, 3].max(),
            )
            lies = np.array([left, height - top, right, height - bottom]) * scale
            np.testing.assert_allclose(lies, word.box, atol=1.5)


def encoded(size: tuple[int, int], extension: str = ".jpg") -> bytes:
    image = np.full((size[1], size[0], 3), 230, np.uint8)
    image[: size[1] // 4, : size[0] // 3] = (200, 30, 60)  # one corner, in colour
    return cv2.imencode(extension, image)[1].tobytes()


def drawn(data: bytes, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(pdfium.PdfDocument(data)[0].render(scale=300 / 72).to_numpy(), size)


def assert_alike(found: np.ndarray, expected: np.ndarray) -> None:
    """But for what JPEG does to edges."""
    assert np.abs(found.astype(int) - expected).mean() < 1


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_page_that_lies_on_its_side_is_turnedupright(turns: int) -> None:
    upright = page_of("the road along", "was white with frost", "and the horses")
    lines = tuple(rotate_line(line, turns, SIZE) for line in upright.lines)
    size = SIZE if turns % 2 == 0 else SIZE[::-1]
    image = cv2.imdecode(np.frombuffer(encoded(SIZE), np.uint8), cv2.IMREAD_COLOR)
    stored = cv2.imencode(".png", np.ascontiguousarray(np.rot90(image, turns)))[1].tobytes()
    data = made((Transcript("p", lines, size=size), file_picture("p", stored, 300.0)))
    assert texts(data) == [["the road along", "was white with frost", "and the horses"]]
    assert_alike(drawn(data, SIZE), image)
    assert pdfium.PdfDocument(data)[0].get_size() == pytest.approx(
        (SIZE[0] * 0.24, SIZE[1] * 0.24), abs=0.01
    )


def test_a_note_up_the_margin_is_read_too() -> None:
    note = rotate_line(line_of("marginal note", 20.0, 30.0), 1, (900, 1100))
    body = page_of("the road along the river", "was white with frost")
    found = texts(made((Transcript("p", (*body.lines, note), size=SIZE), None)))
    assert " ".join(found[0]) == "the road along the river was white with frost marginal note"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_as_their_orientation_says(orientation: int) -> None:
    from recog.media.image.reader import upright

    stored = cv2.imdecode(np.frombuffer(encoded((300, 200)), np.uint8), cv2.IMREAD_COLOR)
    block = (
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation]) + bytes(7)
    )
    jpeg = cv2.imencode(".jpg", stored)[1].tobytes()
    jpeg = jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]
    picture = file_picture("p", jpeg, 300.0)
    assert picture.data == jpeg, "a JPEG file is not encoded again"
    expected = np.stack([upright(stored[:, :, k], orientation) for k in range(3)], axis=2)
    size = expected.shape[1::-1]
    data = made((Transcript("p", (), size=size), picture))
    assert_alike(drawn(data, size), expected)


@pytest.mark.parametrize("kind", ["grey", "black", "alpha", "deep"])
def test_pictures_of_every_kind_look_the_same(kind: str) -> None:
    image = cv2.imdecode(np.frombuffer(encoded((300, 200), ".png"), np.uint8), cv2.IMREAD_COLOR)
    grey = image[:, :, 1]
    ways = {
        "grey": (grey, "DCTDecode", 1, 8),
        "black": (np.where(grey > 100, 255, 0).astype(np.uint8), "FlateDecode", 1, 1),
        "alpha": (np.dstack([image, np.full(grey.shape, 255, np.uint8)]), "DCTDecode", 3, 8),
        "deep": (image.astype(np.uint16) * 257, "DCTDecode", 3, 8),
    }
    pixels, code, colours, bits = ways[kind]
    picture = file_picture("p", cv2.imencode(".png", pixels)[1].tobytes(), 300.0)
    assert (picture.filter, picture.colours, picture.bits) == (code, colours, bits)
    shown = (
        pixels // 257
        if kind == "deep"
        else pixels[:, :, :3]
        if kind == "alpha"
        else cv2.merge([pixels] * 3)
    )
    found = drawn(made((Transcript("p", (), size=(300, 200)), picture)), (300, 200))
    assert_alike(found, shown)


def test_blank_pages_titles_and_sound() -> None:
    data = made((Transcript("p", (), size=(1, 1)), None))
    document = pdfium.PdfDocument(data)
    assert document.get_metadata_value("Title") == "a title (€)" and document[0].get_size() == (
        595,
        842,
    )
    with pytest.raises(UsageError, match="is sound"):
        made((Transcript("a.wav", (), duration=1.0), None))


def test_the_offsets_are_right() -> None:
    """A reader repairs a wrong table in silence; here each object must stand where the table
    says."""
    data = made(*((page_of("a b"), file_picture("p", encoded((30, 20)), 300.0)) for _ in range(3)))
    table = data[int(data.split(b"startxref\n")[1].split()[0]) :]
    rows = table.split(b"\n")
    assert rows[0] == b"xref"
    for number in range(1, int(rows[1].split()[1])):
        at = int(rows[2 + number][:10])
        assert len(rows[2 + number]) == 19 and data[at:].startswith(b"%d 0 obj\n" % number)


def test_the_font_is_one() -> None:
    font = glyphless_font()
    tables = pytest.importorskip("fontTools.ttLib").TTFont(io.BytesIO(font), checkChecksums=2)
    assert tables["hmtx"].metrics["glyph00001"] == (500, 0) and tables["maxp"].numGlyphs == 2
    assert (tables["glyf"]["glyph00001"].xMax, tables["glyf"]["glyph00001"].yMax) == (500, 800)


def test_hostile_boxes_give_a_file_all_the_same() -> None:
    chance = random.Random(1)
    numbers = [0.0, -5.0, 1e9, -1e9, 3.5, 1e-9]
    lines = [
        Line(
            "ab",
            (Word("ab", box=tuple(chance.choice(numbers) for _ in range(4))),),
            baseline=((0, 0), (0, 0)),
        )
        for _ in range(50)
    ]
    assert len(pdfium.PdfDocument(made((Transcript("p", tuple(lines), size=SIZE), None)))) == 1
