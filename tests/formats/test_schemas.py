"""PAGE and ALTO: valid by their schemas, and nothing lost on the way there and back."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from recog.errors import UserError
from recog.formats.layout import alto, page
from recog.formats.layout.shapes import xml_text
from recog.transcript import Alternative, Line, Transcript, Word

SCHEMAS = Path(__file__).parent / "schemas"
WIDTH, HEIGHT = 300, 200


class Local(etree.Resolver):
    """ALTO imports XLink by its address: the file beside it is that."""

    def resolve(self, url, public_id, context):
        if url.endswith("xlink.xsd"):
            return self.resolve_filename(str(SCHEMAS / "xlink.xsd"), context)
        return None


@cache
def schema(name: str) -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Local())
    return etree.XMLSchema(etree.parse(str(SCHEMAS / name), parser))


def assert_valid(kind: str, written: str) -> None:
    own = schema({"page": "page-2019-07-15.xsd", "alto": "alto-4-2.xsd"}[kind])
    own.assertValid(etree.fromstring(written.encode()))


letters = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")).filter(
    xml_text
)
texts = st.text(letters, min_size=1, max_size=8)
points = st.tuples(st.integers(0, WIDTH - 1).map(float), st.integers(0, HEIGHT - 1).map(float))
shares = st.none() | st.integers(0, 10_000).map(lambda n: n / 10_000)


@st.composite
def words(draw: st.DrawFn) -> Word:
    (x0, y0), (x1, y1) = draw(points), draw(points)
    return Word(
        draw(texts),
        box=(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)),
        confidence=draw(shares),
    )


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """A line as the recogniser makes them."""
    own = tuple(draw(st.lists(words(), min_size=1, max_size=4)))
    text = " ".join(word.text for word in own)
    others = draw(st.lists(texts, max_size=2))
    alternatives = [
        Alternative(other, draw(st.integers(-90_000, 0)) / 10_000)
        for other in [text, *others]
        if others
    ]
    return Line(
        text,
        own,
        polygon=tuple(draw(st.lists(points, min_size=3, max_size=6))),
        baseline=tuple(draw(st.just([]) | st.lists(points, min_size=2, max_size=4))),
        confidence=draw(shares),
        alternatives=tuple(
            alternatives[:1] + [other for other in alternatives[1:] if other.text != text]
        ),
    )


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    name = draw(texts.filter(lambda name: not set(name) & {"/", "\\"} and name not in (".", "..")))
    return Transcript(
        name,
        tuple(draw(st.lists(lines(), max_size=4))),
        draw(st.just("") | texts),
        size=(WIDTH, HEIGHT),
    )


def in_alto(transcript: Transcript) -> Transcript:
    """What ALTO can hold: no alternatives, and of a line the mean confidence of its words."""
    pages = tuple(in_alto(own) for own in transcript.pages)
    if pages:
        return Transcript.of_pages(transcript.source, pages)
    kept = []
    for line in transcript.lines:
        shares = [word.confidence for word in line.words]
        weights = [len(word.text) for word in line.words]
        mean = None
        if None not in shares:
            mean = round(sum(w * c for w, c in zip(weights, shares, strict=True)) / sum(weights), 4)
        kept.append(replace(line, confidence=mean, alternatives=()))
    return replace(transcript, lines=tuple(kept))


@settings(max_examples=200)
@given(transcripts())
def test_page_is_valid_and_loses_nothing(transcript: Transcript) -> None:
    written = page.write(transcript)
    assert_valid("page", written)
    assert page.read(written) == transcript


@settings(max_examples=200)
@given(st.lists(transcripts(), min_size=1, max_size=3))
def test_alto_is_valid_and_loses_nothing_that_it_can_hold(pages: list[Transcript]) -> None:
    same = [replace(own, source=pages[0].source, model=pages[0].model) for own in pages]
    transcript = Transcript.of_pages(pages[0].source, same)
    written = alto.write(transcript)
    assert_valid("alto", written)
    assert alto.read(written) == in_alto(transcript)


ANYTHING = st.builds(
    Line,
    st.text(),
    st.lists(
        st.builds(
            Word,
            st.text(max_size=8),
            box=st.none() | st.tuples(*(st.floats(-1e4, 1e4) for _ in range(4))),
            confidence=st.none() | st.floats(),
        ),
        max_size=3,
    ).map(tuple),
    confidence=st.none() | st.floats(),
    polygon=st.just(())
    | st.tuples(*(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)) for _ in range(3))),
    alternatives=st.lists(st.builds(Alternative, st.text(), st.floats()), max_size=3).map(tuple),
)


@given(st.lists(ANYTHING, max_size=3).map(tuple), st.text(max_size=5), st.text(max_size=5))
def test_anything_at_all_is_valid_and_can_be_read(
    lines: tuple[Line, ...], source: str, model: str
) -> None:
    transcript = Transcript(source, lines, model, size=(50, 40))
    for kind, module in (("page", page), ("alto", alto)):
        written = module.write(transcript)
        assert_valid(kind, written)
        assert len(module.read(written).lines) == len(lines)


def test_a_file_of_the_wrong_kind_is_named() -> None:
    for module, other in ((page, alto), (alto, page)):
        with pytest.raises(
            UserError, match=r"x\.xml is not (PAGE|ALTO): its root is <(alto|PcGts)>"
        ):
            module.read(other.write(Transcript("a.png", size=(9, 9))), source="x.xml")
        with pytest.raises(UserError, match=r"x\.xml is not well-formed XML"):
            module.read("<PcGts", source="x.xml")


def test_the_stated_reading_order_is_kept() -> None:
    transcript = Transcript(
        "a.png", tuple(Line(text) for text in ("one", "two", "three")), size=(90, 60)
    )
    written = page.write(transcript)
    regions = re.sub(
        r"(</TextLine>)(\s*<TextLine)",
        r'\1</TextRegion><TextRegion id="R"><Coords points="0,0 1,1"/>\2',
        written,
    )
    for number in (2, 3):
        regions = regions.replace('id="R"', f'id="r{number}"', 1)
    order = '<ReadingOrder><OrderedGroup id="o"><RegionRefIndexed index="1" regionRef="r1"/>'
    order += '<UnorderedGroupIndexed id="u" index="0"><RegionRef regionRef="r3"/></UnorderedGroupIndexed>'
    order += "</OrderedGroup></ReadingOrder>"
    regions = re.sub(r"(<Page[^>]*>)", rf"\1{order}", regions)
    assert_valid("page", regions)
    assert [line.text for line in page.read(regions).lines] == ["three", "one", "two"], (
        "what is not named comes last"
    )
    ordered = alto.write(transcript).replace(
        "<Layout>",
        '<ReadingOrder><OrderedGroup ID="o"><ElementRef ID="e1" REF="page1line3"/><ElementRef ID="e2" REF="page1line1"/>'
        "</OrderedGroup></ReadingOrder><Layout>",
    )
    assert [line.text for line in alto.read(ordered).lines] == ["three", "one", "two"]


KRAKEN = """
import sys
from kraken.lib.xml import XMLPage
for name in sys.argv[1:]:
    page = XMLPage(name)
    for line in page.get_sorted_lines():
        print(name[-3:], page.image_size, line.text, line.baseline, line.boundary)
"""


def test_krakens_own_parser_reads_them(tmp_path: Path) -> None:
    """With a Python that has kraken, named by KRAKEN_PYTHON."""
    python = os.environ.get("KRAKEN_PYTHON", "")
    if not Path(python).is_file():
        pytest.skip("KRAKEN_PYTHON names no Python with kraken")
    first, second = (
        ((10.0, 28.0), (90.0, 27.0)),
        ((8.0, 2.0), (95.0, 2.0), (95.0, 33.0), (8.0, 33.0)),
    )
    boxes = (10.0, 5.0, 40.0, 30.0), (50.0, 5.0, 60.0, 30.0)
    words = Word("août", box=boxes[0], confidence=0.91), Word("שלום", box=boxes[1], confidence=0.5)
    line = Line("août שלום", words, baseline=first, polygon=second, confidence=0.7)
    transcript = Transcript(
        "p.png", (line, replace(line, text="fin", words=())), "latin", size=(100, 60)
    )
    expected = []
    for kind, module in (("page", page), ("alto", alto)):
        (tmp_path / kind).write_text(module.write(transcript), encoding="utf-8")
        whole = [[tuple(map(int, point)) for point in points] for points in (first, second)]
        expected += [
            f"{kind[-3:]} (100, 60) {text} {whole[0]} {whole[1]}" for text in ("août שלום", "fin")
        ]
    files = [tmp_path / "page", tmp_path / "alto"]
    done = subprocess.run(
        [python, "-c", KRAKEN, *files], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.stdout.splitlines() == expected, done.stderr
