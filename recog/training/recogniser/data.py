"""From a recipe to examples: rows loaded, split, checked against the features and turned into
labels."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from recog.corpora import importer
from recog.corpora.manifest import load_data
from recog.corpora.rows import Row
from recog.corpora.splits import split_rows
from recog.corpora.validate import needed_frames
from recog.errors import UserError
from recog.lm.g2p import G2P
from recog.text.alphabet import Alphabet, describe
from recog.text.bidi import to_display, to_logical
from recog.text.normalise import Accounted, has_digits
from recog.text.pronunciations import Pronunciations, pronunciations_bytes, say
from recog.training.recogniser.feature_store import FeatureStore, build_store
from recog.training.recogniser.recipe import Recipe, Source, read_recipe


class Piece(NamedTuple):
    """A word in a row of the feature store: its columns, half of the gaps beside it included, and
    its labels."""

    row: int
    first: int
    last: int
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """One utterance or line, ready to train on: ``index`` in the feature store, its size, labels
    and weight.

    ``needed`` is the least number of frames that can carry the labels. ``sounds`` are the labels of
    what is said; none where it is not known. ``pieces`` are those of other rows that it is made of,
    instead of the row ``index``.
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
    sounds: tuple[int, ...] = ()
    pieces: tuple[Piece, ...] = ()


@dataclass
class Dataset:
    """All of a run's data. ``problems`` names every row that was left out, and why; ``notes`` say
    what became of texts; ``pronunciations`` are those of the recipe or of the base model."""

    train: list[Example]
    dev: list[Example]
    alphabet: Alphabet
    store: FeatureStore
    fingerprint: dict[str, str]
    problems: list[str] = field(default_factory=list)
    split: str = ""
    pronunciations: Pronunciations = field(default_factory=dict)
    sounds: Alphabet | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class Loaded:
    """Rows of every source with their split decided, texts normalised and in display order; ``how``
    they were split."""

    rows: list[tuple[Row, Source]] = field(default_factory=list)
    how: str = ""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # on what the normalisation did to texts
    with_digits: int = 0  # rows that are left out for it


def load_rows(recipe: Recipe, *, leave_out: Sequence[Path] = ()) -> Loaded:
    """Load what the recipe's sources hold. Test sets stay out of every training.

    Args:
        leave_out: folders within the sources that are not looked into.
    """
    loaded = Loaded()
    normalise = Accounted(recipe.normalise, recipe.languages)
    for source in recipe.data:
        path = Path(source.path)
        if source.optional and not path.exists():
            loaded.problems.append(f"{path}: is not there, and optional.")
            continue
        rows = (
            list(importer(source.layout, **source.options)(path))
            if source.layout
            else load_data(path, leave_out=leave_out)
        )
        rows = [grouped(row, source.group) for row in rows if row.split != "test"]
        if source.split == "auto":
            result = split_rows(rows, dev_share=recipe.dev_share, seed=recipe.training.seed)
            rows, loaded.how = result.rows, result.reason
        seen: Counter[str] = Counter()
        for row in rows:
            split = row.split or "train" if source.split == "auto" else source.split
            if split == "train" and not spoken_as_written(row.text, recipe):
                loaded.with_digits += 1
                loaded.problems.append(
                    f"{row.media.name}: has digits, and the rule 'spoken' cannot say how they were read."
                )
                continue
            lost = normalise.lost_of(row.text) if split == "train" else []
            if lost:
                loaded.problems.append(
                    f"{row.media.name}: the rule '{recipe.normalise}' has no spelling for {' '.join(sorted(set(lost)))}."
                )
                continue
            text = normalise(row.text)
            if recipe.modality == "handwriting":
                text = to_display(text)
            seen[text] += 1
            if split == "train" and source.max_repeats and seen[text] > source.max_repeats:
                continue
            loaded.rows.append(
                (Row(row.media, text, row.start, row.end, row.line, row.group, split), source)
            )
    loaded.notes = normalise.notes("texts of dev")
    return loaded


def grouped(row: Row, pattern: str) -> Row:
    """The row, with a group by the name of its media where it has none and there is a pattern that
    the name begins with."""
    found = re.match(pattern, row.media.stem) if pattern and row.group is None else None
    if found is None:
        return row
    return replace(row, group=found[1] if found.re.groups else found[0])


def spelled(words: Sequence[str], g2p: G2P) -> dict[str, str]:
    """How words are said by their spelling, those that cannot be left out."""
    return {word: said for word, said in zip(words, g2p.pronounce(words), strict=True) if said}


def spoken_as_written(text: str, recipe: Recipe) -> bool:
    """Whether the normalised text is what was said: 'in 1905' loses its number, and the clip would
    teach a gap."""
    return recipe.normalise != "spoken" or not has_digits(text)


def fingerprints(rows: Sequence[tuple[Row, Source]], columns: Sequence[int]) -> dict[str, str]:
    """SHA-256 for each source over everything about its rows that training depends on, except where
    the files lie.

    Args:
        columns: width of each row's features; 0 for those that could not be read.
    """
    digests: dict[str, hashlib._Hash] = {}
    for (row, source), width in zip(rows, columns, strict=True):
        digest = digests.setdefault(source.called, hashlib.sha256())
        where = f"{row.start}\0{row.end}\0{row.split}\0{row.line}\0{width}"
        digest.update(f"{row.media.name}\0{row.text}\0{where}\n".encode())
    return {name: digest.hexdigest() for name, digest in digests.items()}


def prepare(
    recipe: Recipe,
    folder: Path,
    *,
    base: Alphabet | None = None,
    pronunciations: Pronunciations | None = None,
    sounds: Alphabet | None = None,
    g2p: G2P | None = None,
    leave_out: Sequence[Path] = (),
    advance: Callable[[int], None] = lambda total: None,
) -> Dataset:
    """Load, check and featurise the data of ``recipe``; the feature cache goes to ``folder``.

    Args:
        base: alphabet of a model to train on from; its symbols keep their places, new ones follow.
        pronunciations: of words, in ``sounds``; rows of which every word is there teach those too.
        g2p: what says the words of the train rows that are not there.
        leave_out: folders within the sources that are not looked into, such as the one that the
            model goes to.
        advance: called with the number of rows after each row whose features are ready.

    Raises:
        UserError: nothing to train on, or nothing to evaluate on.
    """
    loaded = load_rows(recipe, leave_out=leave_out)
    rows, problems = loaded.rows, loaded.problems
    if not any(row.split == "train" for row, _ in rows):
        raise UserError(_nothing_to_train_on(loaded))
    if recipe.alphabet is not None:
        alphabet = Alphabet.from_list(recipe.alphabet)
    else:
        alphabet = Alphabet.of(
            (row.text for row, _ in rows if row.split == "train"), min_count=recipe.min_count
        )
    if base is not None:
        alphabet = Alphabet.from_list(
            [*base.symbols, *(s for s in alphabet.symbols if s not in base)]
        )

    if pronunciations and g2p is not None:
        new = {
            word for row, _ in rows if row.split == "train" for word in row.text.split()
        } - pronunciations.keys()
        pronunciations = {
            **pronunciations,
            **{word: (said,) for word, said in spelled(sorted(new), g2p).items()},
        }

    config = recipe.spectrogram if recipe.modality == "speech" else recipe.strip
    total = len(rows)
    store = build_store(folder, [row for row, _ in rows], config, advance=lambda: advance(total))

    train: list[Example] = []
    dev: list[Example] = []
    for i, (row, source) in enumerate(rows):
        where = f"{row.media.name}" + (f" [{row.start:.2f} s]" if row.start else "")
        if i in store.failures:
            problems.append(store.failures[i])
            continue
        if not row.text:
            problems.append(f"{where}: the text is empty.")
            continue
        unknown = alphabet.unknown(row.text)
        if unknown and row.split == "train":
            problems.append(
                f"{where}: characters outside the alphabet: {', '.join(map(describe, unknown))}."
            )
            continue
        labels = tuple(alphabet.encode(row.text, skip_unknown=True))
        frames = recipe.encoder.frames(store.columns[i])
        needed = needed_frames(labels)
        if frames < needed:
            kept = "" if row.split == "train" else " It stays in dev, where it counts as errors."
            problems.append(
                f"{where}: its {len(labels)} symbols need {needed} frames, the media gives {frames}.{kept}"
            )
            if row.split == "train":
                continue
        said = say(row.text, pronunciations) if pronunciations and sounds else None
        heard = tuple(sounds.encode(said)) if said and sounds else ()
        if needed_frames(heard) > frames:
            heard = ()
        example = Example(
            i,
            store.columns[i],
            labels,
            row.text,
            source.weight,
            source.called,
            str(row.media),
            needed,
            row.group,
            heard,
        )
        (dev if row.split == "dev" else train).append(example)
    if not train:
        raise UserError(_nothing_to_train_on(loaded))
    if not dev:
        raise UserError(_nothing_to_evaluate_on(train, problems))
    found = fingerprints(rows, store.columns)
    if pronunciations:
        found["pronunciations"] = hashlib.sha256(pronunciations_bytes(pronunciations)).hexdigest()
    return Dataset(
        train,
        dev,
        alphabet,
        store,
        found,
        problems,
        loaded.how,
        pronunciations or {},
        sounds,
        loaded.notes,
    )


def _nothing_to_evaluate_on(train: Sequence[Example], problems: Sequence[str]) -> str:
    if len(train) == 1:
        return "There is only one row that can be used; it takes one to train on and another to evaluate on: add data."
    shown = f" {' '.join(problems[:3])}" if problems else ""
    return f"There is nothing to evaluate on: no row that can be used is in the dev split; add data.{shown}"


def _nothing_to_train_on(loaded: Loaded) -> str:
    if loaded.with_digits and loaded.with_digits == len(loaded.problems):
        return (
            f"There is nothing to train on: all {loaded.with_digits} rows that are not held back for evaluation have digits, "
            "and how those were said is not known; write numbers as the words that are spoken, as 'twenty five' for '25'."
        )
    return (
        f"There is nothing to train on: no row can be used. {' '.join(loaded.problems[:3])}".strip()
    )


def dev_rows(data: Path) -> list[Row]:
    """The rows to tune on: of a manifest or a folder those of dev and of no split, of a recipe its
    dev rows.

    Raises:
        UserError: there are none, or the data cannot be read.
    """
    if data.suffix.lower() in (".yaml", ".yml"):
        recipe = read_recipe(data)
        rows = [row for row, _ in load_rows(recipe).rows if row.split == "dev"]
        if recipe.modality == "handwriting":  # they come as the network reads them
            rows = [replace(row, text=to_logical(row.text)) for row in rows]
    else:
        rows = [row for row in load_data(data) if row.split in (None, "dev")]
    if not rows:
        raise UserError(f"{data} has no rows of dev; mark some, or give data without splits.")
    return rows
