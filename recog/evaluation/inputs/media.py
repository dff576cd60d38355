"""Where the sound or image of a reference is, for a report that shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from recog.corpora.files import IMAGE_SUFFIXES, SOUND_SUFFIXES, find_media
from recog.corpora.manifest import read_manifest
from recog.corpora.rows import Row
from recog.errors import UserError
from recog.evaluation.counts import Pair


def media_finder(reference: Path, pairs: Sequence[Pair]) -> Callable[[str], Row | None]:
    """From a pair's id to its media: of a manifest what it names, of a folder the file beside the
    text.

    Args:
        reference: what :func:`recog.evaluation.inputs.pairs.read_pairs` read.
        pairs: what it gave.
    """
    if reference.is_dir():
        return lambda identity: _beside(reference / identity)
    try:
        rows = read_manifest(reference) if reference.suffix.lower() == ".jsonl" else []
    except UserError:  # JSONL of another kind: texts with ids
        rows = []
    if len(rows) != len(pairs):
        return lambda identity: None
    return dict(zip((pair.id for pair in pairs), rows, strict=True)).get


def _beside(stem: Path) -> Row | None:
    media = find_media(stem, SOUND_SUFFIXES + IMAGE_SUFFIXES)
    known = media.suffix.lower() in SOUND_SUFFIXES + IMAGE_SUFFIXES
    return Row(media, "") if known and media.is_file() else None
