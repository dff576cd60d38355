#!/usr/bin/env python3
"""Make data/samples: synthesised speech and rendered handwriting, each with its text beside it.

Speech comes from flite (BSD-style; english-speech has heard other sentences in its voices),
handwriting from the OFL fonts named below, as npm packs them in ``@fontsource/NAME``. Nothing here
is a recording or a scan of a person.

    apt-get install flite && pip install pillow fonttools brotli soundfile soxr
    npm pack @fontsource/caveat @fontsource/cedarville-cursive @fontsource/homemade-apple
    python scripts/make_samples.py FOLDER-WITH-THE-TGZ
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SAMPLES = Path(__file__).parent.parent / "data" / "samples"

SPEECH = [
    ("weather", "rms", "the weather is fine today and we are going to walk along the river"),
    ("letter", "awb", "she wrote a long letter to her brother who lived in the city"),
    ("numbers", "slt", "one two three four five six seven eight nine ten"),
]
LINES = [
    ("garden", "caveat", "My dear friend, the garden is in bloom again."),
    ("voyage", "cedarville-cursive", "Nous sommes arrivés à Paris le 12 mai."),
    ("maison", "homemade-apple", "La petite maison est au bord de la mer."),
]
PAGE = (
    "page",
    "caveat",
    [
        "Dear Anna,",
        "we came home late last night, tired but happy.",
        "The road along the river was white with frost,",
        "and the horses went slowly all the way.",
        "Your letter lay on the table by the window.",
        "How good it was to read your news again!",
        "Come and see us before the winter is over.",
        "With love from all of us,",
        "Marie",
    ],
)


def speak(name: str, voice: str, text: str) -> None:
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", wav.name], check=True)
        samples, rate = soundfile.read(wav.name, dtype="float32")
    samples = soxr.resample(samples, rate, 16_000)
    soundfile.write(
        SAMPLES / f"{name}.wav", 0.7 * samples / np.abs(samples).max(), 16_000, subtype="PCM_16"
    )
    (SAMPLES / f"{name}.txt").write_text(text + "\n", encoding="utf-8")


def font(folder: Path, name: str, size: int) -> ImageFont.FreeTypeFont:
    (pack,) = folder.glob(f"fontsource-{name}-*.tgz")
    with tarfile.open(pack) as archive:
        member = archive.extractfile(f"package/files/{name}-latin-400-normal.woff2")
        assert member is not None
        loaded = TTFont(io.BytesIO(member.read()))
    loaded.flavor = None
    plain = io.BytesIO()
    loaded.save(plain)
    plain.seek(0)
    return ImageFont.truetype(plain, size)


def write(folder: Path, name: str, face: str, text: str, seed: int) -> None:
    """Dark blue ink on uneven yellowish paper, slightly blurred as a scan is."""
    rng = np.random.default_rng(seed)
    pen = font(folder, face, 60)
    left, top, right, bottom = pen.getbbox(text)
    size = (int(right - left) + 40, int(bottom - top) + 30)
    ink = Image.new("L", size, 0)
    ImageDraw.Draw(ink).text((20 - left, 15 - top), text, fill=255, font=pen)
    mask = np.asarray(ink.filter(ImageFilter.GaussianBlur(0.7)), np.float32)[..., None] / 255.0
    shade = np.asarray(
        Image.fromarray(rng.integers(0, 24, (4, 12), np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
    )
    paper = (
        np.array([236, 228, 205], np.float32)
        - shade[..., None]
        - rng.normal(0, 2.5, (size[1], size[0], 1))
    )
    picture = paper * (1 - 0.85 * mask) + np.array([38, 44, 92], np.float32) * 0.85 * mask
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(
        SAMPLES / f"{name}.png", optimize=True
    )
    (SAMPLES / f"{name}.gt.txt").write_text(text + "\n", encoding="utf-8")


def write_page(folder: Path, name: str, face: str, texts: list[str], seed: int) -> None:
    """A letter of several lines on paper that was photographed a little askew, brighter on one
    side."""
    rng = np.random.default_rng(seed)
    pen, size, spacing = font(folder, face, 52), (1100, 900), 84
    ink = Image.new("L", size, 0)
    draw = ImageDraw.Draw(ink)
    for number, text in enumerate(texts):
        left = 90 + 10 * float(rng.normal()) + (450 if number >= len(texts) - 2 else 0)
        draw.text((left, 60 + spacing * number), text, fill=255, font=pen)
    ink = ink.rotate(1.2, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(0.8))
    mask = np.asarray(ink, np.float32)[..., None] / 255.0
    light = (
        np.linspace(0.78, 1.0, size[0])[None, :, None]
        * np.linspace(1.0, 0.9, size[1])[:, None, None]
    )
    paper = np.array([236, 228, 205], np.float32) * light + rng.normal(
        0, 2.5, (size[1], size[0], 1)
    )
    picture = paper * (1 - 0.85 * mask) + np.array([38, 44, 92], np.float32) * 0.85 * mask
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(
        SAMPLES / f"{name}.jpg", quality=82
    )
    (SAMPLES / f"{name}.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")


def main() -> None:
    SAMPLES.mkdir(parents=True, exist_ok=True)
    for sample in SPEECH:
        speak(*sample)
    for seed, sample in enumerate(LINES):
        write(Path(sys.argv[1]), *sample, seed)
    write_page(Path(sys.argv[1]), *PAGE, len(LINES))


if __name__ == "__main__":
    main()
