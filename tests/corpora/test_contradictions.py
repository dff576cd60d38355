"""Corpora that say two things of one row, or one thing where two are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from recog.corpora import importer
from recog.corpora.files import read_split_lists
from recog.errors import UserError

ALTO = """<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><MeasurementUnit>pixel</MeasurementUnit>
<sourceImageInformation><fileName>doc.png</fileName></sourceImageInformation></Description><Layout>{}</Layout></alto>"""
PAGE = """<Page ID="p{0}" PHYSICAL_IMG_NR="{0}" HEIGHT="90" WIDTH="90"><PrintSpace><TextBlock ID="b{0}"><TextLine ID="l{0}"
HPOS="5" VPOS="5" WIDTH="40" HEIGHT="20"><String CONTENT="page{0}" HPOS="5" VPOS="5" WIDTH="40" HEIGHT="20"/></TextLine>
</TextBlock></PrintSpace></Page>"""


def test_lists_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    (tmp_path / "trainset.txt").write_text("a01\na02\n")
    (tmp_path / "te.lst").write_text("a03\n")
    assert read_split_lists(tmp_path) == {"a01": "train", "a02": "train", "a03": "test"}
    (tmp_path / "testset.txt").write_text("a02\n")
    with pytest.raises(
        UserError,
        match=r"a02 is for test by .*testset\.txt and for train by .*trainset\.txt; keep one",
    ):
        read_split_lists(tmp_path)


def test_iams_lists_of_lines_and_of_forms_that_contradict_each_other_are_told(
    tmp_path: Path,
) -> None:
    fields = "ok 154 19 408 746 1663 91"
    (tmp_path / "lines.txt").write_text(f"a01-000-00 {fields} one\nb01-000-00 {fields} two\n")
    (tmp_path / "trainset.txt").write_text("a01-000-00\n")
    (tmp_path / "te.lst").write_text("b01-000\n")
    assert [(row.text, row.split) for row in importer("iam")(tmp_path)] == [
        ("one", "train"),
        ("two", "test"),
    ]
    (tmp_path / "te.lst").write_text("b01-000\na01-000\n")
    with pytest.raises(
        UserError, match="line a01-000-00 is for train and its form a01-000 for test; keep"
    ):
        list(importer("iam")(tmp_path))


def test_alto_of_two_pages_names_one_image(tmp_path: Path) -> None:
    (tmp_path / "doc.png").write_bytes(b"")
    (tmp_path / "doc.xml").write_text(ALTO.format(PAGE.format(1)))
    assert [row.text for row in importer("alto")(tmp_path)] == ["page1"]
    (tmp_path / "doc.xml").write_text(ALTO.format(PAGE.format(1) + PAGE.format(2)))
    with pytest.raises(UserError, match="describes 2 pages"):
        list(importer("alto")(tmp_path))


def test_a_csv_record_ends_at_a_line_end_alone(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "t.csv").write_text(
        'path,text,group\na.wav,one\x85two\u2028three,g\na.wav,"x\ny",h\n', encoding="utf-8"
    )
    rows = list(importer("tsv")(tmp_path / "t.csv"))
    assert [(row.text, row.group) for row in rows] == [
        ("one\x85two\u2028three", "g"),
        ("x\ny", "h"),
    ]
