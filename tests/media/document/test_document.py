"""PDF and TIFF of several pages -> images, page by page; what is broken, locked, empty or absurd is
one sentence."""

from __future__ import annotations

import io
import struct
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from recog.media.document.reader import MAX_PAGES, open_document
from recog.media.errors import MediaError
from recog.media.image.reader import read_image
from recog.media.image.tiff import point_to_page, tiff_pages

try:
    import pypdfium2 as pdfium
    import pypdfium2.raw as raw
except ImportError:
    pdfium = raw = None
needs_pdf = pytest.mark.skipif(pdfium is None, reason="pypdfium2 (the extra pdf) is not installed")


def grey(width: int, height: int, level: int) -> NDArray[np.uint8]:
    image = np.full((height, width), 235, np.uint8)
    image[: height // 2, : width // 3] = level
    return image


def tiff(
    images: list[NDArray[np.uint8]],
    *,
    order: str = "<",
    big: bool = False,
    kinds: list[int] | None = None,
) -> bytes:
    """Uncompressed pages of one strip, each directory before its pixels; ``kinds`` are
    NewSubfileTypes."""
    pointer, count_format = ("Q", "Q") if big else ("I", "H")
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head = mark + (struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "I", 8))
    data = bytearray(head)
    for number, image in enumerate(images):
        height, width = image.shape
        tags = [
            (254, (kinds or [0] * len(images))[number]),
            (256, width),
            (257, height),
            (258, 8),
            (259, 1),
            (262, 1),
        ]
        tags += [(273, 0), (277, 1), (278, height), (279, image.size)]
        entry = 20 if big else 12
        size = (
            struct.calcsize(order + count_format)
            + entry * len(tags)
            + struct.calcsize(order + pointer)
        )
        after = len(data) + size + image.size
        directory = struct.pack(order + count_format, len(tags))
        for tag, value in tags:
            value = len(data) + size if tag == 273 else value
            directory += struct.pack(
                order + "HH" + pointer + pointer, tag, 16 if big else 4, 1, value
            )
        directory += struct.pack(order + pointer, after if number + 1 < len(images) else 0)
        data += directory + image.tobytes()
    return bytes(data)


PAGES = [grey(40, 30, 20), grey(24, 50, 90), grey(64, 20, 160)]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_page_of_a_tiff(tmp_path: Path, order: str, big: bool) -> None:
    data = tiff(PAGES, order=order, big=big)
    (tmp_path / "book.tiff").write_bytes(data)
    for source in (tmp_path / "book.tiff", data, io.BytesIO(data)):
        with open_document(source) as document:
            assert len(document) == 3
            for index in (2, 0, 1):  # in any order
                np.testing.assert_array_equal(document.grey(index), PAGES[index])
                assert document.picture(index).width == PAGES[index].shape[1]
    np.testing.assert_array_equal(read_image(data), PAGES[0])


def test_opencvs_own_tiff(tmp_path: Path) -> None:
    cv2.imwritemulti(str(tmp_path / "a.tif"), PAGES)
    with open_document(tmp_path / "a.tif") as document:
        for index, page in enumerate(PAGES):
            np.testing.assert_array_equal(document.grey(index), page)


def test_smaller_copies_and_masks_are_no_pages() -> None:
    data = tiff([PAGES[0], PAGES[1], PAGES[2], PAGES[0]], kinds=[2, 1, 4, 2])
    with open_document(data) as document:
        assert len(document) == 2
        np.testing.assert_array_equal(document.grey(1), PAGES[0])
    with open_document(tiff(PAGES[:2], kinds=[1, 1])) as document:
        assert len(document) == 1, "one of them must be the image"


def test_a_tiff_that_comes_round_again_ends() -> None:
    data = bytearray(tiff(PAGES))
    pages = tiff_pages(data)
    entries = struct.unpack_from("<H", data, pages[2])[0]
    struct.pack_into("<I", data, pages[2] + 2 + 12 * entries, pages[0])
    assert tiff_pages(data) == pages
    point_to_page(data, pages[1])
    assert tiff_pages(data) == [pages[1], pages[2], pages[0]]


def test_a_tiff_cut_short_keeps_its_whole_pages() -> None:
    data = tiff(PAGES)
    with open_document(data[:-10]) as document:
        np.testing.assert_array_equal(document.grey(1), PAGES[1])
        with pytest.raises(MediaError, match="Page 3 of the image is cut short"):
            document.grey(2)
    with open_document(data[: tiff_pages(data)[2] + 5]) as document:
        assert len(document) == 3
        with pytest.raises(MediaError, match="Page 3 of the image is cut short"):
            document.grey(2)


def test_a_tiff_with_a_page_of_absurd_size_reads_the_others() -> None:
    data = bytearray(tiff(PAGES))
    for tag in (0, 1):
        struct.pack_into("<I", data, tiff_pages(data)[1] + 2 + 12 * (1 + tag) + 8, 60_000)
    with open_document(bytes(data)) as document:
        with pytest.raises(MediaError, match="Page 2 of the image has 60000 x 60000 pixels"):
            document.grey(1)
        np.testing.assert_array_equal(document.grey(2), PAGES[2])


def test_too_many_pages() -> None:
    data = tiff([grey(4, 4, 0)] * (MAX_PAGES + 1))
    with pytest.raises(
        MediaError, match=r"has 1001 pages, and recog reads up to 1000 at once: split it"
    ):
        open_document(data)


def pdf(*objects: str, trailer: str = "") -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalogue."""
    data = b"%PDF-1.7\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode()
    rows = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}"
    return (
        data
        + f"{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{len(data)}\n%%EOF\n".encode()
    )


def pages(*boxes: str, content: str = "") -> bytes:
    kids = " ".join(f"{number} 0 R" for number in range(4, 4 + len(boxes)))
    return pdf(
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(boxes)} /Kids [{kids}] >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        *(f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents 3 0 R >>" for box in boxes),
    )


def scan(
    image: NDArray[np.uint8], width: float, height: float, *, rotate: int = 0, path: bool = False
) -> bytes:
    """A PDF of one page that is a scan."""
    document = pdfium.PdfDocument.new()
    page = document.new_page(width, height)
    picture = pdfium.PdfImage.new(document)
    picture.load_jpeg(
        io.BytesIO(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes())
    )
    picture.set_matrix(pdfium.PdfMatrix(width, 0, 0, height, 0, 0))
    page.insert_obj(picture)
    if path:
        rectangle = raw.FPDFPageObj_CreateNewRect(1, 1, 2, 2)
        raw.FPDFPath_SetDrawMode(rectangle, raw.FPDF_FILLMODE_ALTERNATE, True)
        raw.FPDFPage_InsertObject(page, rectangle)
    page.set_rotation(rotate)
    page.gen_content()
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


@needs_pdf
@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_a_scan_is_read_in_its_own_resolution(tmp_path: Path, rotate: int) -> None:
    image = grey(420, 300, 20)
    data = scan(image, 151.2, 108.0, rotate=rotate)  # 200 dots per inch
    (tmp_path / "a.pdf").write_bytes(data)
    for source in (data, tmp_path / "a.pdf", io.BytesIO(data)):
        with open_document(source) as document:
            assert len(document) == 1
            expected = np.rot90(image, -rotate // 90)
            assert document.grey(0).shape == expected.shape
            assert np.abs(document.grey(0).astype(int) - expected).mean() < 1
            assert document.picture(0).dpi == pytest.approx(200)


@needs_pdf
def test_resolution_of_other_pages() -> None:
    with open_document(pages("0 0 72 144", "0 0 1440 1440", content="0 0 m 50 50 l S")) as document:
        assert document.grey(0).shape == (600, 300), "300 dots per inch"
        assert document.grey(0).min() < 100, "the line is drawn"
        assert document.grey(1).size <= 50_000_000
    with open_document(scan(grey(60, 60, 0), 144, 144, path=True)) as document:
        assert document.grey(0).shape == (600, 600), "writing over a picture that is coarse"
    with open_document(scan(grey(3000, 3000, 0), 30, 30)) as document:
        assert document.grey(0).shape == (250, 250), "600 dots per inch are enough"


@needs_pdf
def test_pages_of_absurd_size() -> None:
    with open_document(pages("0 0 100000 100000", "0 0 0 0", "0 0 72 72")) as document:
        with pytest.raises(
            MediaError, match=r"Page 1 of .* is 100000 x 100000 points large, too large to be read"
        ):
            document.grey(0)
        document.grey(1)  # PDFium takes such a page for a letter
        assert document.grey(2).shape == (300, 300)


def encrypted() -> bytes:
    key = "00" * 32
    return pdf(
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Count 0 /Kids [] >>",
        f"<< /Filter /Standard /V 1 /R 2 /O <{key}> /U <{key}> /P -4 >>",
        trailer="/Encrypt 3 0 R /ID [<00> <00>]",
    )


@needs_pdf
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (encrypted(), "the image is encrypted: save it without a password first"),
        (b"%PDF-1.7\nnothing", "the image is cut short or damaged: PDFium cannot read this PDF"),
        (
            pdf("<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 0 /Kids [] >>"),
            "the image is a PDF without pages",
        ),
        (
            pages(*["0 0 9 9"] * 1001),
            "has 1001 pages, and recog reads up to 1000 at once: split it",
        ),
    ],
)
def test_pdfs_that_cannot_be_read(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        open_document(data)
    (tmp_path / "é.pdf").write_bytes(data)
    with pytest.raises(MediaError, match=message.replace("the image", ".*é.pdf")):
        open_document(tmp_path / "é.pdf")


@needs_pdf
def test_a_page_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # given up at once, however fast the machine is
    monkeypatch.setattr("recog.media.document.pdf.MAX_SECONDS", 0.0)
    content = "0 0 m " + "".join(f"{i % 700} {i * 7 % 700} l " for i in range(1_000)) + "f\n"
    with open_document(pages("0 0 700 700", content=content * 30)) as document:
        start = time.monotonic()
        with pytest.raises(MediaError, match=r"Page 1 of .* takes more than 0 s to draw"):
            document.grey(0)
        assert time.monotonic() - start < 30


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(
        MediaError, match=r'the image is a PDF, which needs pypdfium2: pip install "recog\[pdf\]"'
    ):
        open_document(b"%PDF-1.7\n")


def test_files_that_are_no_documents(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="does not exist"):
        open_document(tmp_path / "none.pdf")
    with pytest.raises(MediaError, match="is a folder"):
        open_document(tmp_path)
    with pytest.raises(MediaError, match="is empty"):
        open_document(b"")
    with (
        open_document(b"II*\0 no tiff") as document,
        pytest.raises(MediaError, match="cut short or damaged"),
    ):
        document.grey(0)
