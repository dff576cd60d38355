"""PAGE XML: what is written comes back through recog's own reader, and is what the schema of 2019
asks for."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from recog.corpora import importer
from recog.errors import UsageError
from recog.formats.layout import page
from recog.transcript import Alternative, Line, Transcript, Word

NS = {"p": page.NAMESPACE}
LINES = (
    Line(
        "le 3 août",
        (
            Word("le", box=(10.2, 5.0, 40.0, 30.0), confidence=0.91),
            Word("3", box=(50, 5, 60, 30)),
            Word("août"),
        ),
        baseline=((10.0, 28.4), (90.0, 27.0)),
        polygon=((8.0, 2.0), (95.0, 2.0), (95.0, 33.0), (8.0, 33.0)),
        confidence=0.8,
        alternatives=(Alternative("le 3 août", -1.0), Alternative("le 3 aout", -2.0)),
    ),
    Line("& <fin>"),
)


def parsed(transcript: Transcript) -> etree._Element:
    return etree.fromstring(page.write(transcript).encode())


def test_lines_words_and_readings() -> None:
    root = parsed(Transcript("scans/p1.png", LINES, "latin", size=(100, 60)))
    assert root.tag == f"{{{page.NAMESPACE}}}PcGts"
    own = root.find("p:Page", NS)
    assert dict(own.attrib) == {"imageFilename": "p1.png", "imageWidth": "100", "imageHeight": "60"}
    assert [e.tag.split("}")[1] for e in own.find("p:TextRegion", NS)] == [
        "Coords",
        "TextLine",
        "TextLine",
        "TextEquiv",
    ]
    first, second = own.iterfind(".//p:TextLine", NS)
    order = ["Coords", "Baseline", "Word", "Word", "TextEquiv", "TextEquiv"]
    assert [e.tag.split("}")[1] for e in first] == order, "the schema fixes the order"
    assert first.find("p:Baseline", NS).get("points") == "10,28 90,27"
    word = first.find("p:Word", NS)
    assert word.find("p:Coords", NS).get("points") == "10,5 40,5 40,30 10,30"
    assert word.find("p:TextEquiv", NS).get("conf") == "0.9100"
    readings = [
        (e.get("index"), e.get("conf"), e[0].text) for e in first.iterfind("p:TextEquiv", NS)
    ]
    assert readings == [("0", "0.8000", "le 3 août"), ("1", None, "le 3 aout")]
    assert second.find("p:Coords", NS).get("points") == "0,0 99,0 99,59 0,59", (
        "nothing is known: the whole image"
    )


def test_recogs_own_importer_reads_it_back(tmp_path: Path) -> None:
    (tmp_path / "p1.png").touch()
    (tmp_path / "p1.xml").write_text(
        page.write(Transcript("p1.png", LINES, size=(100, 60))), encoding="utf-8"
    )
    first, second = importer("page")(tmp_path)
    assert [first.text, second.text] == ["le 3 août", "& <fin>"]
    assert first.line is not None and first.line.baseline == ((10.0, 28.0), (90.0, 27.0))
    assert first.line.polygon == LINES[0].polygon


def test_the_time_of_writing_can_be_given() -> None:
    when = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    written = page.write(Transcript("a.png", (), size=(9, 9)), when=when)
    assert written.count("2001-02-03T04:05:06") == 2
    assert "2001" not in page.write(Transcript("a.png", (), size=(9, 9)))


def test_no_lines_and_sound() -> None:
    assert parsed(Transcript("p.png", (), size=(9, 9))).find(".//p:TextRegion", NS) is None
    with pytest.raises(UsageError, match="is sound"):
        page.write(Transcript("a.wav", (), duration=1.0))


boxes = st.tuples(*(st.floats(-1e4, 1e4) for _ in range(4)))
words = st.builds(
    Word, st.text(max_size=8), box=st.none() | boxes, confidence=st.none() | st.floats()
)


@given(
    st.lists(
        st.builds(
            Line,
            st.text(),
            st.lists(words, max_size=3).map(tuple),
            confidence=st.none() | st.floats(),
        )
    ),
    st.text(max_size=10),
)
def test_anything_gives_valid_points_and_the_text_that_xml_can_hold(
    lines: list[Line], source: str
) -> None:
    root = parsed(Transcript(source, tuple(lines), size=(50, 40)))
    for coords in root.iterfind(".//p:Coords", NS):
        assert re.fullmatch(r"(\d+,\d+ )+\d+,\d+", coords.get("points"))
        assert all(
            int(x) < 50 and int(y) < 40
            for x, y in (point.split(",") for point in coords.get("points").split())
        )
    found = [
        e.findtext("p:TextEquiv/p:Unicode", "", NS) for e in root.iterfind(".//p:TextLine", NS)
    ]
    assert len(found) == len(lines)
    for text, line in zip(found, lines, strict=True):
        if line.text.isprintable():
            assert text == line.text
    ids = root.xpath("//@id")
    assert len(ids) == len(set(ids))
