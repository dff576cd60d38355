"""hOCR: what a reader of hOCR 1.2 finds in it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree, html

from recog.errors import UsageError, UserError
from recog.formats.layout import hocr
from recog.formats.layout.shapes import xml_text
from recog.transcript import Line, Transcript, Word

LINE = Line(
    "le 3 août",
    (
        Word("le", box=(10.2, 5.0, 40.0, 30.0), confidence=0.91),
        Word("3", box=(50, 5, 60, 30)),
        Word("août", box=(66, 4, 90, 30), confidence=2.0),
    ),
    baseline=((10.0, 28.4), (90.0, 27.0)),
    polygon=((8.0, 2.0), (95.0, 2.0), (95.0, 33.0), (8.0, 33.0)),
)


def found(root: etree._Element, kind: str) -> list[etree._Element]:
    return root.xpath(f"//*[@class='{kind}']")


def properties(element: etree._Element) -> dict[str, str]:
    return dict(piece.strip().split(" ", 1) for piece in element.get("title").split(";"))


def test_pages_lines_and_words() -> None:
    other = Transcript('sc"an.pdf', (Line("& <fin>"),), size=(50, 40))
    first = Transcript('sc"an.pdf', (LINE,), "latin", size=(100, 60))
    written = hocr.write(Transcript.of_pages('sc"an.pdf', (first, other)))
    # both ways of reading it
    for root in (etree.fromstring(written.encode()), html.fromstring(written.encode())):
        metas = {
            meta.get("name"): meta.get("content") for meta in root.xpath("//*[local-name()='meta']")
        }
        assert metas["ocr-system"] == "recog (latin)"
        pages, lines, words = (found(root, kind) for kind in ("ocr_page", "ocr_line", "ocrx_word"))
        assert [properties(page)["bbox"] for page in pages] == ["0 0 100 60", "0 0 50 40"]
        assert [properties(page)["ppageno"] for page in pages] == ["0", "1"]
        assert properties(pages[0])["image"] == '"sc\'an.pdf"'
        assert [" ".join("".join(line.itertext()).split()) for line in lines] == [
            "le 3 août",
            "& <fin>",
        ]
        assert properties(lines[0])["bbox"] == "8 2 95 33"
        slope, offset = map(float, properties(lines[0])["baseline"].split())
        assert 33 + offset + slope * (10 - 8) == pytest.approx(28.4, abs=1)
        assert slope == pytest.approx(-1.4 / 80, abs=1e-4)
        assert [properties(word).get("x_wconf") for word in words] == ["91", None, "100", None]
        assert properties(words[0])["bbox"] == "10 5 40 30"
        assert (
            "baseline" not in properties(lines[1]) and properties(lines[1])["bbox"] == "0 0 49 39"
        )
        used = {element.get("class") for element in root.xpath("//*[@class]")}
        assert used <= set(metas["ocr-capabilities"].split())
        ids = root.xpath("//@id")
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("baseline", "polygon", "angle"),
    [
        (((30, 50), (30, 5)), ((10, 50), (10, 5), (32, 5), (32, 50)), "90"),
        (((30, 5), (30, 50)), ((28, 5), (50, 5), (50, 50), (28, 50)), "270"),
        (((90, 10), (10, 10)), ((10, 8), (90, 8), (90, 30), (10, 30)), "180"),
        # upright, drawn from the right
        (((90, 28), (10, 28)), ((10, 8), (90, 8), (90, 30), (10, 30)), None),
    ],
)
def test_turned_lines(baseline: tuple, polygon: tuple, angle: str | None) -> None:
    line = Line("a", polygon=polygon, baseline=baseline)
    root = etree.fromstring(hocr.write(Transcript("p.png", (line,), size=(100, 60))).encode())
    found_here = properties(found(root, "ocr_line")[0])
    assert found_here.get("textangle") == angle and ("baseline" in found_here) == (angle is None)


def test_no_lines_and_sound() -> None:
    root = etree.fromstring(hocr.write(Transcript("p.png", (), size=(9, 9))).encode())
    assert len(found(root, "ocr_page")) == 1 and not found(root, "ocr_carea")
    with pytest.raises(UsageError, match="is sound"):
        hocr.write(Transcript("a.wav", (), duration=1.0))


@given(
    st.lists(st.builds(Line, st.text(), confidence=st.none() | st.floats()), max_size=4),
    st.text(),
    st.text(),
)
def test_any_text_gives_a_document(lines: list[Line], source: str, model: str) -> None:
    root = etree.fromstring(
        hocr.write(Transcript(source, tuple(lines), model, size=(50, 40))).encode()
    )
    words = found(root, "ocrx_word")
    assert len(words) == len(lines)
    for word, line in zip(words, lines, strict=True):
        if xml_text(line.text) == line.text:
            assert (word.text or "") == line.text
        assert re.match(r"bbox \d+ \d+ \d+ \d+", word.get("title"))


def test_what_was_written_comes_back() -> None:
    words = (
        Word("Dear", box=(10, 20, 50, 40), confidence=0.91),
        Word("<Anna> &", box=(60, 20, 90, 40)),
    )
    whole = Line(
        "Dear <Anna> &",
        words,
        polygon=((10, 18), (90, 18), (90, 44), (10, 44)),
        baseline=((10, 40), (90, 38)),
    )
    bare = Line("no words here", polygon=((0, 60), (90, 60), (90, 80), (0, 80)))
    page = Transcript("my page.png", (whole, bare), "latin", size=(100, 90))
    document = Transcript.of_pages(
        "b.tiff", [page, Transcript("b.tiff", (bare,), "latin", size=(100, 90))]
    )
    found = hocr.read(hocr.write(page))
    assert (found.source, found.model, found.size) == ("my page.png", "latin", (100, 90))
    first, second = found.lines
    assert first.text == whole.text and first.words == words and first.polygon == whole.polygon
    assert first.baseline == ((10.0, 40.0), (90.0, pytest.approx(38.0)))
    assert (second.text, second.words, second.polygon) == (bare.text, (), bare.polygon)
    read = hocr.read(hocr.write(document))
    assert [len(page.lines) for page in read.pages] == [2, 1] and read.text == document.text


def test_of_others() -> None:
    """Tesseract's kinds of lines; and HTML that is no XML, as OCRopus wrote it."""
    words = (
        '<span class="ocrx_word" title="bbox 1 2 3 4; x_wconf 96"><strong>Dear</strong></span>&nbsp;\n'
        "<span class=ocrx_word>Sir</span>"
    )
    text = (
        "<html><head><meta name=ocr-system content='tesseract 5.3'></head><body>"
        "<div class='ocr_page' title='image &quot;a b.png&quot;; bbox 0 0 200 100; ppageno 0'><p class=ocr_par>"
        f"<span class='ocr_header' title='bbox 0 0 9 9; baseline 0 -2'>{words}</span><br>"
        "<span class='ocr_line' title=\"bbox 0 x 9 9\">of the\n year</span></div></body></html>"
    )
    found = hocr.read(text)
    assert [line.text for line in found.lines] == ["Dear Sir", "of the year"]
    assert (found.source, found.size, found.model) == ("a b.png", (200, 100), "")
    assert found.lines[0].words[0] == Word("Dear", box=(1, 2, 3, 4), confidence=0.96)
    assert found.lines[0].baseline == ((0, 7), (9, 7)) and found.lines[1].polygon == ()


@pytest.mark.parametrize(
    "text",
    ["", "text", "<p>one<p>two", "<html/>", "<!DOCTYPE x [<!ENTITY a 'b'>]><html>&a;</html>"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^odd "):
        hocr.read(text, source="odd")
