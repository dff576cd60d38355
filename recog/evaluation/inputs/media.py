"""Find the sound or image of a reference, for a report that shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from recog.corpora.files import IMAGE_SUFFIXES, SOUND_SUFFIXES, find_media
from recog.corpora.manifest import read_manifest
from recog.corpora.rows import Row
from recog.errors import UserError
from recog.evaluation.counts import Pair


def media_finder(reference: Path, pairs: Sequence[Pair]) -> Callable[[str], Row | None]:
    """Return a function from a pair's id to its media.

    The media of a manifest are the files that it names. The media of a folder are the files next to
    the texts.

    Args:
        reference: the input of :func:`recog.evaluation.inputs.pairs.read_pairs`.
        pairs: its output.
    """
    if reference.is_dir():
        return lambda identity: _beside(reference / identity)
    try:
        rows = read_manifest(reference) if reference.suffix.lower() == ".jsonl" else []
    except UserError:  # JSONL with ids and texts is no manifest
        rows = []
    if len(rows) != len(pairs):
        return lambda identity: None
    return dict(zip((pair.id for pair in pairs), rows, strict=True)).get


def _beside(stem: Path) -> Row | None:
    media = find_media(stem, SOUND_SUFFIXES + IMAGE_SUFFIXES)
    known = media.suffix.lower() in SOUND_SUFFIXES + IMAGE_SUFFIXES
    return Row(media, "") if known and media.is_file() else None
