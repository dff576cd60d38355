"""The trainer's explanations: each cause planted is named, and a run that learns is left in
peace."""

from __future__ import annotations

import math
from itertools import groupby, product
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from recog.model.config import ConvLayer, EncoderConfig
from recog.text.alphabet import Alphabet
from recog.text.bidi import to_display
from recog.training.recogniser.data import Dataset, Example
from recog.training.recogniser.diagnosis import Diagnosis, chance_loss, outliers
from recog.training.recogniser.recipe import Optimisation, Recipe

ENCODER = EncoderConfig(
    height=16, convolutions=(ConvLayer(channels=4, stride=(2, 2)),), layers=1, hidden=4
)


def recipe(**changes: Any) -> Recipe:
    training = Optimisation(**({"epochs": 10, "learning_rate": 1e-3} | changes.pop("training", {})))
    fields = {
        "name": "t",
        "modality": "handwriting",
        "data": (),
        "encoder": ENCODER,
        "training": training,
    } | changes
    return Recipe(**fields)


class Store:
    """Features that are all of one value."""

    def __init__(self, value: int = 20) -> None:
        self.value = value

    def __getitem__(self, i: int) -> np.ndarray:
        return np.full((10, 16), self.value, np.uint8)


def dataset(
    columns: list[int],
    texts: list[str],
    *,
    store: Store | None = None,
    problems: list[str] | None = None,
) -> Dataset:
    alphabet = Alphabet.of(texts)
    rows = [
        Example(
            i, width, tuple(alphabet.encode(text)), text, 1.0, "s", f"{i}.png", needed=len(text)
        )
        for i, (width, text) in enumerate(zip(columns, texts, strict=True))
    ]
    return Dataset(rows, rows[:2], alphabet, store or Store(), {}, problems or [])  # type: ignore[arg-type]


def of_right_data(seed: int = 1, **options: Any) -> Dataset:
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("abcdef"), rng.integers(5, 40))) for _ in range(60)]
    return dataset([20 * len(text) for text in texts], texts, **options)


def epoch(
    number: int, loss: float, cer: float = 1.0, blank: float = 1.0, updates: int = 500
) -> dict[str, Any]:
    return {"epoch": number, "step": updates * number, "loss": loss, "cer": cer, "blank": blank}


def test_chance_is_the_sum_over_all_alignments_of_a_guess() -> None:
    data = dataset([8, 8], ["ab", "b"])
    counts = np.array([0.0, 1.001, 2.001])
    expected = math.inf
    for blank in (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99):
        guess = (1 - blank) * (counts + np.array([1e-3, 0.0, 0.0])) / (counts.sum() + 1e-3)
        guess[0] = blank
        total = 0.0
        for example in data.train:
            paths = product(range(3), repeat=4)
            right = (p for p in paths if [k for k, _ in groupby(p) if k] == list(example.labels))
            total -= math.log(sum(math.prod(guess[k] for k in path) for path in right))
        expected = min(expected, total / 3)
    assert chance_loss(data.train, recipe(), 3) == pytest.approx(expected, rel=1e-6)


def test_a_run_that_learns_is_left_in_peace() -> None:
    diagnosis = Diagnosis(of_right_data(), recipe())
    assert diagnosis.after_epoch([epoch(1, diagnosis.chance * 0.5, cer=0.6, blank=0.7)]) == []
    history = [epoch(1, diagnosis.chance), epoch(2, diagnosis.chance * 0.6, cer=0.9)]
    assert len(diagnosis.after_epoch(history[:1])) == 1
    assert diagnosis.after_epoch(history) == [] and diagnosis.stuck == 0


def explained(
    data: Dataset, losses: list[float] | None = None, updates: int = 500, **changes: Any
) -> str:
    diagnosis = Diagnosis(data, recipe(**changes))
    losses = losses or [diagnosis.chance] * 4
    said: list[str] = []
    history: list[dict[str, Any]] = []
    for number, loss in enumerate(losses, start=1):
        history.append(epoch(number, loss, updates=updates))
        said += diagnosis.after_epoch(history)
    assert f"guessing by frequency gives {diagnosis.chance:.2f}" in said[0]
    assert sum("What speaks for which cause" in line for line in said) == 1, "told once"
    return "\n".join(said)


def test_transcripts_of_other_files_are_told_by_their_lengths() -> None:
    data = of_right_data()
    rng = np.random.default_rng(3)
    shuffled = dataset(
        [data.train[k].columns for k in rng.permutation(60)], [row.text for row in data.train]
    )
    assert "belong to other files" in explained(shuffled) and "rank correlation" in explained(
        shuffled
    )
    assert "belong to other files" not in explained(data)
    assert "nothing in the data" in explained(data)


def test_texts_too_long_for_their_frames() -> None:
    data = of_right_data(
        problems=[f"{i}.png: its 90 symbols need 90 frames, the media gives 40." for i in range(30)]
    )
    assert "30 of 90 rows do not fit" in explained(data)


@pytest.mark.parametrize(
    ("losses", "evidence"),
    [
        ([3.0, 2.9, 9.0, 30.0], "the loss rose from 2.90 to 9.00"),
        ([3.0, 2.9, 31.0, 30.0], "the loss rose from 2.90 to 31.00"),
        ([30.0, 31.0, 29.0, 30.0], "the loss stays at 29.00"),
    ],
)
def test_a_learning_rate_too_high(losses: list[float], evidence: str) -> None:
    said = explained(of_right_data(), losses)
    assert f"the learning rate (0.001) is too high: {evidence}" in said and "too few" not in said


@pytest.mark.parametrize(
    ("losses", "updates"),
    [
        ([12.455, 14.103, 8.703, 5.072, 3.830], 1),  # five lines
        ([10.9, 8.4, 4.11], 2),
        ([15.97, 13.6, 6.33], 2),
        ([9.0, 11.0, 10.5, 9.0], 500),  # on its way down
        ([2.0, 2.2, 2.1, 2.05], 500),  # the plateau wavers
        ([30.0, 31.0, 29.0, 30.0], 1),  # nothing was tried yet
        ([5.0], 500),
    ],
)
def test_no_learning_rate_is_blamed_for_a_loss_that_falls_or_wavers(
    losses: list[float], updates: int
) -> None:
    diagnosis = Diagnosis(of_right_data(), recipe())
    history = [epoch(number, loss, updates=updates) for number, loss in enumerate(losses, start=1)]
    for count in range(1, len(history) + 1):
        assert not any("learning rate" in cause for cause in diagnosis.causes(history[:count]))


def test_a_loss_above_that_of_guessing_is_no_plateau() -> None:
    diagnosis = Diagnosis(of_right_data(), recipe())
    assert diagnosis.after_epoch([epoch(1, 4 * diagnosis.chance)])[0].startswith(
        "Not yet as good as guessing: loss"
    )
    diagnosis = Diagnosis(of_right_data(), recipe())
    assert diagnosis.after_epoch([epoch(1, diagnosis.chance)])[0].startswith(
        "On the blank plateau: loss"
    )


def test_lines_of_one_length_say_nothing_of_what_belongs_together() -> None:
    rng = np.random.default_rng(2)
    texts = ["".join(rng.choice(list("abcdef"), rng.integers(38, 43))) for _ in range(60)]
    assert "other files" not in explained(
        dataset([int(rng.integers(780, 820)) for _ in texts], texts)
    )


def test_the_same_text_in_every_row() -> None:
    said = explained(dataset([800] * 12, ["the white road"] * 12))
    assert "all 12 rows have the same text, 'the white road'" in said
    assert "same text" not in explained(of_right_data())


def test_polarity_and_empty_images() -> None:
    assert "more ink than paper" in explained(of_right_data(store=Store(200)))
    assert "next to no ink" in explained(of_right_data(store=Store(0)))


def test_a_sample_rate_that_cannot_be() -> None:
    data = dataset([2 * n for n in range(10, 40)], ["ab" * (n // 2) for n in range(10, 40)])
    assert "symbols a second" in explained(data, modality="speech", encoder=ENCODER)


def test_right_to_left_texts_stored_as_they_look() -> None:
    widths = [200 * n for n in range(1, 31)]
    right, wrong = (
        [to_display(" ".join([word] * n)) for n in range(1, 31)] for word in ("שלום", "םולש")
    )
    assert "reading direction: 465 words begin with a letter that ends words" in explained(
        dataset(widths, wrong)
    )
    assert "reading direction" not in explained(dataset(widths, right))


def test_too_few_updates_are_counted_as_they_were_done() -> None:
    diagnosis = Diagnosis(of_right_data(), recipe(training={"epochs": 3}))
    history = [epoch(number, diagnosis.chance, updates=2) for number in (1, 2)]
    assert any("too few updates: 4 of about 6 done" in cause for cause in diagnosis.causes(history))
    # batches differ from epoch to epoch
    history.append(epoch(3, diagnosis.chance, updates=2) | {"step": 7})
    assert any("too few updates: 7 done, and" in cause for cause in diagnosis.causes(history))
    assert not any("too few" in cause for cause in diagnosis.causes([epoch(1, diagnosis.chance)]))


def test_rows_with_a_loss_far_above_the_others_are_named() -> None:
    rows = of_right_data().train
    losses = {row.index: (row, 0.3 + 0.01 * (row.index % 7)) for row in rows}
    assert outliers(losses) == []
    losses[17] = (rows[17], 5.0)
    said = outliers(losses)
    assert said[0].startswith("1 of 60 rows") and "17.png: loss 5.0" in said[1]
    diagnosis = Diagnosis(of_right_data(), recipe(training={"epochs": 1}))
    diagnosis.add_losses(
        rows, [(5.0 if row.index == 17 else 0.3) * len(row.labels) for row in rows]
    )
    assert any("17.png" in line for line in diagnosis.after_epoch([epoch(1, 0.4, cer=0.1)]))
