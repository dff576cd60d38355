"""Pages drawn with their lines: everything in its place, whatever the transcript says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "FontFace"):
    pytest.skip("drawing needs OpenCV 5", allow_module_level=True)

from recog.cli import app
from recog.errors import UserError
from recog.formats import READERS, WRITERS
from recog.formats.layout.rotation import rotate_line
from recog.transcript import Line, Transcript, Word
from recog.visualise.arabic import shape_arabic
from recog.visualise.draw import INK, TextPainter, blank, colour_of, drawable, is_font, visual_order
from recog.visualise.page import HEADER, MARGIN, MAX_HEIGHT, MAX_WIDTH, draw_page

TYPE = TextPainter()
PAPER = np.full((400, 600), 240, np.uint8)
BAND = ((50.0, 100.0), (350.0, 100.0), (350.0, 140.0), (50.0, 140.0))
LINE = Line(
    "one two",
    (Word("one", confidence=1.0), Word("two", confidence=0.0)),
    polygon=BAND,
    confidence=0.0,
)
PAGE = Transcript("folder/page.png", (LINE,), "m", size=(600, 400))


def inked(part: np.ndarray) -> bool:
    return bool((part.min(axis=2) < 150).any())


def test_a_line_stands_where_it_is_on_the_page() -> None:
    canvas = draw_page(PAPER, PAGE, TYPE)  # twice as large: a small page
    assert canvas.shape == (800 + HEADER + MARGIN, 2 * 1200 + 3 * MARGIN, 3)
    page, text = (
        canvas[HEADER:-MARGIN, MARGIN : MARGIN + 1200],
        canvas[HEADER:-MARGIN, 2 * MARGIN + 1200 :],
    )
    red = (page[:, :, 2].astype(int) - page[:, :, 0]) > 15
    assert red[240, 400] and not red[190].any() and not red[300:].any() and not red[240, 800:].any()
    assert (
        inked(text[200:290, 100:700])
        and not inked(text[2:190, 2:1100])
        and not inked(text[300:790, 2:1100])
    )
    first, second = text[200:290, 110:175].reshape(-1, 3), text[200:290, 200:300].reshape(-1, 3)
    assert tuple(first[first.sum(axis=1).argmin()]) == colour_of(1.0)  # blue, and red
    assert tuple(second[second.sum(axis=1).argmin()]) == colour_of(0.0)


def test_a_transcript_of_another_size_is_brought_to_the_image() -> None:
    large = Line("one two", polygon=tuple((4 * x, 4 * y) for x, y in BAND), confidence=0.0)
    canvas = draw_page(PAPER, Transcript("p", (large,), size=(2400, 1600)), TYPE)
    assert (
        int(canvas[HEADER + 240, MARGIN + 400, 2]) - int(canvas[HEADER + 240, MARGIN + 400, 0]) > 15
    )


@pytest.mark.parametrize("shape", [(1, 1), (3, 5000), (5000, 3), (9000, 7000)])
def test_pictures_are_bounded(shape: tuple[int, int]) -> None:
    canvas = draw_page(
        np.full(shape, 200, np.uint8), Transcript("p", (LINE,), size=shape[::-1]), TYPE
    )
    assert (
        canvas.shape[0] <= 2 * MAX_HEIGHT + HEADER + 2 * MARGIN
        and canvas.shape[1] <= 2 * MAX_WIDTH + 3 * MARGIN
    )


NUMBER = st.one_of(st.floats(-1e3, 1e3), st.sampled_from([0.0, 1e300, -1e300, 1e-300]))
POINTS = st.lists(st.tuples(NUMBER, NUMBER), max_size=6).map(tuple)
WORDS = st.lists(
    st.builds(Word, st.text(max_size=4), confidence=st.one_of(st.none(), st.floats(-1, 2))),
    max_size=3,
)
LINES = st.builds(
    lambda text, words, polygon, baseline, sure: Line(
        text, tuple(words), polygon=polygon, baseline=baseline, confidence=sure
    ),
    st.text(max_size=12), WORDS, POINTS, POINTS, st.one_of(st.none(), st.floats(-1, 2)),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(LINES, max_size=4), size=st.sampled_from([(600, 400), (0, 0), (1, 100_000)]))
def test_any_transcript_is_drawn(lines: list[Line], size: tuple[int, int]) -> None:
    small = PAPER[:40, :60]
    canvas = draw_page(small, Transcript("p", tuple(lines), size=size), TYPE)
    assert canvas.dtype == np.uint8 and canvas.shape[0] == 80 + HEADER + MARGIN


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(st.characters(), max_size=30), x=st.integers(-300, 300), y=st.integers(-60, 120)
)
def test_any_text_is_written_within_the_canvas(text: str, x: int, y: int) -> None:
    canvas = blank(120, 60)
    assert TYPE.put(canvas, text + "\ud800\x00", x, y, 20) >= 0


def test_text_of_many_scripts() -> None:
    for text in ("Ärger", "Привет", "Ελλάδα", "שלום", "今天"):
        canvas = blank(200, 40)
        width = TYPE.put(canvas, text, 5, 28, 20)
        assert (
            width == TYPE.width(text, 20) > 20
            and inked(canvas[:, 5 : 5 + width])
            and not inked(canvas[:, 6 + width :])
        )
    hebrew = [("שלום", INK), ("עולם", INK)]
    assert drawable("שלום") == "םולש" and drawable(" a\x00\u202eb\n") == "a b"
    assert visual_order(hebrew) == hebrew[::-1] and visual_order([("a", INK), ("b", INK)]) == [
        ("a", INK),
        ("b", INK),
    ]
    mixed = [("abc", INK), ("def", INK), *hebrew, ("ghi", INK)]
    assert [word for word, _ in visual_order(mixed)] == ["abc", "def", "עולם", "שלום", "ghi"]


def test_arabic_letters_are_joined() -> None:
    assert shape_arabic("كتاب") == "\ufedb\ufe98\ufe8e\ufe8f" and shape_arabic("لا") == "\ufefb"
    assert (
        shape_arabic("سَلام") == "\ufeb3\u064e\ufefc\ufee1"
        and shape_arabic("دار") == "\ufea9\ufe8d\ufead"
    )
    assert shape_arabic("پا ب\u0640 abc") == "\ufb58\ufe8e \ufe91\u0640 abc"
    assert drawable("لا", joined=True) == "\ufefb" and drawable("لا") == "ال"
    font = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
    if font.exists():
        assert TextPainter(font).width("كتاب", 40) < TextPainter(font).width("ك ت ا ب", 40)


def test_colours_go_from_red_to_blue() -> None:
    assert colour_of(None) == INK and colour_of(float("nan")) == INK
    blues = [colour_of(k / 10)[0] - colour_of(k / 10)[2] for k in range(11)]
    assert blues == sorted(blues) and blues[0] < 0 < blues[-1] and colour_of(-3.0) == colour_of(0.0)


def test_what_is_no_font_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.ttf").write_bytes(b"\0\1\0\0" + b"\xff" * 500)
    assert not is_font(tmp_path / "f.ttf") and not is_font(tmp_path)
    with pytest.raises(UserError, match=r"f\.ttf is not a font"):
        TextPainter(tmp_path / "f.ttf")


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["show", *map(str, arguments)])
    return done.exit_code, done.output


@pytest.mark.parametrize("name", ["page", "alto", "json"])
def test_from_a_transcript_beside_it(tmp_path: Path, name: str) -> None:
    image, out = tmp_path / "page.png", tmp_path / "new/out.webp"
    cv2.imwrite(str(image), PAPER)
    (tmp_path / f"page.{'json' if name == 'json' else 'xml'}").write_text(
        WRITERS[name](PAGE), encoding="utf-8"
    )
    code, said = run(image, "-o", out)
    assert code == 0 and "give --model to recognise anew" in said
    drawn = cv2.imread(str(out))
    assert drawn.shape[1] == 2 * 1200 + 3 * MARGIN and inked(
        drawn[HEADER + 200 : HEADER + 290, 1400:]
    )


def test_a_page_of_several(tmp_path: Path) -> None:
    image, out = tmp_path / "pages.tif", tmp_path / "out.png"
    cv2.imwritemulti(str(image), [PAPER, np.full((300, 200), 128, np.uint8)])
    second = Transcript("p", (Line("second"),), size=(200, 300))
    (tmp_path / "pages.json").write_text(
        WRITERS["json"](Transcript.of_pages("p", [PAGE, second])), encoding="utf-8"
    )
    code, said = run(image, "-o", out)
    assert code == 0 and "has 2 pages; see the others with --page" in said
    assert cv2.imread(str(out)).shape[1] == 2 * 1200 + 3 * MARGIN
    assert (
        run(image, "-o", out, "--page", 2)[0] == 0
        and cv2.imread(str(out)).shape[1] == 2 * 400 + 3 * MARGIN
    )
    code, said = run(image, "-o", out, "--page", 3)
    assert code == 1 and "has no page 3; its last is 2" in " ".join(said.split())


def test_mistakes_give_one_sentence(tmp_path: Path) -> None:
    image = tmp_path / "page.png"
    cv2.imwrite(str(image), PAPER)
    (tmp_path / "s.srt").write_text(
        WRITERS["srt"](Transcript("s", (Line("x", start=0.0, end=1.0),))), encoding="utf-8"
    )
    (tmp_path / "cut.json").write_text('{"format_version": 1, "lines": [', encoding="utf-8")
    (tmp_path / "t.txt").write_text("x", encoding="utf-8")
    out = tmp_path / "o.png"
    for code, sentence, arguments in (
        (2, "must end in one of", (image, "-o", tmp_path / "o.gif")),
        (2, "is among the inputs", (image, "-o", image)),
        (2, "exclude each other", (image, "-o", out, "--transcript", image, "--model", "m")),
        (2, "not a transcript with places", (image, "-o", out, "--transcript", tmp_path / "t.txt")),
        (1, "not valid JSON", (image, "-o", out, "--transcript", tmp_path / "cut.json")),
        (
            1,
            "is of sound, and this is an image",
            (image, "-o", out, "--transcript", tmp_path / "s.srt"),
        ),
        (1, "there is no such file", (tmp_path / "none.png", "-o", out)),
        (1, "neither sound nor image", (tmp_path / "t.txt", "-o", out)),
    ):
        found, said = run(*arguments)
        assert found == code and sentence in " ".join(said.split()) and "Traceback" not in said
    assert not out.exists()


def test_xml_of_either_kind_is_read() -> None:
    for name in ("page", "alto"):
        assert READERS["xml"](WRITERS[name](PAGE), source="x.xml").lines[0].text == "one two"
    with pytest.raises(UserError, match=r"x\.xml"):
        READERS["xml"]("<html/>", source="x.xml")


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_transcript_of_the_image_as_it_was_stored(tmp_path: Path, orientation: int) -> None:
    """It is drawn where one of the upright image is."""
    turns = {6: 1, 8: 3}[orientation]
    jpeg = cv2.imencode(".jpg", np.ascontiguousarray(np.rot90(PAPER, turns)))[1].tobytes()
    block = (
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation]) + bytes(7)
    )
    (tmp_path / "p.jpg").write_bytes(
        jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]
    )
    stored = Transcript("p.jpg", (rotate_line(LINE, turns, (600, 400)),), size=(400, 600))
    pictures = []
    for number, transcript in enumerate((replace(PAGE, model=""), stored)):
        xml, out = tmp_path / f"{number}.xml", tmp_path / f"{number}.png"
        xml.write_text(WRITERS["page"](transcript), encoding="utf-8")
        result = CliRunner().invoke(
            app, ["show", str(tmp_path / "p.jpg"), "--transcript", str(xml), "-o", str(out)]
        )
        assert result.exit_code == 0, result.output
        pictures.append(cv2.imread(str(out)).astype(int))
    assert pictures[0].shape == pictures[1].shape
    assert (abs(pictures[0] - pictures[1]).max(axis=2) > 60).mean() < 0.002
