"""Mutated PAGE, ALTO, PDF, TIFF and PNG files: each is read or refused in a sentence, in bounded
time and memory.

The files are read in a process of their own with limits, so that a crash is a failed test and not
the end of all.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import random
import re
import resource
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from recog.corpora.importers.pages.page_files import page_rows
from recog.errors import UserError
from recog.formats import json as json_format
from recog.formats.layout import alto, page
from recog.formats.layout.pdf import PdfWriter
from recog.media.document.picture import file_picture
from recog.media.document.reader import open_document
from recog.media.image.reader import read_image
from recog.recognition.layout_xml import read_segmentation
from recog.transcript import Alternative, Line, Transcript, Word

SECONDS = 10.0  # of the CPU, for one file
MEMORY = 1 << 30  # bytes that reading may add to what the process had
NUMBERS = (
    b"0",
    b"-1",
    b"65535",
    b"65536",
    b"2147483647",
    b"4294967295",
    b"99999999999999999999",
    b"1e308",
    b"nan",
    b"",
)
WORDS = Word("août", box=(10, 5, 40, 30), confidence=0.9), Word("3", box=(50, 5, 60, 30))
LINE = Line(
    "août 3",
    WORDS,
    baseline=((10, 28), (90, 27)),
    polygon=((8, 2), (95, 2), (95, 33), (8, 33)),
    confidence=0.8,
    alternatives=(Alternative("août 3", -1.0), Alternative("aout 3", -2.0)),
)
ONE = Transcript("p.png", (LINE, LINE), "latin", size=(100, 60))
TWO = Transcript.of_pages("p.pdf", (ONE, ONE))


def picture(width: int = 100, height: int = 60) -> np.ndarray:
    image = np.full((height, width, 3), 230, np.uint8)
    return cv2.putText(image, "abc", (5, height // 2), cv2.FONT_HERSHEY_SIMPLEX, 1, (20, 20, 90), 2)


def pdf() -> bytes:
    file = io.BytesIO()
    writer = PdfWriter(file, "title")
    for extension in (".jpg", ".png"):
        writer.add(ONE, file_picture("p", cv2.imencode(extension, picture())[1].tobytes(), 300.0))
    writer.finish()
    return file.getvalue()


def tiff() -> bytes:
    return cv2.imencodemulti(".tiff", [picture(), picture(60, 80)[:, :, 0], picture(30, 30)])[
        1
    ].tobytes()


def read_xml(data: bytes, folder: Path) -> None:
    path = folder / "p.xml"
    path.write_bytes(data)
    text = data.decode("utf-8", errors="replace")
    for read in (
        lambda: page.read(text),
        lambda: alto.read(text),
        lambda: page_rows(path),
        lambda: read_segmentation(folder / "p.png", 0, (100, 60), (100, 60), 1),
    ):
        refused(read)


def read_pages(data: bytes, folder: Path) -> None:
    with open_document(data) as document:
        for index in range(len(document)):
            refused(lambda index=index: document.grey(index))
            refused(lambda index=index: document.picture(index))


def refused(read: Callable[[], object]) -> None:
    """What is read or refused in one sentence; anything else is raised."""
    try:
        read()
    except UserError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 1_000, error


KINDS: dict[str, tuple[bytes, Callable[[bytes, Path], None]]] = {
    "page": (page.write(ONE).encode(), read_xml),
    "alto": (alto.write(TWO).encode(), read_xml),
    "json": (
        json_format.write(TWO).encode(),
        lambda data, _: json_format.read(data.decode(errors="replace")),
    ),
    "pdf": (pdf(), read_pages),
    "tiff": (tiff(), read_pages),
    "png": (cv2.imencode(".png", picture())[1].tobytes(), read_pages),
    "jpeg": (cv2.imencode(".jpg", picture())[1].tobytes(), read_pages),
}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to eight changes: bits, bytes, cuts, repetitions, and numbers that lie."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at, length = chance.randrange(len(found) or 1), chance.choice((1, 2, 4, 16, 64))
        kind = chance.randrange(7)
        if kind == 0 and found:
            found[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            found[at : at + length] = chance.randbytes(length)
        elif kind == 2:
            del found[at : at + length]
        elif kind == 3:
            found[at:at] = found[at : at + 8 * length] * chance.choice((1, 2, 50))
        elif kind == 4 and chance.random() < 0.3:
            del found[at:]
        elif kind == 5:
            digits = [match.span() for match in re.finditer(rb"\d+", found)]
            first, after = chance.choice(digits) if digits else (0, 0)
            found[first:after] = chance.choice(NUMBERS)
        else:
            found[at : at + 4] = chance.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0")
            )
    return bytes(found)


def attack(kind: str, seeds: range, folder: str, told: str) -> None:
    """Read ``seeds`` mutations; what is wrong stands in the file ``told``, with the seed in
    work."""
    data, read = KINDS[kind]
    own = resource.getrlimit(resource.RLIMIT_AS)[1]
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, own))
    for seed in seeds:
        start = time.process_time()
        Path(told).write_text(json.dumps([seed, "crash"]))
        try:
            refused(lambda seed=seed: read(mutated(data, random.Random(seed)), Path(folder)))
        except BaseException as error:
            Path(told).write_text(json.dumps([seed, f"{type(error).__name__}: {error}"]))
            return
        if time.process_time() - start > SECONDS:
            Path(told).write_text(json.dumps([seed, f"{time.process_time() - start:.1f} s"]))
            return
    Path(told).unlink()


def withstand(kind: str, seeds: range, folder: Path) -> None:
    told = folder / "told.json"
    process = multiprocessing.get_context("spawn").Process(
        target=attack, args=(kind, seeds, str(folder), str(told))
    )
    process.start()
    process.join(60 + len(seeds))
    if process.is_alive():
        process.kill()
    process.join()
    assert not told.exists(), f"{kind}, seed {told.read_text()}"
    assert process.exitcode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_some_mutations(kind: str, tmp_path: Path) -> None:
    withstand(kind, range(100), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutations(kind: str, tmp_path: Path) -> None:
    withstand(kind, range(1_000, 3_000), tmp_path)


BOMBS = {
    "billion laughs": '<!DOCTYPE PcGts [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(12))
    + "]><PcGts><Page>&m;</Page></PcGts>",
    "quadratic": f'<!DOCTYPE PcGts [<!ENTITY a "{"x" * 50_000}">]><PcGts>{"&a;" * 50_000}</PcGts>',
    "external": '<!DOCTYPE PcGts [<!ENTITY a SYSTEM "file:///etc/passwd">]><PcGts><Page imageFilename="&a;">&a;</Page></PcGts>',
    "parameter": '<!DOCTYPE PcGts [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x.dtd"> %a;]><PcGts/>',
    "external subset": '<!DOCTYPE PcGts SYSTEM "http://127.0.0.1:9/x.dtd"><PcGts/>',
    "deep": "<PcGts>" * 100_000,
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("root", ["PcGts", "alto"])
def test_xml_bombs(name: str, root: str, tmp_path: Path) -> None:
    text = BOMBS[name].replace("PcGts", root)
    (tmp_path / "p.xml").write_text(text)
    start = time.process_time()
    for read in (page.read, alto.read):
        with pytest.raises(UserError) as refusal:
            read(text, source="p.xml")
        assert "root:" not in str(refusal.value) and len(str(refusal.value)) < 300
    try:
        assert page_rows(tmp_path / "p.xml") == []
    except UserError as error:
        assert "root:" not in str(error)
    assert time.process_time() - start < 2


def test_a_png_of_sixty_thousand_by_sixty_thousand(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100_000))), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    start = time.process_time()
    for read in (
        read_image,
        lambda data: open_document(data).grey(0),
        lambda data: open_document(data).picture(0),
    ):
        with pytest.raises(
            UserError,
            match="has 60000 x 60000 pixels, more than the limit of 200000000: scale it down",
        ):
            read(data)
    assert time.process_time() - start < 1


def test_a_pdf_with_such_a_picture() -> None:
    pytest.importorskip("pypdfium2")
    data = pdf().replace(b"/Width 100 /Height 60", b"/Width 60000 /Height 60000", 1)
    with open_document(data) as document:
        with pytest.raises(UserError, match=r"Page 1 of .* has an image of 60000 x 60000 pixels"):
            document.grey(0)
        assert document.grey(1).shape == (60, 100)
