"""Importers of handwriting: PAGE, ALTO, IAM, RIMES, each on a miniature tree; hostile XML."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recog.corpora import importer
from recog.corpora.manifest import LineShape, Row
from recog.errors import UserError
from recog.formats.xml import number, parse, points

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
    assert row == Row(tmp_path / "scan.jpg", "Dear & Sir", line=LineShape(BOX, ((10, 45), (60, 44), (110, 45))))


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
    assert rows[2].line.baseline == ((1, 2), (3, 4)) and len(rows[2].line.polygon) == 4  # a band around it
    assert {row.media for row in rows} == {tmp_path / "scan.jpg"}


def test_alto_in_other_units_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"a.xml": alto("", unit="mm10")})
    with pytest.raises(UserError, match="measures in mm10, not in pixels"):
        read("alto", tmp_path)


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
        {"tr.lst": "a01-000u-01.png\n", "splits/aachen/te.lst": "b02-003\n", "splits/validation.uttlist": "\n"},
    )
    assert [(r.text, r.split) for r in read("iam", tmp_path)] == [("two words here", "train"), ("other", "test")]
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
    "entity": ('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>', "declares XML entities"),
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
    assert points("1,2 3.5,-4") == points("1 2 3.5 -4") == ((1, 2), (3.5, -4))
    assert points("1,2 3") == points("a,b") == points("1e9,0") == points("nan,0") == points(None) == ()
    assert number("inf") is None and number(" 7 ") == 7.0


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
