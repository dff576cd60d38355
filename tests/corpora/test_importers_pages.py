"""Importers of handwriting: PAGE, ALTO, IAM, RIMES, each on a miniature tree; hostile XML."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recog.corpora import importer
from recog.corpora.folder import read_folder
from recog.corpora.line_images import line_image
from recog.corpora.rows import LineShape, Row
from recog.errors import UserError
from recog.formats.layout.page import write as write_page
from recog.formats.layout.rotation import rotate_line
from recog.formats.layout.xml import parse, parse_number, parse_points
from recog.media.image.headers import read_header
from recog.media.image.reader import read_image
from recog.recognition.layout_xml import read_segmentation
from recog.transcript import Line, Transcript

BOX = ((10.0, 20.0), (110.0, 20.0), (110.0, 50.0), (10.0, 50.0))


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
    return root


def read(layout: str, src: Path) -> list[Row]:
    return list(importer(layout)(src))


def page(body: str, image: str = "scan.jpg", year: str = "2013-07-15") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/{year}">'
        f'<Page imageFilename="{image}"><TextRegion>{body}</TextRegion></Page></PcGts>'
    )


def alto(body: str, *, version: str = "v4", unit: str = "pixel", image: str = "scan.jpg") -> str:
    return (
        f'<alto xmlns="http://www.loc.gov/standards/alto/ns-{version}#"><Description><MeasurementUnit>{unit}</MeasurementUnit>'
        f"<sourceImageInformation><fileName>{image}</fileName></sourceImageInformation></Description>"
        f"<Layout><Page><PrintSpace><TextBlock>{body}</TextBlock></PrintSpace></Page></Layout></alto>"
    )


LINE = '<TextLine><Coords points="10,20 110,20 110,50 10,50"/><Baseline points="10,45 60,44 110,45"/>{}</TextLine>'


def test_page(tmp_path: Path) -> None:
    body = LINE.format(
        "<Word><TextEquiv><Unicode>not this</Unicode></TextEquiv></Word>"
        '<TextEquiv index="1"><Unicode>second</Unicode></TextEquiv>'
        '<TextEquiv index="0"><Unicode> Dear &amp; <!-- c -->Sir </Unicode></TextEquiv>'
    )
    put(tmp_path, {"scan.xml": page(body), "scan.jpg": ""})
    (row,) = read("page", tmp_path)
    assert row == Row(
        tmp_path / "scan.jpg", "Dear & Sir", line=LineShape(BOX, ((10, 45), (60, 44), (110, 45)))
    )


def test_page_words_points_and_the_oldest_namespace(tmp_path: Path) -> None:
    body = (
        '<TextLine><Coords><Point x="10" y="20"/><Point x="110" y="20"/>'
        '<Point x="110" y="50"/><Point x="10" y="50"/></Coords>'
        "<Word><TextEquiv><Unicode>two</Unicode></TextEquiv></Word>"
        "<Word><TextEquiv><PlainText>words</PlainText></TextEquiv></Word>"
        '</TextLine><TextLine><Coords points="1,1 oops"/></TextLine>'
    )
    put(tmp_path, {"a.xml": page(body, image="gone.tif", year="2010-03-19"), "a.png": ""})
    first, second = read("page", tmp_path / "a.xml")
    assert (first.text, first.line, first.media.name) == ("two words", LineShape(BOX), "a.png")
    assert (second.text, second.line) == ("", LineShape())


def test_image_is_found_by_name_inside_or_stem_or_above_but_nowhere_else(tmp_path: Path) -> None:
    line = LINE.format("<TextEquiv><Unicode>x</Unicode></TextEquiv>")
    put(
        tmp_path,
        {
            "page/0001.xml": page(line, image="C:\\scans\\book.TIF"),
            "book.tif": "",
            "page/0002.xml": page(line, image="../../../etc/passwd"),
            "page/0003.xml": page(line, image="scan.png"),
            "page/scan.webp": "",
        },
    )
    assert [row.media.relative_to(tmp_path).as_posix() for row in read("page", tmp_path)] == [
        "book.tif",
        "page/0002.png",
        "page/scan.webp",
    ]


def test_folders_are_groups_and_splits(tmp_path: Path) -> None:
    line = LINE.format("<TextEquiv><Unicode>x</Unicode></TextEquiv>")
    for folder in ("train/anne", "train/bob", "dev/cleo"):
        put(tmp_path, {f"{folder}/scan.xml": page(line), f"{folder}/scan.jpg": ""})
    put(tmp_path, {"train/mets.xml": "<mets/>"})
    assert [(row.group, row.split) for row in read("page", tmp_path)] == [
        ("cleo", "dev"),
        ("anne", "train"),
        ("bob", "train"),
    ]


@pytest.mark.parametrize("version", ["v2", "v3", "v4"])
def test_alto(tmp_path: Path, version: str) -> None:
    body = (
        '<TextLine HPOS="10" VPOS="20" WIDTH="100" HEIGHT="30" BASELINE="45">'
        '<String CONTENT="l\'"/><String CONTENT="exem"/><SP/><String CONTENT="ple"/><HYP CONTENT="¬"/></TextLine>'
        '<TextLine BASELINE="10 45 110 44"><Shape><Polygon POINTS="10 20 110 20 110 50 10 50"/></Shape>'
        '<String CONTENT="no"/><String CONTENT="spaces"/><HYP/></TextLine>'
        '<TextLine BASELINE="1,2 3,4"><String CONTENT=""/></TextLine>'
    )
    put(tmp_path, {"scan.xml": alto(body, version=version), "scan.jpg": ""})
    rows = read("alto", tmp_path)
    assert [row.text for row in rows] == ["l'exem ple¬", "no spaces-", ""]
    assert [row.line for row in rows[:2]] == [
        LineShape(BOX, ((10, 45), (110, 45))),
        LineShape(BOX, ((10, 45), (110, 44))),
    ]
    # a band around it
    assert rows[2].line.baseline == ((1, 2), (3, 4)) and len(rows[2].line.polygon) == 4
    assert {row.media for row in rows} == {tmp_path / "scan.jpg"}


ALTO_LINE = (
    '<TextLine HPOS="{0}" VPOS="{1}" WIDTH="{2}" HEIGHT="{3}" BASELINE="{4}"><String CONTENT="word" '
    'HPOS="{0}" VPOS="{1}" WIDTH="{2}" HEIGHT="{3}"/></TextLine>'
)


@pytest.mark.parametrize(
    ("unit", "size", "numbers"),
    [
        ("pixel", (2480, 3508), (100, 200, 1000, 50, 240)),
        ("mm10", (2100, 2970), (84.677, 169.33, 846.77, 42.339, 203.2)),
        ("inch1200", (9921, 14031), (400, 800, 4000, 200, 960)),
        ("pixel", (1240, 1754), (50, 100, 500, 25, 120)),  # of a copy of half the size
    ],
)
def test_alto_in_any_unit_describes_the_pixels_of_its_image(
    tmp_path: Path, unit: str, size: tuple[int, int], numbers: tuple[float, ...]
) -> None:
    body = alto(ALTO_LINE.format(*numbers), unit=unit).replace(
        "<Page>", f'<Page WIDTH="{size[0]}" HEIGHT="{size[1]}">'
    )
    put(tmp_path, {"scan.xml": body})
    cv2.imwrite(str(tmp_path / "scan.jpg"), np.full((3508, 2480), 255, np.uint8))
    (row,) = read("alto", tmp_path)
    assert row.line is not None
    np.testing.assert_allclose(
        row.line.polygon, [(100, 200), (1100, 200), (1100, 250), (100, 250)], atol=1.5
    )
    np.testing.assert_allclose(row.line.baseline, [(100, 240), (1100, 240)], atol=1.5)


PLAIN = np.full((3508, 2480), 255, np.uint8)


def with_resolution(suffix: str, dpi: int) -> bytes:
    """An image of 2480 x 3508 pixels that tells its resolution as its format does."""
    flags = [cv2.IMWRITE_TIFF_XDPI, dpi, cv2.IMWRITE_TIFF_YDPI, dpi, cv2.IMWRITE_TIFF_RESUNIT, 2]
    data = cv2.imencode(suffix, PLAIN, flags if suffix == ".tif" else [])[1].tobytes()
    if suffix == ".jpg":
        at = data.index(b"JFIF\0") + 7
        return data[:at] + b"\1" + dpi.to_bytes(2, "big") * 2 + data[at + 5 :]
    if suffix == ".png":
        chunk = b"pHYs" + round(dpi / 0.0254).to_bytes(4, "big") * 2 + b"\1"
        return (
            data[:33]
            + (9).to_bytes(4, "big")
            + chunk
            + zlib.crc32(chunk).to_bytes(4, "big")
            + data[33:]
        )
    return data


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize(
    ("unit", "numbers"),
    [("mm10", (84.667, 169.333, 846.667, 42.333, 203.2)), ("inch1200", (400, 800, 4000, 200, 960))],
)
def test_alto_without_the_size_of_its_page_by_the_resolution_of_the_image(
    tmp_path: Path, suffix: str, unit: str, numbers: tuple[float, ...]
) -> None:
    put(tmp_path, {"scan.xml": alto(ALTO_LINE.format(*numbers), unit=unit)})
    image = tmp_path / f"scan{suffix}"
    image.write_bytes(with_resolution(suffix, 300))
    (row,) = read("alto", tmp_path)
    expected = [(100, 200), (1100, 200), (1100, 250), (100, 250)]
    assert row.line is not None and row.media == image
    np.testing.assert_allclose(row.line.polygon, expected, atol=0.5)
    ((_, polygon),), _ = read_segmentation(image, 0, (2480, 3508), (2480, 3508), 1)
    np.testing.assert_allclose(polygon, expected, atol=0.5)
    image.write_bytes(with_resolution(suffix, 9600))  # which cannot be: the line would lie outside
    with pytest.raises(
        UserError, match=rf"scan\.xml measures in {unit} and gives no size of its page"
    ):
        read("alto", tmp_path)


def test_a_resolution_that_makes_no_sense_harms_no_image() -> None:
    data = bytearray(with_resolution(".tif", 300))
    at = data.index(b"\x1a\x01\x05\0\x01\0\0\0")
    data[at + 8 : at + 12] = b"\xff\xff\xff\x7f"
    header = read_header(bytes(data))
    assert header is not None and (header.width, header.height, header.dpi) == (2480, 3508, None)
    assert read_image(bytes(data)).shape == (3508, 2480)
    data[at + 2] = 3
    header = read_header(bytes(data))
    assert header is not None and header.dpi is None


def test_alto_in_millimetres_of_a_page_of_unknown_size_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"scan.xml": alto(ALTO_LINE.format(84, 169, 846, 42, 203), unit="mm10")})
    cv2.imwrite(str(tmp_path / "scan.jpg"), np.full((400, 300), 255, np.uint8))
    with pytest.raises(
        UserError, match=r"scan\.xml measures in mm10 and gives no size of its page"
    ):
        read("alto", tmp_path)


def transkribus(regions: str, order: str = "") -> str:
    return (
        page(regions)
        .replace('<Page imageFilename="scan.jpg">', f'<Page imageFilename="scan.jpg">{order}')
        .replace("<TextRegion><TextRegion", "<TextRegion")
        .replace("</TextRegion></TextRegion>", "</TextRegion>")
    )


def test_the_order_in_custom_attributes(tmp_path: Path) -> None:
    """As Transkribus writes it, at regions and lines; an element ReadingOrder goes first, and
    leaves the lines to them."""

    def line(name: str, index: str = "") -> str:
        custom = (
            f' custom="readingOrder {{index:{index};}} structure {{type:heading;}}"'
            if index
            else ""
        )
        return f'<TextLine id="{name}"{custom}><TextEquiv><Unicode>{name}</Unicode></TextEquiv></TextLine>'

    regions = (
        f'<TextRegion id="r2" custom="readingOrder {{index:1;}}">{line("d")}{line("c", "10")}{line("b", "2")}</TextRegion>'
        f'<TextRegion id="r1" custom="structure {{type:p;}} readingOrder {{ index : 0; }}">{line("a")}</TextRegion>'
    )
    put(tmp_path, {"scan.xml": transkribus(regions)})
    assert [row.text for row in read("page", tmp_path)] == ["a", "b", "c", "d"]
    order = (
        '<ReadingOrder><OrderedGroup><RegionRefIndexed index="1" regionRef="r1"/>'
        '<RegionRefIndexed index="0" regionRef="r2"/></OrderedGroup></ReadingOrder>'
    )
    put(tmp_path, {"scan.xml": transkribus(regions, order)})
    assert [row.text for row in read("page", tmp_path)] == ["b", "c", "d", "a"]


def test_an_empty_reading_of_a_line_does_not_hide_its_words(tmp_path: Path) -> None:
    body = (
        "<TextLine><Word><TextEquiv><Unicode>two</Unicode></TextEquiv></Word>"
        "<Word><TextEquiv><Unicode/></TextEquiv><Glyph><TextEquiv><Unicode>w</Unicode></TextEquiv></Glyph>"
        "<Glyph><TextEquiv><PlainText>o</PlainText><Unicode/></TextEquiv></Glyph></Word>"
        "<TextEquiv><Unicode/></TextEquiv></TextLine><TextLine><TextEquiv><Unicode/></TextEquiv></TextLine>"
    )
    put(tmp_path, {"scan.xml": page(body)})
    assert [row.text for row in read("page", tmp_path)] == ["two wo", ""]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize(
    "described", ["upright", "stored", "twice the upright", "twice the stored"]
)
def test_an_image_that_is_turned_or_scaled_keeps_its_lines(
    tmp_path: Path, orientation: int, described: str
) -> None:
    """A black bar on the upright image is where its line is cut out, whichever copy of the image
    the XML describes."""
    if orientation == 3 and "stored" in described:
        pytest.skip("the size does not tell")
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    upright = np.full((300, 500), 255, np.uint8)
    upright[60:100, 50:450] = 0
    stored = np.ascontiguousarray(np.rot90(upright, turns))
    jpeg = cv2.imencode(".jpg", stored)[1].tobytes()
    block = (
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation]) + bytes(7)
    )
    (tmp_path / "scan.jpg").write_bytes(
        jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]
    )
    line = Line(
        "bar", polygon=((50, 60), (449, 60), (449, 99), (50, 99)), baseline=((50, 90), (449, 90))
    )
    size = (500, 300)
    if "stored" in described:
        line, size = rotate_line(line, turns, (499, 299)), stored.shape[::-1]
    if "twice" in described:
        line = replace(line, polygon=tuple((2 * x, 2 * y) for x, y in line.polygon), baseline=())
        size = (2 * size[0], 2 * size[1])
    put(tmp_path, {"scan.xml": write_page(Transcript("scan.jpg", (line,), size=size))})
    (row,) = read("page", tmp_path)
    image = line_image(row)
    assert abs(image.shape[1] - 400) < 8 and abs(image.shape[0] - 40) < 8 and image.mean() < 20
    (alone,) = read_folder(tmp_path)
    assert alone == row


def test_xml_of_another_image_is_refused(tmp_path: Path) -> None:
    body = page(LINE.format("<TextEquiv><Unicode>x</Unicode></TextEquiv>"))
    put(
        tmp_path,
        {"scan.xml": body.replace("<Page ", '<Page imageWidth="1000" imageHeight="1000" ')},
    )
    cv2.imwrite(str(tmp_path / "scan.jpg"), np.full((400, 300), 255, np.uint8))
    with pytest.raises(
        UserError, match=r"describes an image of 1000 x 1000 pixels, and .*scan\.jpg has 300 x 400"
    ):
        read("page", tmp_path)


def test_iam(tmp_path: Path) -> None:
    lines = (
        "# comment\n"
        "a01-000u-00 ok 154 19 408 746 1663 91 A|MOVE|to|stop|Mr.|Gaitskell\n"
        "a01-000u-01 err 156 19 395 932 1850 105 two words|here\n"
        "b02-003-00 ok 1 2 3 4 5 6 other\n"
    )
    put(tmp_path, {"ascii/lines.txt": lines, "lines/a01/a01-000u/a01-000u-00.png": ""})
    rows = read("iam", tmp_path)
    assert [(r.text, r.group, r.split) for r in rows] == [
        ("A MOVE to stop Mr. Gaitskell", "a01-000u", None),
        ("two words here", "a01-000u", None),
        ("other", "b02-003", None),
    ]
    assert rows[0].media == tmp_path / "lines" / "a01" / "a01-000u" / "a01-000u-00.png"
    put(
        tmp_path,
        {
            "ascii/forms.txt": "#\na01-000u 007 2 prt 7 5 52 36\n",
            "task/trainset.txt": "a01-000u-00\n",
            "task/validationset2.txt": "b02-003\n",
        },
    )
    assert [(r.text, r.group, r.split) for r in read("iam", tmp_path)] == [
        ("A MOVE to stop Mr. Gaitskell", "007", "train"),
        ("other", "b02-003", "dev"),
    ]
    (tmp_path / "task" / "trainset.txt").unlink()
    (tmp_path / "task" / "validationset2.txt").unlink()
    put(
        tmp_path,
        {
            "tr.lst": "a01-000u-01.png\n",
            "splits/aachen/te.lst": "b02-003\n",
            "splits/validation.uttlist": "\n",
        },
    )
    assert [(r.text, r.split) for r in read("iam", tmp_path)] == [
        ("two words here", "train"),
        ("other", "test"),
    ]
    put(tmp_path, {"ascii/lines.txt": "a01-000u-00 ok 154\n"})
    with pytest.raises(UserError, match="line 1"):
        read("iam", tmp_path)


def test_rimes(tmp_path: Path) -> None:
    def document(name: str, *lines: str) -> str:
        paragraph = f"<Paragraph>{''.join(lines)}</Paragraph>"
        return f'<DocumentList><SinglePage FileName="images_gray/{name}">{paragraph}</SinglePage></DocumentList>'

    box = 'Top="20" Bottom="50" Left="10" Right="110"'
    put(
        tmp_path,
        {
            "training_2011.xml": document(
                "t-0.png",
                f'<Line {box} Value="Je vous prie d&amp;apos;agréer ¤{{mes/nos}}¤ vœux\\n"/>',
                '<Line Top="-3" Bottom="5" Left="-1" Right="7" Value="bord"/>',
                '<Line Top="9" Bottom="5" Left="0" Right="7" Value="faux"/>',
            ),
            "eval_2011_annotated.xml": document("e-0.png", f'<Line {box} Value="essai"/>'),
            "images_gray/t-0.png": "",
        },
    )
    rows = read("rimes", tmp_path)
    assert [(r.text, r.split) for r in rows] == [
        ("essai", "test"),
        ("Je vous prie d'agréer mes vœux", None),
        ("bord", None),
        ("faux", None),
    ]
    assert [row.line for row in rows] == [
        LineShape(BOX),
        LineShape(BOX),
        LineShape(((0, 0), (7, 0), (7, 5), (0, 5))),
        LineShape(),
    ]
    assert rows[1].media == tmp_path / "images_gray" / "t-0.png"
    assert rows[0].media.name == "e-0.png"
    put(tmp_path, {"x.xml": "<document><box><text>a</text></box></document>"})
    with pytest.raises(UserError, match="complete RIMES"):
        read("rimes", tmp_path)


def test_rimes_cut_into_lines(tmp_path: Path) -> None:
    texts = {
        "train2011-1_000001": "Monsieur,\n",
        "train2011-1_000002": "¤{je/tu}¤ vous",
        "eval2011-0_000001": "essai\n",
    }
    put(tmp_path, {f"Images/{name}.jpg": "" for name in texts})
    put(tmp_path, {f"Transcriptions/{name}.txt": text for name, text in texts.items()})
    put(tmp_path, {"Images/without.jpg": "", "Transcriptions/lost.txt": "x"})
    assert [(r.media.name, r.text, r.group, r.split) for r in read("rimes", tmp_path)] == [
        ("eval2011-0_000001.jpg", "essai", "eval2011-0", "test"),
        ("train2011-1_000001.jpg", "Monsieur,", "train2011-1", None),
        ("train2011-1_000002.jpg", "je vous", "train2011-1", None),
    ]
    put(
        tmp_path,
        {
            "Sets/TrainLines.txt": "train2011-1_000001\n",
            "Sets/ValidationLines.txt": "train2011-1_000002.jpg\n",
            "Sets/TestLines.txt": "eval2011-0_000001\n",
        },
    )
    assert [r.split for r in read("rimes", tmp_path)] == ["test", "train", "dev"]
    with pytest.raises(UserError, match="no image of a line"):
        read("rimes", tmp_path / "Sets")


HOSTILE = {
    "entity": (
        '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        "declares XML entities",
    ),
    "bomb": (
        '<!DOCTYPE a [<!ENTITY e "xxxxxxxxxx"><!ENTITY f "&e;&e;&e;&e;&e;&e;&e;&e;&e;">]><a b="&f;">&f;</a>',
        "declares XML entities",
    ),
    "cut": ("<a><b>", "is not well-formed XML"),
    "empty": ("", "is not well-formed XML"),
    "deep": ("<a>" * 5000, "is not well-formed XML"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_xml(tmp_path: Path, kind: str) -> None:
    text, reason = HOSTILE[kind]
    put(tmp_path, {"a.xml": text})
    with pytest.raises(UserError, match=reason):
        parse(tmp_path / "a.xml")


def test_missing_xml(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        parse(tmp_path / "none.xml")


def test_points() -> None:
    assert parse_points("1,2 3.5,-4") == parse_points("1 2 3.5 -4") == ((1, 2), (3.5, -4))
    assert (
        parse_points("1,2 3")
        == parse_points("a,b")
        == parse_points("1e9,0")
        == parse_points("nan,0")
        == parse_points(None)
        == ()
    )
    assert parse_number("inf") is None and parse_number(" 7 ") == 7.0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.integers(0, 600), st.integers(0, 255))
def test_damaged_pages_give_rows_or_one_sentence(tmp_path: Path, position: int, byte: int) -> None:
    data = bytearray(page(LINE.format("<TextEquiv><Unicode>text</Unicode></TextEquiv>")).encode())
    data[position % len(data)] = byte
    (tmp_path / "a.xml").write_bytes(bytes(data))
    try:
        assert all(isinstance(row, Row) for row in read("page", tmp_path))
    except UserError as error:
        assert str(tmp_path) in str(error)
