"""Images of every format become the pixels that were planted in them; bombs and broken files become
one sentence."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recog.media.errors import MediaError
from recog.media.image.headers import read_header
from recog.media.image.reader import read_image
from recog.media.image.tiff import HeaderError
from recog.media.quiet import quiet_decoding


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, depth: int, colour: int, rows: list[bytes], *extra: bytes
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), *extra, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    )


def exif(orientation: int, order: str = "<") -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def tiff(
    image: NDArray[np.generic],
    *,
    orientation: int = 1,
    order: str = "<",
    white_is_zero: bool = False,
    bits: int | None = None,
) -> bytes:
    """An uncompressed TIFF of one strip, its directory before its pixels."""
    channels = image.shape[2] if image.ndim == 3 else 1
    bits = bits or image.dtype.itemsize * 8
    pixels = (
        np.packbits(image > 0, axis=1).tobytes()
        if bits == 1
        else image.astype(image.dtype.newbyteorder(order)).tobytes()
    )
    kind = 2 if channels > 1 else 0 if white_is_zero else 1
    is_float = image.dtype.kind == "f"
    tags = [
        (256, 4, image.shape[1]),
        (257, 4, image.shape[0]),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, kind),
        (273, 4, 0),
    ]
    tags += [
        (274, 3, orientation),
        (277, 3, channels),
        (278, 4, image.shape[0]),
        (279, 4, len(pixels)),
        (339, 3, 3 if is_float else 1),
    ]
    start = 8 + 2 + 12 * len(tags) + 4
    depths = struct.pack(order + "H" * channels, *[bits] * channels) if channels > 2 else b""
    body = b""
    for tag, code, value in tags:
        count, value = (
            (channels, start)
            if tag == 258 and depths
            else (1, start + len(depths) if tag == 273 else value)
        )
        in_place = code == 3 and count == 1
        body += struct.pack(order + "HHI", tag, code, count) + struct.pack(
            order + ("HH" if in_place else "I"), *([value, 0] if in_place else [value])
        )
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IH", 8, len(tags)) + body + bytes(4) + depths + pixels


def encode(extension: str, image: NDArray[np.generic], *options: int) -> bytes:
    done, data = cv2.imencode(extension, image, list(options))
    assert done
    return data.tobytes()


@pytest.fixture
def corners() -> NDArray[np.uint8]:
    """48 x 32 pixels with four different quarters: no turn or mirror image of it looks the same."""
    image = np.empty((32, 48), np.uint8)
    image[:16, :24], image[:16, 24:], image[16:, :24], image[16:, 24:] = 20, 90, 160, 230
    return image


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tif", ".webp", ".jpg"])
@pytest.mark.parametrize("is_colour", [False, True])
def test_formats(
    tmp_path: Path, corners: NDArray[np.uint8], extension: str, is_colour: bool
) -> None:
    image = cv2.cvtColor(corners, cv2.COLOR_GRAY2BGR) if is_colour else corners
    data = encode(
        extension, image, *([cv2.IMWRITE_WEBP_QUALITY, 101] if extension == ".webp" else [])
    )
    path = tmp_path / "renamed.txt"  # content decides
    path.write_bytes(data)
    for source in (path, str(path), data, io.BytesIO(data)):
        page = read_image(source)
        assert page.dtype == np.uint8 and page.flags.c_contiguous
        np.testing.assert_allclose(page, corners, atol=2 if extension in (".jpg", ".webp") else 0)


def test_colours_become_their_luminance() -> None:
    bgr = np.zeros((4, 4, 3), np.uint8)
    bgr[:2, :, 2], bgr[2:, :, 0] = 255, 255  # red above blue
    for extension in (".png", ".bmp", ".tif"):
        assert read_image(encode(extension, bgr))[[0, 3], 0] == pytest.approx([76, 29], abs=1)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_every_format(
    corners: NDArray[np.uint8], orientation: int, order: str
) -> None:
    turned = {  # Exif 2.32, tag 274: how the camera stored what is to be seen upright
        1: corners,
        2: np.fliplr(corners),
        3: np.rot90(corners, 2),
        4: np.flipud(corners),
        5: corners.T,
        6: np.rot90(corners, 1),
        7: np.rot90(corners.T, 2),
        8: np.rot90(corners, -1),
    }
    stored = np.ascontiguousarray(turned[orientation])
    block = exif(orientation, order)
    plain = encode(".png", stored)
    jpeg = encode(".jpg", stored)
    lossless = encode(
        ".webp", cv2.cvtColor(stored, cv2.COLOR_GRAY2BGR), cv2.IMWRITE_WEBP_QUALITY, 101
    )
    height, width = stored.shape
    canvas = (
        struct.pack("<I", 8)
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    webp = (
        b"WEBP"
        + b"VP8X"
        + struct.pack("<I", 10)
        + canvas
        + lossless[12:]
        + b"EXIF"
        + struct.pack("<I", len(block))
        + block
    )
    app1 = b"\xff\xe1" + struct.pack(">H", len(block) + 8) + b"Exif\0\0" + block
    rows = cv2.cvtColor(stored, cv2.COLOR_GRAY2RGB)
    for data in (
        plain[:33] + chunk(b"eXIf", block) + plain[33:],
        jpeg[:2] + app1 + jpeg[2:],
        b"RIFF" + struct.pack("<I", len(webp)) + webp,
        tiff(stored, orientation=orientation, order=order),
        tiff(rows, orientation=orientation, order=order),
    ):
        page = read_image(data)
        assert page.shape == corners.shape
        np.testing.assert_allclose(page, corners, atol=2)


def test_sixteen_bits() -> None:
    full = np.array([[0, 257, 32_896, 65_535]], np.uint16)
    twelve = np.array([[0, 16, 2_048, 4_095]], np.uint16)
    for extension in (".png", ".tif"):
        np.testing.assert_array_equal(read_image(encode(extension, full)), [[0, 1, 128, 255]])
        np.testing.assert_array_equal(read_image(encode(extension, twelve)), [[0, 1, 128, 255]])
    colour = np.repeat(full[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(read_image(encode(".png", colour)), [[0, 1, 128, 255]])


def test_floating_point_and_bilevel_tiff() -> None:
    np.testing.assert_array_equal(
        read_image(tiff(np.array([[0, 0.5, 1]], np.float32))), [[0, 128, 255]]
    )
    np.testing.assert_array_equal(
        read_image(tiff(np.array([[-10, 0, 10, np.nan]], np.float32))), [[0, 128, 255, 128]]
    )
    dots = np.tile(np.array([[0, 1, 1, 0, 1, 0, 0, 0]], np.uint8), (2, 2))
    np.testing.assert_array_equal(read_image(tiff(dots, bits=1)), dots * 255)
    np.testing.assert_array_equal(
        read_image(tiff(dots, bits=1, white_is_zero=True)), 255 - dots * 255
    )


def test_palette_and_low_depths() -> None:
    palette = chunk(b"PLTE", bytes([0, 0, 0, 128, 128, 128, 255, 255, 255]))
    np.testing.assert_array_equal(
        read_image(png(3, 1, 8, 3, [bytes([2, 1, 0])], palette)), [[255, 128, 0]]
    )
    np.testing.assert_array_equal(
        read_image(png(4, 1, 2, 3, [bytes([0b00011000])], palette)), [[0, 128, 255, 0]]
    )
    np.testing.assert_array_equal(
        read_image(png(8, 1, 1, 0, [bytes([0b10110000])])), [[255, 0, 255, 255, 0, 0, 0, 0]]
    )
    np.testing.assert_array_equal(
        read_image(png(4, 1, 2, 0, [bytes([0b00011011])])), [[0, 85, 170, 255]]
    )


def test_transparency_is_white_paper() -> None:
    bgra = np.array(
        [[[0, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 128], [100, 100, 100, 255]]], np.uint8
    )
    for data in (
        encode(".png", bgra),
        encode(".webp", bgra, cv2.IMWRITE_WEBP_QUALITY, 101),
        encode(".png", bgra.astype(np.uint16) * 257),
    ):
        np.testing.assert_allclose(read_image(data), [[0, 255, 127, 100]], atol=1)
    palette = chunk(b"PLTE", bytes([0, 0, 0, 200, 200, 200])) + chunk(b"tRNS", bytes([0]))
    np.testing.assert_array_equal(
        read_image(png(2, 1, 8, 3, [bytes([0, 1])], palette)), [[255, 200]]
    )
    np.testing.assert_array_equal(
        read_image(png(3, 1, 8, 4, [bytes([0, 255, 0, 0, 90, 255])])), [[0, 255, 90]]
    )
    grey = png(3, 1, 8, 0, [bytes([7, 8, 9])], chunk(b"tRNS", struct.pack(">H", 8)))
    np.testing.assert_array_equal(read_image(grey), [[7, 255, 9]])


def test_light_ink_on_nothing_lies_on_black() -> None:
    ink = np.zeros((40, 60), np.uint8)
    cv2.putText(ink, "ab", (5, 30), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 3)
    for tone, below in ((255, 0), (20, 255)):
        bgra = np.dstack([np.full((40, 60, 3), tone, np.uint8), ink])
        grey = read_image(encode(".png", bgra))
        assert (grey[ink == 0] == below).all() and (grey[ink == 255] == tone).all()
    rows = [bytes([9, 9, 250, 9, 9, 9])]
    clear = png(6, 1, 8, 0, rows, chunk(b"tRNS", struct.pack(">H", 9)))
    np.testing.assert_array_equal(read_image(clear), [[0, 0, 250, 0, 0, 0]])
    photograph = np.full((40, 60, 4), 230, np.uint8)  # of paper, with clear corners
    photograph[:8, :8, 3] = 0
    assert read_image(encode(".png", photograph))[0, 0] == 255


def bombs() -> dict[str, bytes]:
    """Headers of 60,000 x 60,000 pixels with nothing behind them."""
    size = 60_000
    jpeg = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, size, size, 1) + b"\1\x11\0"
    vp8x = b"VP8X" + struct.pack("<II", 10, 0) + (size - 1).to_bytes(3, "little") * 2
    return {
        "PNG": png(size, size, 8, 0, []),
        "JPEG": jpeg + b"\xff\xda\0\x08\1\1\0\0\x3f\0\0\xff\xd9",
        "WebP": b"RIFF" + struct.pack("<I", len(vp8x) + 4) + b"WEBP" + vp8x,
        "BMP": b"BM"
        + bytes(12)
        + struct.pack("<IiiHHIIIIII", 40, size, -size, 1, 24, 0, 0, 0, 0, 0, 0),
        "TIFF": b"MM\0*" + struct.pack(">IHHHIIHHIII", 8, 2, 256, 4, 1, size, 257, 4, 1, size, 0),
    }


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WebP", "BMP", "TIFF"])
def test_bombs_are_refused_by_their_header(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bombs()[kind])
    header = read_header(path.read_bytes())
    assert header is not None and (header.format, header.width, header.height) == (
        kind,
        60_000,
        60_000,
    )
    with pytest.raises(
        MediaError, match=r"bomb has 60000 x 60000 pixels, more than the limit of 200000000"
    ):
        read_image(path)


def test_the_limit_is_the_callers(corners: NDArray[np.uint8]) -> None:
    data = encode(".png", corners)
    assert read_image(data, max_pixels=corners.size).shape == corners.shape
    with pytest.raises(MediaError, match="48 x 32 pixels, more than the limit of 1535"):
        read_image(data, max_pixels=corners.size - 1)


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif", ".bmp"])
def test_cut_files_are_never_taken_for_pages(extension: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    data = encode(extension, noise)
    for length in [
        *np.random.default_rng(2).integers(1, len(data) - 12, 25),
        4,
        12,
        26,
        len(data) // 2,
    ]:
        with pytest.raises(MediaError) as caught:
            read_image(data[:length])
        assert "\n" not in str(caught.value)
    strips = tiff(noise)
    with pytest.raises(MediaError, match="end of the TIFF image is missing"):
        read_image(strips[:-100])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([".png", ".jpg", ".webp", ".tif", ".bmp"]),
    st.integers(0, 2**32),
    st.integers(1, 6),
)
def test_damaged_bytes_give_a_page_or_one_sentence(extension: str, seed: int, places: int) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(encode(extension, np.full((20, 30), 200, np.uint8)))
    for place in random.integers(0, len(data), places):
        data[place] = random.integers(256)
    try:
        page = read_image(bytes(data), max_pixels=1_000_000)
        assert page.dtype == np.uint8 and page.ndim == 2
    except MediaError as error:
        assert "\n" not in str(error)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        [
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"\xff\xd8\xff",
            b"RIFF\0\0\0\0WEBP",
            b"II*\0",
            b"MM\0+\0\x08\0\0",
            b"BM",
            b"",
        ]
    ),
    st.binary(max_size=200),
)
def test_headers_never_fail_otherwise(magic: bytes, body: bytes) -> None:
    try:
        header = read_header(magic + body)
        assert header is None or 1 <= header.orientation <= 8
    except HeaderError:
        pass


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"GIF89a" + bytes(50), "is a GIF image: recog reads PNG, JPEG, WebP, TIFF and BMP"),
        (b"%PDF-1.7\n" + bytes(50), "is a PDF document"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "is a HEIC or AVIF image"),
        (b"Good morning" * 20, "not an image that recog knows"),
        (bytes(range(256)), "not an image that recog knows"),
    ],
)
def test_other_files_give_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "page.png"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=says) as caught:
        read_image(path)
    assert str(caught.value).startswith(str(path))


def test_folders_and_absent_files(tmp_path: Path) -> None:
    for path, says in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.png", "does not exist"),
        ("a\0b", "cannot be opened"),
    ):
        with pytest.raises(MediaError, match=says):
            read_image(path)


def test_the_libraries_keep_the_terminal_clean(tmp_path: Path) -> None:
    image = encode(".png", np.full((20, 30), 200, np.uint8))
    (tmp_path / "profile.png").write_bytes(image[:33] + chunk(b"iCCP", b"junk\0\0abc") + image[33:])
    jpeg = encode(".jpg", np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8))
    (tmp_path / "damaged.jpg").write_bytes(jpeg[: len(jpeg) // 2] + b"\xff\xd9")
    (tmp_path / "cut.tif").write_bytes(encode(".tif", np.full((20, 30), 200, np.uint8))[:-40])
    code = (
        "import sys, pathlib, recog.media.image.reader as i\nassert 'cv2' not in sys.modules\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n    try: i.read_image(path)\n    except i.MediaError: pass\n"
        "print('still there', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == "still there\n" and done.stdout == ""


def test_only_the_chatter_is_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_decoding(), quiet_decoding():
        os.write(2, b"libpng warning: iCCP: too short\nwhat another thread says\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "what another thread says\nafterwards\n"
