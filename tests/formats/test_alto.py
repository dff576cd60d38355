"""ALTO: what is written comes back through recog's own reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from recog.corpora import importer
from recog.errors import UsageError
from recog.formats.layout import alto
from recog.transcript import Line, Transcript, Word

NS = {"a": alto.NAMESPACE}
LINES = (
    Line(
        "le 3 août",
        (
            Word("le", box=(10.2, 5.0, 40.0, 30.0), confidence=0.91),
            Word("3", box=(50, 5, 60, 30)),
            Word("août", box=(66, 4, 90, 30), confidence=2.0),
        ),
        baseline=((10.0, 28.4), (90.0, 27.0)),
        polygon=((8.0, 2.0), (95.0, 2.0), (95.0, 33.0), (8.0, 33.0)),
    ),
    Line("& <fin>", confidence=0.5),
)


def test_lines_words_and_places() -> None:
    root = etree.fromstring(alto.write(Transcript("scans/p1.png", LINES, size=(100, 60))).encode())
    assert (
        root.findtext(".//a:fileName", None, NS) == "p1.png"
        and root.findtext(".//a:MeasurementUnit", None, NS) == "pixel"
    )
    first, second = root.iterfind(".//a:TextLine", NS)
    assert (
        first.get("BASELINE") == "10,28 90,27"
        and first.get("HPOS") == "8"
        and first.get("HEIGHT") == "31"
    )
    assert [e.tag.split("}")[1] for e in first] == [
        "Shape",
        "String",
        "SP",
        "String",
        "SP",
        "String",
    ]
    strings = list(first.iterfind("a:String", NS))
    assert [(s.get("CONTENT"), s.get("WC")) for s in strings] == [
        ("le", "0.9100"),
        ("3", None),
        ("août", "1.0000"),
    ]
    assert (
        dict(strings[0].attrib).items()
        >= {"HPOS": "10", "VPOS": "5", "WIDTH": "30", "HEIGHT": "25"}.items()
    )
    assert [s.get("CONTENT") for s in second.iterfind("a:String", NS)] == ["& <fin>"]


def test_recogs_own_importer_reads_it_back(tmp_path: Path) -> None:
    (tmp_path / "p1.png").touch()
    (tmp_path / "p1.xml").write_text(
        alto.write(Transcript("p1.png", LINES, size=(100, 60))), encoding="utf-8"
    )
    first, second = importer("alto")(tmp_path)
    assert [first.text, second.text] == ["le 3 août", "& <fin>"]
    assert first.line is not None and first.line.baseline == ((10.0, 28.0), (90.0, 27.0))
    assert first.line.polygon == LINES[0].polygon


@pytest.mark.parametrize("namespace", ["ns-v2#", "ns-v3#", "ns-v4#", "", None])
@pytest.mark.parametrize("unit", ["pixel", "mm10", "inch1200"])
def test_every_version_and_unit_is_text(namespace: str | None, unit: str) -> None:
    written = alto.write(Transcript("p1.png", LINES, "latin", size=(100, 60)))
    written = written.replace("<MeasurementUnit>pixel", f"<MeasurementUnit>{unit}")
    if namespace is None:
        written = written.replace(f' xmlns="{alto.NAMESPACE}"', "")
    else:
        written = written.replace(alto.NAMESPACE, alto.NAMESPACE.replace("ns-v4#", namespace))
    found = alto.read(written, source="p1.xml")
    assert [line.text for line in found.lines] == ["le 3 août", "& <fin>"] and not found.warnings
    assert found.size == (100, 60) and found.lines[0].polygon == LINES[0].polygon, (
        "a copy of as many pixels"
    )
    unknown = alto.read(
        written.replace('WIDTH="100" HEIGHT="60">\n      <PrintSpace', "><PrintSpace"),
        source="p1.xml",
    )
    assert [line.text for line in unknown.lines] == ["le 3 août", "& <fin>"]
    assert bool(unknown.warnings) == (unit != "pixel") == (unknown.lines[0].polygon == ())


def test_no_lines_and_sound() -> None:
    root = etree.fromstring(alto.write(Transcript("p.png", (), size=(9, 9))).encode())
    assert root.find(".//a:TextBlock", NS) is None
    with pytest.raises(UsageError, match="is sound"):
        alto.write(Transcript("a.wav", (), duration=1.0))


@given(st.lists(st.builds(Line, st.text(), confidence=st.none() | st.floats()), max_size=5))
def test_any_text_gives_a_document(lines: list[Line]) -> None:
    root = etree.fromstring(alto.write(Transcript("p", tuple(lines), size=(50, 40))).encode())
    assert len(list(root.iterfind(".//a:TextLine", NS))) == len(lines)
