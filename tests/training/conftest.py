"""A tiny corpus of rendered lines and a tiny recipe, for tests that really train."""

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

WORDS = ["ab", "ba", "aab", "bba", "abab", "b", "a ab", "ba b"]


def render(text: str, path: Path) -> None:
    image = np.full((40, 24 * len(text) + 20), 255, np.uint8)
    cv2.putText(image, text, (8, 30), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 0, 2)
    cv2.imwrite(str(path), image)
    path.with_suffix(".gt.txt").write_text(text + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def lines(tmp_path_factory) -> Path:
    """24 line images of a and b with their texts."""
    folder = tmp_path_factory.mktemp("lines")
    for i in range(24):
        render(WORDS[i % len(WORDS)], folder / f"line{i:02d}.png")
    return folder


@pytest.fixture
def recipe_file(lines: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(
        f"""
name: tiny
modality: handwriting
data: [{{path: "{lines}"}}]
dev_share: 0.2
strip: {{height: 16}}
encoder:
  height: 16
  convolutions: [{{channels: 8, stride: [2, 2]}}, {{channels: 8, pool: [2, 2]}}]
  layers: 2
  hidden: 16
training: {{epochs: 3, batch_items: 4, learning_rate: 0.01, threads: 1, device: cpu}}
""",
        encoding="utf-8",
    )
    return path
