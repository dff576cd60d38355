"""The validator: each kind of bad row, and good rows left in peace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from recog.corpora.rows import LineShape, Row
from recog.corpora.validate import check_rows, min_ctc_frames, sound_duration
from recog.errors import UserError
from recog.text.alphabet import Alphabet


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(16_000, dtype=np.float32), 16_000)
    return path


def test_good_rows(wav: Path) -> None:
    rows = [Row(wav, "abba"), Row(wav, "ab", 0.25, 1.0), Row(wav, "a", 0.5)]
    assert check_rows(rows, alphabet=Alphabet.of(["ab"]), frames=lambda row: 5) == []


def test_each_reason(wav: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    rows = [
        Row(tmp_path / "none.wav", "a"),
        Row(tmp_path, "a"),
        Row(empty, "a"),
        Row(wav, " \n"),
        Row(wav, "axb"),
        Row(wav, "a", 0.5, 1.5),
        Row(wav, "a", 7.0),
        Row(wav, "a", 0.5, 0.25),
        Row(wav, "aabb"),
        Row(wav, "a", line=LineShape()),
    ]
    problems = check_rows(rows, alphabet=Alphabet.of(["ab"]), frames=lambda row: 5)
    assert [p.row_number for p in problems] == list(range(1, 11))
    reasons = [
        "is not there",
        "is not a file",
        "is empty",
        "has no text",
        "alphabet: 'x' (U+0078)",
        "1.00 s long; the stretch 0.5 to 1.5 s lies outside",
        "1.00 s long; the stretch 7 to 7 s lies outside",
        "ends (0.25 s) before it starts (0.5 s)",
        "has 5 frames, too few for its 4 labels, which need 6",
        "neither polygon nor baseline",
    ]
    for problem, reason in zip(problems, reasons, strict=True):
        assert reason in problem.reason
    assert str(problems[0]) == f"row 1: {tmp_path / 'none.wav'} is not there"


def test_the_normalised_text_counts(wav: Path) -> None:
    alphabet = Alphabet.of(["ab"])
    assert check_rows([Row(wav, "AB")], alphabet=alphabet, normalise=str.lower) == []
    (problem,) = check_rows([Row(wav, "##")], normalise=lambda text: text.replace("#", ""))
    assert problem.reason == "has no text"


def test_a_line_is_told_by_its_place(wav: Path) -> None:
    (problem,) = check_rows([Row(wav, "", line=LineShape(baseline=((12, 34), (56, 34))))])
    assert problem.reason == "has no text (the line at x 12, y 34)"


def test_errors_of_the_frame_counter_are_problems(wav: Path) -> None:
    def frames(row: Row) -> int:
        raise UserError("The sound is damaged.")

    (problem,) = check_rows([Row(wav, "a")], frames=frames)
    assert problem.reason == "cannot be used: The sound is damaged."


def test_needed_frames() -> None:
    assert [min_ctc_frames(x) for x in ([], [1], [1, 1], [1, 2, 1], [1, 1, 1])] == [0, 1, 3, 3, 5]


def test_sound_duration(wav: Path, tmp_path: Path) -> None:
    assert sound_duration(wav) == 1.0
    (tmp_path / "b.wav").write_bytes(b"no sound")
    assert sound_duration(tmp_path / "b.wav") is None
