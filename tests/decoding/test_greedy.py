from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from recog.decoding import best_path, best_path_frames


def one_hot(path: list[int], symbols: int) -> np.ndarray:
    probs = np.full((len(path), symbols), 0.1 / (symbols - 1))
    probs[np.arange(len(path)), path] = 0.9
    return np.log(probs).astype(np.float32)


@pytest.mark.parametrize(
    ("path", "labels", "frames"),
    [
        ([0, 0, 0], [], []),
        ([1, 1, 1], [1], [0]),
        ([0, 1, 1, 0, 1, 2, 2], [1, 1, 2], [1, 4, 5]),
        ([3, 2, 0, 0, 2, 3], [3, 2, 2, 3], [0, 1, 4, 5]),
    ],
)
def test_collapses_repeats_and_drops_blanks(
    path: list[int], labels: list[int], frames: list[int]
) -> None:
    assert best_path_frames(one_hot(path, 4)) == (labels, frames)
    assert best_path(one_hot(path, 4)) == labels


def test_no_frames_give_no_labels() -> None:
    assert best_path(np.zeros((0, 5), np.float32)) == []


def test_ties_go_to_the_lower_index() -> None:
    assert best_path(np.log(np.full((3, 4), 0.25))) == []


def test_best_path_and_the_package_do_not_import_numba() -> None:
    code = (
        "import sys, numpy as np; from recog.decoding import Decoder, best_path; Decoder(['', 'a']);"
        "assert best_path(np.log(np.full((2, 2), 0.5))) == []; assert not {'numba', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
