"""The data of a recogniser's training: examples with features and labels, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from recog.corpora.rows import Row
from recog.corpora.validate import min_ctc_frames
from recog.errors import UserError
from recog.lm.g2p import G2P
from recog.text.alphabet import Alphabet, describe
from recog.text.pronunciations import Pronunciations, encode_pronunciations, pronounce
from recog.training.recipe_base import Source
from recog.training.recogniser.feature_store import FeatureStore, build_store
from recog.training.recogniser.recipe import Recipe
from recog.training.recogniser.rows import LoadedRows, fingerprints, load_rows


class WordCrop(NamedTuple):
    """A word of a row in the feature store: its columns with half the gaps, and its labels."""

    row: int
    first: int
    last: int
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """An utterance or line to train on.

    Attributes:
        index: of its row in the feature store.
        columns: width of its features.
        needed: the least number of frames that can carry the labels.
        group: its speaker or writer.
        phones: labels of its pronunciation; empty where that is unknown.
        crops: of a synthetic line, the word crops that it consists of in place of the row.
    """

    index: int
    columns: int
    labels: tuple[int, ...]
    text: str
    weight: float
    source: str
    name: str
    needed: int = 1
    group: str | None = None
    phones: tuple[int, ...] = ()
    crops: tuple[WordCrop, ...] = ()


@dataclass
class Dataset:
    """All data of a run.

    Attributes:
        fingerprint: SHA-256 of each source and of the pronunciations.
        problems: which rows are left out, and why.
        split: how the rows were split.
        pronunciations: of the recipe or of the base model.
        phones: alphabet of the pronunciations.
        notes: what the normalisation did to texts.
    """

    train: list[Example]
    dev: list[Example]
    alphabet: Alphabet
    store: FeatureStore
    fingerprint: dict[str, str]
    problems: list[str] = field(default_factory=list)
    split: str = ""
    pronunciations: Pronunciations = field(default_factory=dict)
    phones: Alphabet | None = None
    notes: list[str] = field(default_factory=list)


def prepare(
    recipe: Recipe,
    folder: Path,
    *,
    base: Alphabet | None = None,
    pronunciations: Pronunciations | None = None,
    phones: Alphabet | None = None,
    g2p: G2P | None = None,
    leave_out: Sequence[Path] = (),
    advance: Callable[[int], None] = lambda total: None,
) -> Dataset:
    """Load the data of a recipe, compute its features, and check it.

    Args:
        folder: for the feature store.
        base: alphabet of the base model; its symbols keep their indices, and new ones follow.
        pronunciations: of words, in ``phones``. Rows whose words are all there have phone labels.
        g2p: pronounces the other words of the train rows.
        leave_out: folders within the sources to skip, such as the model's.
        advance: called with the number of rows after each row whose features are ready.

    Raises:
        UserError: there is nothing to train on, or nothing to evaluate on.
    """
    loaded = load_rows(recipe, leave_out=leave_out)
    rows, problems = loaded.rows, loaded.problems
    train_texts = [row.text for row, _ in rows if row.split == "train"]
    if not train_texts:
        raise UserError(_nothing_to_train_on(loaded))
    alphabet = choose_alphabet(recipe, train_texts, base)
    if pronunciations and g2p is not None:
        pronunciations = {**pronunciations, **new_words(train_texts, pronunciations, g2p)}

    config = recipe.spectrogram if recipe.modality == "speech" else recipe.strip
    total = len(rows)
    store = build_store(folder, [row for row, _ in rows], config, advance=lambda: advance(total))
    check = _Checker(recipe, alphabet, store, problems, pronunciations or {}, phones)
    train: list[Example] = []
    dev: list[Example] = []
    for index, (row, source) in enumerate(rows):
        example = check.example(index, row, source)
        if example is not None:
            (dev if row.split == "dev" else train).append(example)
    if not train:
        raise UserError(_nothing_to_train_on(loaded))
    if not dev:
        raise UserError(_nothing_to_evaluate_on(train, problems))
    digests = fingerprints(rows, store.columns)
    if pronunciations:
        digests["pronunciations"] = hashlib.sha256(
            encode_pronunciations(pronunciations)
        ).hexdigest()
    return Dataset(
        train,
        dev,
        alphabet,
        store,
        digests,
        problems,
        loaded.split_reason,
        pronunciations or {},
        phones,
        loaded.notes,
    )


def choose_alphabet(recipe: Recipe, texts: Sequence[str], base: Alphabet | None) -> Alphabet:
    """The recipe's alphabet, or that of the train texts, appended to the base model's."""
    if recipe.alphabet is not None:
        alphabet = Alphabet.from_list(recipe.alphabet)
    else:
        alphabet = Alphabet.of(texts, min_count=recipe.min_count)
    if base is None:
        return alphabet
    return Alphabet.from_list([*base.symbols, *(s for s in alphabet.symbols if s not in base)])


def new_words(texts: Sequence[str], pronunciations: Pronunciations, g2p: G2P) -> Pronunciations:
    """Pronunciations of the words of texts that have none, as far as ``g2p`` finds them."""
    words = sorted({word for text in texts for word in text.split()} - pronunciations.keys())
    spoken = zip(words, g2p.pronounce(words), strict=True)
    return {word: (phones,) for word, phones in spoken if phones}


@dataclass
class _Checker:
    """Turns rows into examples, and notes the problems of those that cannot be used."""

    recipe: Recipe
    alphabet: Alphabet
    store: FeatureStore
    problems: list[str]
    pronunciations: Pronunciations
    phones: Alphabet | None

    def example(self, index: int, row: Row, source: Source) -> Example | None:
        """The example of a row; None if the row cannot be used."""
        labels = self._labels(index, row)
        if labels is None:
            return None
        columns = self.store.columns[index]
        frames, needed = self.recipe.encoder.frames(columns), min_ctc_frames(labels)
        if frames < needed:
            of_dev = row.split == "dev"
            fate = " It stays in dev, where it counts as errors." if of_dev else ""
            self.problems.append(
                f"{_name(row)}: its {len(labels)} symbols need {needed} frames, the media gives "
                f"{frames}.{fate}"
            )
            if not of_dev:
                return None
        return Example(
            index,
            columns,
            labels,
            row.text,
            source.weight,
            source.display_name,
            str(row.media),
            needed,
            row.group,
            self._phone_labels(row.text, frames),
        )

    def _labels(self, index: int, row: Row) -> tuple[int, ...] | None:
        """The labels of a row; None, with a note, if the row cannot be used."""
        if index in self.store.failures:
            self.problems.append(self.store.failures[index])
            return None
        if not row.text:
            self.problems.append(f"{_name(row)}: the text is empty.")
            return None
        unknown = self.alphabet.unknown(row.text)
        if unknown and row.split == "train":
            characters = ", ".join(map(describe, unknown))
            self.problems.append(f"{_name(row)}: characters outside the alphabet: {characters}.")
            return None
        return tuple(self.alphabet.encode(row.text, skip_unknown=True))

    def _phone_labels(self, text: str, frames: int) -> tuple[int, ...]:
        """The labels of a text's pronunciation; empty if it is unknown or needs more frames."""
        if not self.pronunciations or not self.phones:
            return ()
        pronunciation = pronounce(text, self.pronunciations)
        labels = tuple(self.phones.encode(pronunciation)) if pronunciation else ()
        return labels if min_ctc_frames(labels) <= frames else ()


def _name(row: Row) -> str:
    return f"{row.media.name}" + (f" [{row.start:.2f} s]" if row.start else "")


def _nothing_to_evaluate_on(train: Sequence[Example], problems: Sequence[str]) -> str:
    if len(train) == 1:
        return (
            "There is only one row that can be used; it takes one to train on and another to "
            "evaluate on: add data."
        )
    shown = f" {' '.join(problems[:3])}" if problems else ""
    return (
        "There is nothing to evaluate on: no row that can be used is in the dev split; add "
        f"data.{shown}"
    )


def _nothing_to_train_on(loaded: LoadedRows) -> str:
    if loaded.digit_rows and loaded.digit_rows == len(loaded.problems):
        return (
            f"There is nothing to train on: all {loaded.digit_rows} rows that are not held back "
            "for evaluation have digits, "
            "and how those were said is not known; write numbers as the words that are spoken, "
            "as 'twenty five' for '25'."
        )
    return (
        f"There is nothing to train on: no row can be used. {' '.join(loaded.problems[:3])}".strip()
    )
