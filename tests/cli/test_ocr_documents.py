"""``recog ocr`` on documents of several pages, in every format."""

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from lxml import etree

from recog.formats import json as json_format
from recog.formats.layout import alto, page
from recog.media.image.tiff import tiff_pages

SAMPLES = Path(__file__).parent.parent.parent / "data" / "samples"
LINES = ["garden", "maison"]


def command(*arguments: object, **options) -> subprocess.CompletedProcess:
    options = {"text": True, "capture_output": True, **options}
    return subprocess.run([sys.executable, "-m", "recog", *map(str, arguments)], **options)


def ocr(*arguments: object, **options) -> subprocess.CompletedProcess:
    return command("ocr", "--layout", "line", "--beam", 0, *arguments, **options)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lines, a page each."""
    path = tmp_path_factory.mktemp("book") / "book.tiff"
    images = [cv2.imread(str(SAMPLES / f"{name}.png"), cv2.IMREAD_GRAYSCALE) for name in LINES]
    assert cv2.imwritemulti(str(path), images)
    return path


@pytest.fixture(scope="module")
def expected(book: Path) -> list[str]:
    done = ocr(*(SAMPLES / f"{name}.png" for name in LINES))
    texts = done.stdout.splitlines()
    assert len(texts) == 2 and all(texts), done.stderr
    return texts


def test_text_has_a_form_feed_between_pages(book: Path, expected: list[str], tmp_path: Path):
    assert ocr(book).stdout == f"{expected[0]}\n\f{expected[1]}\n"
    assert ocr(book, "--names").stdout == f"{book}\t{expected[0]} {expected[1]}\n"
    done = ocr("-", "--output", tmp_path, input=book.read_bytes(), text=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "stdin.txt").read_text(
        encoding="utf-8"
    ) == f"{expected[0]}\n\f{expected[1]}\n"


def test_formats_that_hold_many_pages(book: Path, expected: list[str], tmp_path: Path):
    for format, suffix in (("json", "json"), ("alto", "xml"), ("hocr", "hocr")):
        assert ocr(book, "-f", format, "-o", tmp_path).returncode == 0
        content = (tmp_path / f"book.{suffix}").read_text(encoding="utf-8")
        if format == "hocr":
            pages = etree.fromstring(content.encode()).xpath("//*[@class='ocr_page']")
            assert [" ".join("".join(own.itertext()).split()) for own in pages] == expected
        else:
            transcript = (json_format if format == "json" else alto).read(content)
            assert [own.text for own in transcript.pages] == expected
            assert transcript.text == "\n\f".join(expected) and transcript.lines[1].words
    assert json.loads((tmp_path / "book.json").read_text())["pages"][1]["size"] == list(
        transcript.pages[1].size
    )


def test_page_is_a_file_for_each_page(book: Path, expected: list[str], tmp_path: Path):
    assert ocr(book, "-f", "page", "-o", tmp_path).returncode == 0
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["book-0001.xml", "book-0002.xml"]
    assert [page.read(file.read_text(encoding="utf-8")).text for file in files] == expected
    written = [file.stat().st_mtime_ns for file in files]
    assert written[1] <= written[0], "the first page is written last: where it stands, all is done"
    assert ocr(book, "-f", "page", "-o", tmp_path, "--skip-existing").returncode == 0
    assert [file.stat().st_mtime_ns for file in files] == written
    done = ocr(book, "-f", "page")
    assert (
        done.returncode == 1 and "book.tiff has 2 pages, and a PAGE file holds one" in done.stderr
    )
    copy = tmp_path / "book.tiff"
    shutil.copy(book, copy)
    done = ocr(copy, "-f", "page", "-o", tmp_path)
    assert done.returncode == 2 and "book-0001.xml is there already" in done.stderr


def test_searchable_pdf(book: Path, expected: list[str], tmp_path: Path):
    pdfium = pytest.importorskip("pypdfium2")
    assert ocr(book, SAMPLES / "voyage.png", "-f", "pdf", "-o", tmp_path).returncode == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["book.pdf", "voyage.pdf"]
    document = pdfium.PdfDocument(tmp_path / "book.pdf")
    assert [own.get_textpage().get_text_range() for own in document] == expected
    done = ocr(book, "-f", "pdf", text=False)
    assert (
        done.returncode == 0
        and [p.get_textpage().get_text_range() for p in pdfium.PdfDocument(done.stdout)] == expected
    )
    # and such a PDF can be read again
    again = ocr(tmp_path / "book.pdf")
    assert again.returncode == 0 and len(again.stdout.split("\f")) == 2
    found = np.array(
        [
            len(set(a.split()) & set(b.split()))
            for a, b in zip(again.stdout.split("\f"), expected, strict=True)
        ]
    )
    assert (found >= [len(text.split()) // 2 for text in expected]).all(), again.stdout


def test_a_pdf_of_several_files_needs_a_folder(book: Path):
    done = ocr(book, SAMPLES / "voyage.png", "-f", "pdf")
    assert done.returncode == 2 and done.stderr == "recog: A PDF needs a folder: give --output.\n"
    assert not done.stdout


def test_a_page_that_cannot_be_read_is_told_and_the_others_are_kept(
    book: Path, expected: list[str], tmp_path: Path
):
    spoilt = bytearray(book.read_bytes())
    directory = tiff_pages(spoilt)[0]
    width = next(
        at for at in range(directory + 2, directory + 200, 12) if spoilt[at : at + 2] == b"\x00\x01"
    )
    spoilt[width + 2 : width + 12] = struct.pack("<HII", 4, 1, 70_000_000)
    (tmp_path / "spoilt.tiff").write_bytes(spoilt)
    pytest.importorskip("pypdfium2")
    for format in ("txt", "pdf"):
        done = ocr(tmp_path / "spoilt.tiff", "-f", format, "-o", tmp_path / "out")
        assert done.returncode == 1
        assert done.stderr.startswith(
            f"recog: Page 1 of {tmp_path / 'spoilt.tiff'} has 70000000 x "
        )
        assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "out/spoilt.txt").read_text(encoding="utf-8") == f"\n\f{expected[1]}\n"


def test_a_pdf_that_cannot_be_written_leaves_nothing(book: Path, tmp_path: Path):
    (tmp_path / "out").write_text("a file where a folder should be")
    done = ocr(book, "-f", "pdf", "-o", tmp_path / "out")
    assert (
        done.returncode == 1
        and "cannot be written" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert (tmp_path / "out").is_file()
