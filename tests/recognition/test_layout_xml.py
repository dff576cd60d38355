"""``--layout xml``: images are read along the lines that a PAGE or ALTO file beside them gives."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import recog
from recog.errors import UserError
from recog.formats.layout import alto, page
from recog.formats.layout.rotation import rotate_line
from recog.recognition.layout_xml import read_segmentation
from recog.transcript import Line, Transcript

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
NAMES = ["garden", "maison", "voyage"]
EXIF = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"


def sheet() -> tuple[np.ndarray, list[Line]]:
    """Three lines one below the other on a page, and where they are; their order is not that from
    the top."""
    images = [cv2.imread(str(SAMPLES / f"{name}.png"), cv2.IMREAD_GRAYSCALE) for name in NAMES]
    width, heights = (
        max(image.shape[1] for image in images) + 80,
        [image.shape[0] for image in images],
    )
    canvas = np.full((sum(heights) + 160, width), 245, np.uint8)
    lines, top = [], 40
    for name, image in zip(NAMES, images, strict=True):
        height, length = image.shape
        canvas[top : top + height, 40 : 40 + length] = image
        left, right, bottom = 40.0, 40.0 + length - 1, top + height - 1.0
        foot = top + round(0.7 * height)
        outline = ((left, float(top)), (right, float(top)), (right, bottom), (left, bottom))
        lines.append(
            Line(name, polygon=outline, baseline=((left, float(foot)), (right, float(foot))))
        )
        top += height + 40
    return canvas, [lines[1], lines[0], lines[2]]


CANVAS, LINES = sheet()
SIZE = CANVAS.shape[::-1]


@pytest.fixture(scope="module")
def reader():
    return recog.load("latin-handwriting", layout="xml", beam=0, threads=1)


@pytest.fixture(scope="module")
def expected(reader, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("upright")
    cv2.imwrite(str(folder / "p.png"), CANVAS)
    (folder / "p.xml").write_text(
        page.write(Transcript("p.png", tuple(LINES), size=SIZE)), encoding="utf-8"
    )
    texts = [line.text for line in reader.transcribe(folder / "p.png").lines]
    assert "maison" in texts[0] and "garden" in texts[1], "in the order of the file"
    return texts


def alike(found: list[str], expected: list[str]) -> bool:
    """But for a letter or two: turning moves pixels by halves."""
    from rapidfuzz.distance import Levenshtein

    return len(found) == len(expected) and all(
        Levenshtein.distance(a, b) <= 2 for a, b in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("kind", [page, alto])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns(reader, expected: list[str], tmp_path: Path, turns: int, kind) -> None:
    lines = tuple(rotate_line(line, turns, (SIZE[0] - 1, SIZE[1] - 1)) for line in LINES)
    turned = np.ascontiguousarray(np.rot90(CANVAS, turns))
    cv2.imwrite(str(tmp_path / "p.png"), turned)
    (tmp_path / "p.xml").write_text(
        kind.write(Transcript("p.png", lines, size=turned.shape[::-1])), encoding="utf-8"
    )
    transcript = reader.transcribe(tmp_path / "p.png")
    assert alike([line.text for line in transcript.lines], expected)
    assert [(line.polygon, line.baseline) for line in transcript.lines] == [
        (o.polygon, o.baseline) for o in lines
    ]
    for line in transcript.lines:
        box = np.array([line.polygon]).reshape(-1, 2)
        for word in line.words:
            assert word.box is not None
            assert (np.array(word.box[:2]) >= box.min(0) - 3).all() and (
                np.array(word.box[2:]) <= box.max(0) + 3
            ).all()


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_baselines_alone(reader, expected: list[str], tmp_path: Path, turns: int) -> None:
    lines = tuple(
        replace(rotate_line(line, turns, (SIZE[0] - 1, SIZE[1] - 1)), polygon=()) for line in LINES
    )
    turned = np.ascontiguousarray(np.rot90(CANVAS, turns))
    cv2.imwrite(str(tmp_path / "p.png"), turned)
    written = page.write(Transcript("p.png", lines, size=turned.shape[::-1]))
    root = page.parse_text(written, "p")
    for element in [e for e in root.iter() if page.local_name(e) == "TextLine"]:
        element.remove(element[0])
    from lxml import etree

    (tmp_path / "p.xml").write_bytes(etree.tostring(root))
    texts = [line.text for line in reader.transcribe(tmp_path / "p.png").lines]
    assert len(texts) == 3 and "maison" in texts[0] and "garden" in texts[1], texts


@pytest.mark.parametrize("described", ["stored", "upright"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_orientation(
    reader, expected: list[str], tmp_path: Path, orientation: int, described: str
) -> None:
    """What comes back is in pixels of the image as every viewer shows it, whatever the file beside
    it describes."""
    turns = {3: 2, 6: 1, 8: 3}[orientation]
    stored = np.ascontiguousarray(np.rot90(CANVAS, turns))
    jpeg = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    block = EXIF + bytes([orientation]) + bytes(7)
    (tmp_path / "p.jpg").write_bytes(
        jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]
    )
    own, size = LINES, SIZE
    if described == "stored" and orientation != 3:  # whose size does not tell
        own = [rotate_line(line, turns, (SIZE[0] - 1, SIZE[1] - 1)) for line in LINES]
        size = stored.shape[::-1]
    (tmp_path / "p.xml").write_text(
        page.write(Transcript("p.jpg", tuple(own), size=size)), encoding="utf-8"
    )
    transcript = reader.transcribe(tmp_path / "p.jpg")
    assert transcript.size == SIZE and alike([line.text for line in transcript.lines], expected)
    assert [(line.polygon, line.baseline) for line in transcript.lines] == [
        (o.polygon, o.baseline) for o in LINES
    ]


def test_a_smaller_copy_and_another_image(reader, expected: list[str], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "p.png"), cv2.resize(CANVAS, (SIZE[0] * 2, SIZE[1] * 2)))
    xml = tmp_path / "p.xml"
    xml.write_text(page.write(Transcript("p.png", tuple(LINES), size=SIZE)), encoding="utf-8")
    transcript = reader.transcribe(tmp_path / "p.png")
    assert len(transcript.lines) == 3 and transcript.lines[0].polygon[0][0] == 80.0
    xml.write_text(
        page.write(Transcript("p.png", tuple(LINES), size=(SIZE[0], 2 * SIZE[1]))), encoding="utf-8"
    )
    with pytest.raises(
        UserError, match=r"p\.xml describes an image of .* pixels, and .*p\.png has"
    ):
        reader.transcribe(tmp_path / "p.png")


def test_a_page_that_is_drawn_is_scaled_too(tmp_path: Path) -> None:
    """Of a PDF, whose pages are not stored as images."""
    xml = tmp_path / "p.xml"
    xml.write_text(page.write(Transcript("p.pdf", tuple(LINES), size=SIZE)), encoding="utf-8")
    twice = (2 * SIZE[0], 2 * SIZE[1])
    lines, warnings = read_segmentation(tmp_path / "p.pdf", 0, twice, (0, 0), 1)
    assert lines[0][1] == tuple((2 * x, 2 * y) for x, y in LINES[0].polygon) and not warnings
    with pytest.raises(UserError, match="describes an image of"):
        read_segmentation(tmp_path / "p.pdf", 0, (SIZE[0], 2 * SIZE[1]), (0, 0), 1)


def test_pages_of_a_document(reader, expected: list[str], tmp_path: Path) -> None:
    cv2.imwritemulti(str(tmp_path / "b.tiff"), [CANVAS, CANVAS])
    pages = [Transcript("b.tiff", tuple(own), size=SIZE) for own in (LINES, LINES[:1])]
    (tmp_path / "b.xml").write_text(
        alto.write(Transcript.of_pages("b.tiff", pages)), encoding="utf-8"
    )
    found = reader.transcribe(tmp_path / "b.tiff")
    assert [len(own.lines) for own in found.pages] == [3, 1]
    (tmp_path / "b-0002.xml").write_text(page.write(pages[0]), encoding="utf-8")
    assert [len(own.lines) for own in reader.transcribe(tmp_path / "b.tiff").pages] == [3, 3], (
        "the page's own file"
    )
    (tmp_path / "b-0002.xml").unlink()
    (tmp_path / "b.xml").write_text(page.write(pages[0]), encoding="utf-8")
    with pytest.raises(UserError, match=r"b\.xml describes 1 pages, and .*b\.tiff has more"):
        reader.transcribe(tmp_path / "b.tiff")


def test_lines_off_the_page_stay_and_are_empty(reader, tmp_path: Path) -> None:
    off = Line(
        "",
        polygon=((5000.0, 10.0), (5100.0, 10.0), (5100.0, 50.0)),
        baseline=((5000.0, 40.0), (5100.0, 40.0)),
    )
    cv2.imwrite(str(tmp_path / "p.png"), CANVAS)
    written = page.write(Transcript("p.png", (LINES[0], off), size=(9000, 9000)))
    width, height = f'imageWidth="{SIZE[0]}"', f'imageHeight="{SIZE[1]}"'
    written = written.replace('imageWidth="9000"', width).replace('imageHeight="9000"', height)
    (tmp_path / "p.xml").write_text(written, encoding="utf-8")
    texts = [line.text for line in reader.transcribe(tmp_path / "p.png").lines]
    assert "maison" in texts[0] and texts[1] == ""


def test_what_is_missing_or_wrong_is_one_sentence(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "p.png"), CANVAS)
    for content, message in (
        (
            None,
            f"{tmp_path / 'p.png'}: there is no p.xml beside it, whose lines --layout xml reads; put it there.",
        ),
        ("<html/>", f"{tmp_path / 'p.xml'} is neither PAGE nor ALTO: its root is <html>."),
        ("<PcGts", f"{tmp_path / 'p.xml'} is not well-formed XML: "),
    ):
        if content is not None:
            (tmp_path / "p.xml").write_text(content)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "recog",
                "ocr",
                "--layout",
                "xml",
                "--beam",
                "0",
                str(tmp_path / "p.png"),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1 and done.stderr.startswith(f"recog: {message}"), done.stderr
        assert len(done.stderr.splitlines()) == 1
    for name, called in (("<stdin>", "standard input"), ("photo", "photo"), (3, "<stream>")):
        stream = io.BytesIO()
        stream.name = name
        with pytest.raises(UserError, match=f"^{called} has no PAGE or ALTO file beside it"):
            read_segmentation(stream, 0, (1, 1), (1, 1), 1)


def test_lines_that_have_no_place_in_the_image_are_told(
    reader, tmp_path: Path, expected: list[str]
) -> None:
    cv2.imwrite(str(tmp_path / "p.png"), CANVAS)
    far = tuple((x + 5000.0, y) for x, y in LINES[0].polygon)
    lines = (LINES[1], replace(LINES[0], polygon=far, baseline=far[:2]))
    xml = tmp_path / "p.xml"
    whole = Transcript("p.png", tuple(LINES), size=(SIZE[0] + 6000, SIZE[1]))
    xml.write_text(
        page.write(replace(whole, lines=lines)).replace(f'"{SIZE[0] + 6000}"', f'"{SIZE[0]}"'),
        encoding="utf-8",
    )
    read = reader.transcribe(tmp_path / "p.png")
    assert [line.text for line in read.lines] == [expected[1], ""], "the order of the lines stays"
    assert read.warnings == (
        f"{xml}: 1 of its 2 lines, without a usable outline or baseline, were not read.",
    )
    assert read.damage == read.warnings
    xml.write_text(
        page.write(replace(whole, lines=lines[1:])).replace(f'"{SIZE[0] + 6000}"', f'"{SIZE[0]}"'),
        encoding="utf-8",
    )
    with pytest.raises(UserError, match="none of its 1 lines has a usable outline"):
        reader.transcribe(tmp_path / "p.png")
    empty = '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"><Page imageFilename="p.png"/></PcGts>'
    xml.write_text(empty, encoding="utf-8")
    assert reader.transcribe(tmp_path / "p.png").lines == (), "a page without lines is one"


def test_bytes_of_another_encoding_than_the_declared_are_told(reader, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "p.png"), CANVAS)
    text = page.write(Transcript("p.png", (replace(LINES[0], text="é"),), size=SIZE))
    (tmp_path / "p.xml").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"encoding|well-formed"):
        reader.transcribe(tmp_path / "p.png")
