"""Match references and hypotheses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from recog.errors import UserError
from recog.evaluation.counts import Pair
from recog.evaluation.inputs.sources import (
    HYPOTHESIS_SUFFIXES,
    REFERENCE_SUFFIXES,
    Entry,
    Source,
    as_trn,
    lines_text,
    looks_like_trn,
    read_source,
)
from recog.util.display import printable
from recog.util.folders import nfc

_MAX_NAMED = 3  # ids that a warning spells out

# Ids are compared as they are, then without the suffix of a file name, then also without folders,
# because `wav/a.wav` of a manifest is the text of `a.txt` in a folder. Ids are compared in NFC. A
# key is used only where all ids of a side stay distinct under it.
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")
_ID_KEYS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", nfc),
    ("", str),
    ("path without suffix", lambda identity: _SUFFIX.sub("", nfc(identity))),
    (
        "file name without suffix",
        lambda identity: _SUFFIX.sub("", nfc(identity).rpartition("/")[2]),
    ),
)


def read_pairs(
    reference: Path, hypothesis: Path, *, leave_out: Sequence[Path] = ()
) -> tuple[list[Pair], list[str]]:
    """Read and match references and hypotheses.

    Each input may be a text file, a trn file, JSONL (``id`` or ``media``, ``text``, ``group``), a
    folder, or a single transcript in any format that recog writes. Text files are matched line by
    line. Folders are matched by relative path without suffix; see
    :mod:`recog.evaluation.inputs.sources`. A single transcript matches another, or a ``.txt``.
    Inputs with ids match each other in any combination. A ctm of several recordings has ids.
    :mod:`recog.evaluation.alternates` handles alternates and optional words of trn and ctm files.

    A folder may lie within the other. Its texts then belong to its side only.

    Args:
        reference: file or folder of the true texts.
        hypothesis: file or folder of the recognised texts.
        leave_out: folders within these to skip.

    Returns:
        The pairs, in the order of the references, and warnings about texts without a match.

    Raises:
        UserError: an input cannot be read, the inputs do not fit together, or there is no
            reference.
    """
    references = read_source(
        reference, suffixes=REFERENCE_SUFFIXES, leave_out=[hypothesis, *leave_out]
    )
    hypotheses = read_source(
        hypothesis, suffixes=HYPOTHESIS_SUFFIXES, leave_out=[reference, *leave_out]
    )
    references, hypotheses = _same_kind(references, hypotheses)
    if not references.entries:
        raise UserError(f"{reference} holds no text to compare with; give references.")
    if references.kind == "keyed":
        return match(references.entries, hypotheses)
    if len(references.entries) != len(hypotheses.entries):
        raise UserError(
            f"{reference} has {len(references.entries)} lines and {hypothesis} has "
            f"{len(hypotheses.entries)}; "
            "give as many in both, or a format with ids."
        )
    both = zip(references.entries, hypotheses.entries, strict=True)
    return [_pair(one, other) for one, other in both], []


def read_hypotheses(references: Sequence[Pair], hypothesis: Path) -> tuple[list[Pair], list[str]]:
    """Match references with the hypotheses of another file or folder that has ids.

    The hypotheses may be the output of another system, for example.
    """
    source = read_source(hypothesis, suffixes=HYPOTHESIS_SUFFIXES)
    if looks_like_trn(source):
        source = as_trn(source.path, lines_text(source))
    if source.kind != "keyed":
        raise UserError(f"{hypothesis} has no ids; give a folder, JSONL or trn.")
    entries = [
        Entry(pair.id, pair.reference, pair.group, has_markup=pair.reference_has_markup)
        for pair in references
    ]
    return match(entries, source)


def _pair(reference: Entry, hypothesis: Entry) -> Pair:
    return Pair(
        reference.id,
        reference.text or "",
        hypothesis.text,
        reference.group,
        hypothesis.words,
        reference_has_markup=reference.has_markup,
        hypothesis_has_markup=hypothesis.has_markup,
    )


def match(references: Sequence[Entry], hypotheses: Source) -> tuple[list[Pair], list[str]]:
    """Match references and hypotheses by id.

    Returns:
        The pairs, and warnings about missing and superfluous hypotheses. A missing hypothesis is
        None.

    Raises:
        UserError: a reference has no text, or no id is in both.
    """
    empty = next((entry.id for entry in references if entry.text is None), None)
    if empty is not None:
        raise UserError(
            f"The reference '{printable(empty)}' has no text; give it one, or an empty string."
        )
    way, key = _id_key(
        [entry.id for entry in references],
        [entry.id for entry in hypotheses.entries],
        hypotheses.path,
    )
    found = {key(entry.id): entry for entry in hypotheses.entries}
    pairs = []
    for entry in references:
        pairs.append(_pair(entry, found.get(key(entry.id), Entry(entry.id, None))))
    warnings = [f"References and hypotheses are matched by the {way}."] if way else []
    missing = [pair.id for pair in pairs if pair.hypothesis is None]
    if missing:
        warnings.append(
            f"No hypothesis for {len(missing)} of the references, counted as deleted: "
            f"{_first_ids(missing)}."
        )
    known = {key(entry.id) for entry in references}
    extra = [entry.id for entry in hypotheses.entries if key(entry.id) not in known]
    if extra:
        warnings.append(
            f"No reference for {len(extra)} of the hypotheses, not counted: {_first_ids(extra)}."
        )
    return pairs, warnings


def _same_kind(references: Source, hypotheses: Source) -> tuple[Source, Source]:
    """Convert references and hypotheses to the same kind of source where that is possible.

    Both are read as trn if each looks like trn or has ids. A text file next to a document counts as
    a single text. An input with a single id next to a document counts as a document.
    """
    both = (references, hypotheses)
    trn_like = [looks_like_trn(source) for source in both]
    if all(like or source.kind == "keyed" for like, source in zip(trn_like, both, strict=True)):
        references, hypotheses = (
            as_trn(source.path, lines_text(source)) if like else source
            for like, source in zip(trn_like, both, strict=True)
        )
    both = (references, hypotheses)
    if {source.kind for source in both} == {"keyed", "document"} and all(
        len(source.entries) == 1 for source in both
    ):
        references, hypotheses = (
            Source(source.path, "document", source.entries) for source in both
        )
    if {references.kind, hypotheses.kind} == {"lines", "document"}:
        references, hypotheses = (
            Source(source.path, "document", (Entry(source.path.stem, lines_text(source)),))
            for source in (references, hypotheses)
        )
    if references.kind != hypotheses.kind:
        kinds = {
            "lines": "lines without ids",
            "keyed": "texts with ids",
            "document": "a single transcript",
        }
        raise UserError(
            f"{references.path} holds {kinds[references.kind]} and {hypotheses.path} "
            f"{kinds[hypotheses.kind]}; "
            "give two of a kind."
        )
    return references, hypotheses


def _id_key(
    references: list[str], hypotheses: list[str], path: Path
) -> tuple[str, Callable[[str], str]]:
    """Choose the first key under which some ids match and all of a side stay distinct."""
    for name, key in _ID_KEYS:
        one, other = Counter(map(key, references)), Counter(map(key, hypotheses))
        if (
            max(one.values(), default=0) <= 1
            and max(other.values(), default=0) <= 1
            and one.keys() & other.keys()
        ):
            return name, key
    raise UserError(
        f"No id of {path} is among those of the references, as '{printable(references[0])}'; give "
        "the same data."
    )


def _first_ids(ids: list[str]) -> str:
    return ", ".join(map(printable, ids[:_MAX_NAMED])) + (", ..." if len(ids) > _MAX_NAMED else "")
