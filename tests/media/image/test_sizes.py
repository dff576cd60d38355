"""Sizes in headers are held against the file: what is there is read, and a size that is wrong is
told."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from recog.media.audio.reader import open_sound

RATE = 16_000
WAVE = (0.5 * np.sin(np.arange(2 * RATE) * 0.2) * np.linspace(0.1, 1, 2 * RATE)).astype(np.float32)
# Of each format: the bytes before the field with the size of the data, its format, and what it
# counts beyond samples.
FIELDS = {
    "WAV": (b"data", 0, "<I", 0),
    "RF64": (b"ds64", 12, "<Q", 0),
    "AIFF": (b"SSND", 0, ">I", 8),
    "AU": (b".snd", 4, ">I", 0),
    "CAF": (b"data", 0, ">Q", 4),
    "W64": (b"data", 12, "<Q", 24),
}


def made(format: str, size: int | None = None, tail: bytes = b"", subtype: str = "PCM_16") -> bytes:
    """A file of two seconds whose header states ``size`` bytes of samples."""
    file = io.BytesIO()
    soundfile.write(file, WAVE, RATE, format=format, subtype=subtype)
    data = bytearray(file.getvalue())
    tag, skipped, form, extra = FIELDS[format]
    at = data.index(tag) + 4 + skipped
    assert struct.unpack_from(form, data, at)[0] >= len(WAVE) + extra  # the field is there
    if size is not None:
        top = (1 << 8 * struct.calcsize(form)) - 1
        struct.pack_into(
            form, data, at, size if size in (0, top) or size < 0 else min(size + extra, top)
        )
    return bytes(data) + tail


def heard(data: bytes) -> tuple[NDArray[np.float32], list[str]]:
    with open_sound(io.BytesIO(data)) as sound:
        return np.concatenate(list(sound.blocks())), sound.warnings


@pytest.mark.parametrize("format", FIELDS)
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF])
def test_unknown_sizes_are_no_fault(format: str, size: int) -> None:
    if size > 0xFFFFFFFF and FIELDS[format][2][-1] == "I":
        pytest.skip("the size has 32 bits")
    if size == 0xFFFFFFFF and FIELDS[format][2][-1] == "Q":
        pytest.skip("the size has 64 bits")
    wave, warnings = heard(made(format, size))
    np.testing.assert_allclose(wave, WAVE, atol=1e-4)
    assert warnings == []


@pytest.mark.parametrize("format", ["WAV", "RF64", "AIFF", "AU", "CAF"])
@pytest.mark.parametrize("size", [2_000, len(WAVE)])
def test_what_is_beyond_the_stated_size_is_read(format: str, size: int) -> None:
    wave, warnings = heard(made(format, size))
    np.testing.assert_allclose(wave, WAVE, atol=1e-4)
    assert (
        len(warnings) == 1
        and "has a header that states" in warnings[0]
        and "all of them were read" in warnings[0]
    )


@pytest.mark.parametrize("format", ["WAV", "AIFF", "AU"])
@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT", "ULAW"])
def test_samples_of_other_widths(format: str, subtype: str) -> None:
    whole, _ = heard(made(format, subtype=subtype))
    wave, warnings = heard(made(format, 3_000, subtype=subtype))
    np.testing.assert_array_equal(wave, whole)
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "tail",
    [
        b"LIST" + struct.pack("<I", 3_000) + b"INFO" * 750,
        b"bext" + struct.pack("<I", 2_001) + b"x" * 2_001,  # without its padding
        b"LIST" + struct.pack("<I", 9_000) + b"INFO" * 750,  # cut short
        b"TAG" + b"title" * 25,
        b"APETAGEX" + b"\x07" * 9_000,
        bytes(20_000),
        b"\x01\x02\x03",
    ],
)
def test_what_may_follow_the_sound_is_no_sound(tail: bytes) -> None:
    wave, warnings = heard(made("WAV", tail=tail))
    np.testing.assert_array_equal(wave, heard(made("WAV"))[0])
    assert warnings == []


def test_flac_with_too_small_a_count_and_with_none() -> None:
    noise = (0.2 * np.random.default_rng(0).standard_normal(20 * RATE)).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, noise, RATE, format="FLAC", subtype="PCM_16")
    whole, warnings = heard(file.getvalue())
    assert len(whole) == len(noise) and warnings == []
    for count in (100_000, 0):
        data = bytearray(file.getvalue())
        field = int.from_bytes(data[18:26], "big")  # the last 36 bits are the number of samples
        data[18:26] = ((field >> 36 << 36) | count).to_bytes(8, "big")
        wave, warnings = heard(bytes(data))
        np.testing.assert_array_equal(wave, whole)
        assert len(warnings) == (1 if count else 0)
        with open_sound(io.BytesIO(bytes(data))) as sound:
            for start, end in ((5.5, 7.0), (12.0, 13.0)):
                expected = whole[round(start * RATE) : round(end * RATE)]
                np.testing.assert_array_equal(sound.read(start=start, end=end), expected)
    wave, warnings = heard(file.getvalue() + b"TAG" + bytes(125))
    np.testing.assert_array_equal(wave, whole)
    assert warnings == []


def sparse(path: Path, head: bytes, size: int, end: bytes) -> None:
    """A header, a hole, and the last samples."""
    with path.open("wb") as file:
        file.write(head)
        file.seek(len(head) + size - len(end))
        file.write(end)


@pytest.mark.parametrize("format", ["WAV", "AIFF", "AU"])
def test_a_size_that_wrapped_around_32_bits(format: str, tmp_path: Path) -> None:
    size = (5 << 30) + 12_344
    last = (WAVE[:RATE] * 32_767).astype(">i2" if format != "WAV" else "<i2").tobytes()
    whole = made(format)
    path = tmp_path / "long.bin"
    head = bytearray(whole[: len(whole) - 2 * len(WAVE)])
    tag, skipped, form, extra = FIELDS[format]
    struct.pack_into(form, head, head.index(tag) + 4 + skipped, (size + extra) % (1 << 32))
    tail = b"LIST" + struct.pack("<I", 4_000) + b"INFO" * 1_000 if format == "WAV" else b""
    sparse(path, bytes(head), size, last)
    with path.open("ab") as file:
        file.write(tail)
    seconds = size / 2 / RATE
    begin = time.process_time()
    with open_sound(path) as sound:
        assert len(sound.read(start=1.0, end=2.0)) == RATE
        assert sound.duration is None or sound.duration == pytest.approx(seconds)
        wave = sound.read(start=seconds - 1.0)
        np.testing.assert_allclose(wave, WAVE[:RATE], atol=1e-4)
        assert (
            len(sound.warnings) == 1
            and f"states {(size + extra) % (1 << 32):,} bytes" in sound.warnings[0]
        )
        assert f"there are {size + extra:,}" in sound.warnings[0]
    assert time.process_time() - begin < 2.0


def test_a_stretch_of_adpcm_whose_size_was_written_too_early(tmp_path: Path) -> None:
    wave = 0.4 * np.sin(2 * np.pi * 440 * np.arange(5 * 16_000) / 16_000)
    path = tmp_path / "dictaphone.wav"
    soundfile.write(path, wave, 16_000, subtype="MS_ADPCM")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 5_000)
    path.write_bytes(data)
    with open_sound(path) as sound:
        whole = sound.read()
        assert "5,000 bytes" in (sound.warning or "") and len(whole) >= 5 * 16_000
        for start in (1.5, 2.2, 2.6, 3.5):
            stretch = sound.read(start=start, end=start + 1)
            assert np.array_equal(
                stretch, whole[round(start * 16_000) : round((start + 1) * 16_000)]
            )
