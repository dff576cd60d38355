"""Arrays, bytes, streams and Pillow images as recordings and images: equal to the files that hold
the same."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from recog.errors import UserError
from recog.media.audio.reader import open_sound, read_sound
from recog.media.document.reader import open_document
from recog.media.image.reader import read_image
from recog.media.source import image_file, name_of, sound_file

RNG = np.random.default_rng(5)
COLOUR = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """A PNG of pixels in OpenCV's order."""
    return cv2.imencode(".png", pixels)[1].tobytes()


def read_array(array: np.ndarray, rate: int, **options) -> np.ndarray:
    with open_sound(array, array_rate=rate, **options) as sound:
        return sound.read()


@pytest.mark.parametrize(
    ("dtype", "subtype"),
    [("int16", "PCM_16"), ("int32", "PCM_32"), ("float32", "FLOAT"), ("float64", "DOUBLE")],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_an_array_is_its_wav(dtype: str, subtype: str, channels: int, tmp_path: Path):
    wave = RNG.normal(0, 0.2, (22_050, channels)).clip(-1, 1)
    wave = wave.astype(dtype) if "float" in dtype else (wave * np.iinfo(dtype).max).astype(dtype)
    soundfile.write(tmp_path / "a.wav", wave, 22_050, subtype=subtype)
    assert np.array_equal(read_array(wave, 22_050), read_sound(tmp_path / "a.wav"))
    assert np.array_equal(
        read_array(wave, 22_050, channel=channels - 1),
        read_sound(tmp_path / "a.wav", channel=channels - 1),
    )
    assert np.array_equal(
        read_array(wave[::2], 16_000), read_array(np.ascontiguousarray(wave[::2]), 16_000)
    )


def test_samples_of_8_bits_are_without_sign(tmp_path: Path):
    wave = RNG.integers(0, 256, 4_000, dtype=np.uint8)
    soundfile.write(
        tmp_path / "a.wav", (wave.astype(np.int16) - 128) << 8, 16_000, subtype="PCM_U8"
    )
    assert np.array_equal(read_array(wave, 16_000), read_sound(tmp_path / "a.wav"))
    assert np.array_equal(
        read_array(np.array([128, 0, 192], np.uint8), 16_000), np.float32([0, -1, 0.5])
    )


def test_a_long_array_leaves_memory_for_a_file_and_goes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("recog.media.source.IN_MEMORY", 1000)
    wave = RNG.normal(0, 0.1, 50_000).astype(np.float32)
    with open_sound(wave, array_rate=16_000) as sound:
        assert np.array_equal(sound.read(), wave)
        file = sound._file
    assert file.closed


@pytest.mark.parametrize(
    ("array", "rate", "sentence"),
    [
        (np.zeros(9), None, "An array of samples needs its sample_rate"),
        (
            np.zeros(9),
            0,
            "sample_rate is 0; it must be a whole number of samples a second, 1,000 to 1,000,000.",
        ),
        (np.zeros(9), "16k", "sample_rate is '16k'"),
        (np.zeros(9), float("nan"), "sample_rate is nan"),
        (np.zeros(9), 22_050.5, "sample_rate is 22050.5"),
        (np.zeros(9), True, "sample_rate is True"),
        (
            np.zeros((2, 9)),
            16_000,
            r"the shape \(2, 9\), more channels than samples, .*: transpose it \(array.T\).",
        ),
        (
            np.zeros((9, 3, 3)),
            16_000,
            r"the shape \(9, 3, 3\), where \(samples,\) or \(samples, channels\) is expected.",
        ),
        (np.array([0.0, np.nan]), 16_000, "The array has samples that are NaN or infinite"),
        (
            np.array([0.0, np.inf], np.float16),
            16_000,
            "The array has samples that are NaN or infinite",
        ),
        (
            np.zeros(9, np.int64),
            16_000,
            "The array holds int64 values, where samples are floating point",
        ),
        (np.zeros(9, object), 16_000, "The array holds object values"),
    ],
)
def test_arrays_that_are_no_sound(array: np.ndarray, rate: object, sentence: str):
    with pytest.raises(UserError, match=sentence):
        sound_file(array, rate)


def test_a_file_says_its_own_rate():
    with pytest.raises(
        UserError, match="sample_rate is for an array of samples; a file states its rate"
    ):
        sound_file("a.wav", 16_000)


@pytest.mark.parametrize("take", [sound_file, image_file])
def test_what_is_no_source_is_named(take, tmp_path: Path):
    for wrong, kind in (
        (3, "int"),
        (None, "NoneType"),
        ((np.zeros(3), 8000), "tuple"),
        (["a.wav"], "list"),
    ):
        with pytest.raises(
            UserError, match=rf"^An? \w+ is a path, the bytes or .*, and no {kind}: give one"
        ):
            take(wrong)
    (tmp_path / "a").write_text("text")
    with (
        (tmp_path / "a").open() as text,
        pytest.raises(UserError, match="open the file with mode 'rb'"),
    ):
        take(text)
    stream = io.BytesIO(b"1")
    stream.close()
    with pytest.raises(
        UserError, match=r"The stream <stream> cannot be read: I/O operation on closed file\."
    ):
        take(stream)
    with (
        (tmp_path / "out").open("wb") as out,
        pytest.raises(UserError, match="out cannot be read: "),
    ):
        take(out)

    class OnAGpu:
        def __array__(self) -> np.ndarray:
            raise TypeError("can't convert cuda:0 device type tensor to numpy.\nMore.")

    with pytest.raises(
        UserError,
        match=r"This OnAGpu cannot be taken as a NumPy array \(can't convert cuda:0 .*numpy.\)",
    ):
        take(OnAGpu(), 8000) if take is sound_file else take(OnAGpu())


def test_a_stream_that_can_only_be_read(tmp_path: Path):
    class Pipe:
        def __init__(self, content: bytes) -> None:
            self.read = io.BytesIO(content).read

    wave = RNG.normal(0, 0.1, 3_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    assert np.array_equal(read_sound(Pipe((tmp_path / "a.wav").read_bytes())), wave)
    assert np.array_equal(read_image(Pipe(png(COLOUR))), read_image(png(COLOUR)))


def test_names_are_no_addresses(tmp_path: Path):
    stream = io.BytesIO(b"")
    assert name_of(stream) == "<stream>" and name_of(b"") == name_of(bytearray()) == "<bytes>"
    assert name_of(np.zeros(3)) == "<array>" and name_of(tmp_path / "a") == str(tmp_path / "a")
    stream.name = 7  # a descriptor, as temporary files have it
    assert name_of(stream) == "<stream>"
    stream.name = "b.wav"
    assert name_of(stream) == "b.wav"


# ---- images ----


def test_an_array_is_its_png():
    alpha = np.dstack([COLOUR, RNG.integers(0, 256, COLOUR.shape[:2], dtype=np.uint8)])
    sixteen = RNG.integers(0, 1 << 16, (40, 60, 3), dtype=np.uint16)
    for array in (COLOUR, sixteen):
        assert np.array_equal(read_image(array), read_image(png(array[..., ::-1])))
        assert np.array_equal(read_image(array[..., 0]), read_image(png(array[..., 0])))
        assert np.array_equal(read_image(array[..., :1]), read_image(png(array[..., 0])))
    assert np.array_equal(read_image(alpha), read_image(png(alpha[..., [2, 1, 0, 3]])))
    assert np.array_equal(read_image(alpha[..., [0, 3]]), read_image(png(alpha[..., [0, 0, 0, 3]])))
    with open_document(COLOUR) as document:
        assert np.array_equal(document.grey(0), read_image(COLOUR)) and document.stored(0) == (
            (60, 40),
            1,
        )
        assert document.picture(0).colours == 3


def test_red_comes_first():
    red = np.zeros((9, 9, 3), np.uint8)
    red[..., 0] = 255
    assert {76} == set(read_image(red).ravel()) and {29} == set(read_image(red[..., ::-1]).ravel())


def test_values_of_every_type():
    grey = COLOUR[..., 0]
    for array in (grey / 255, (grey / 255).astype(np.float32), grey.astype(np.int64),
                  grey.astype(np.uint16) * 257, grey.astype(np.int32)):  # fmt: skip
        assert np.array_equal(read_image(array), grey), array.dtype
    assert np.array_equal(read_image(grey > 100), np.where(grey > 100, 255, 0))


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((3, 40, 60), np.uint8), r"the shape \(3, 40, 60\), where \(height, width\) or"),
        (np.zeros(40), r"the shape \(40,\)"),
        (np.zeros((0, 60)), "The array has no pixels"),
        (np.full((4, 4), np.nan), "The array has pixels that are NaN or infinite"),
        (
            np.full((4, 4), -1),
            "The array has values from -1 to -1, where pixels are whole numbers from 0 to 65,535.",
        ),
        (np.zeros((4, 4), complex), "The array holds complex128 values"),
    ],
)
def test_arrays_that_are_no_image(array: np.ndarray, sentence: str):
    with pytest.raises(UserError, match=sentence):
        read_image(array)


def test_an_array_of_absurd_size_is_refused_before_it_is_copied():
    with pytest.raises(UserError, match="200000 x 200000 pixels, more than the limit"):
        read_image(np.broadcast_to(np.uint8(0), (200_000, 200_000)))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16", "F"])
def test_a_pillow_image_is_its_file(mode: str):
    image = pytest.importorskip("PIL.Image")
    colour = image.fromarray(COLOUR)
    picture = (
        colour.convert("L").convert(mode)
        if mode in ("1", "LA", "I;16", "F")
        else colour.convert(mode)
    )
    if mode in ("LA", "RGBA"):
        picture.putalpha(image.fromarray(COLOUR[..., 2]))
    content = io.BytesIO()
    picture.save(content, "TIFF" if mode == "F" else "PNG")
    assert np.array_equal(read_image(picture), read_image(content.getvalue()))
    assert name_of(picture) == "<image>"


def test_pillow_images_of_other_colours_and_with_a_clear_colour():
    image = pytest.importorskip("PIL.Image")
    ink = np.full((40, 60, 3), 255, np.uint8)
    ink[10:20, 10:50] = 0
    picture = image.fromarray(ink)
    for mode in ("CMYK", "YCbCr", "HSV", "LAB", "PA", "I"):
        grey = read_image(
            (
                picture.convert("L")
                if mode == "I"
                else picture.convert("RGBA" if mode == "PA" else "RGB")
            ).convert(mode)
        )
        assert abs(grey.astype(int) - ink[..., 0]).max() <= 2, mode
    palette = picture.convert("P")
    content = io.BytesIO()
    palette.save(content, "PNG", transparency=palette.getpixel((15, 15)))
    content.seek(0)
    opened = image.open(content)
    assert np.array_equal(read_image(opened), read_image(content.getvalue()))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_opened_pillow_image_stands_as_its_file_and_a_made_one_as_it_is(
    orientation: int, tmp_path: Path
):
    image = pytest.importorskip("PIL.Image")
    exif = image.Exif()
    exif[274] = orientation
    image.fromarray(COLOUR).save(tmp_path / "a.png", exif=exif)
    opened = image.open(tmp_path / "a.png")
    assert np.array_equal(read_image(opened), read_image(tmp_path / "a.png"))
    assert np.array_equal(read_image(opened.copy()), read_image(COLOUR))


def test_a_pillow_image_that_is_cut_short(tmp_path: Path):
    image = pytest.importorskip("PIL.Image")
    content = io.BytesIO()
    image.fromarray(COLOUR).save(content, "PNG")
    with pytest.raises(UserError, match="The image cannot be read"):
        read_image(image.open(io.BytesIO(content.getvalue()[:2000])))
