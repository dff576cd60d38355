"""Load a user's data: a manifest or a bare folder, of sound or of images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from recog.corpora.files import IMAGE_SUFFIXES, SOUND_SUFFIXES, is_image, is_sound
from recog.corpora.folder import read_folder
from recog.corpora.manifest import read_manifest
from recog.corpora.rows import Row
from recog.errors import UserError

Modality = Literal["speech", "handwriting"]


def load_data(path: Path, *, quiet: bool = False, leave_out: Iterable[Path] = ()) -> list[Row]:
    """Load the rows of a manifest (``.jsonl``) or a bare folder.

    ``quiet`` and ``leave_out`` are as for :func:`read_folder`.

    Raises:
        UserError: nothing exists at ``path``, or it has no usable data. The message says what was
            looked for.
    """
    path = Path(path)
    if path.is_dir():
        rows = read_folder(path, quiet=quiet, leave_out=leave_out)
        if not rows:
            raise UserError(
                f"{path} has no data: looked in it and the folders beneath for clip.wav with "
                "clip.txt, line.png with "
                "line.gt.txt, and page.jpg with page.xml (PAGE or ALTO)."
            )
        return rows
    if not path.exists():
        raise UserError(f"{path} is not there; give a folder of data or a manifest (.jsonl).")
    if path.suffix.lower() not in (".jsonl", ".json"):
        raise UserError(
            f"{path} is neither a folder nor a manifest (.jsonl); make one with 'recog prepare'."
        )
    rows = read_manifest(path)
    if not rows:
        raise UserError(f"{path} is empty: a manifest has a JSON object on each line.")
    return rows


def modality_of(path: Path) -> Modality:
    """Determine a file's modality by the suffix of its name.

    Raises:
        UserError: the suffix is neither a sound's nor an image's.
    """
    path = Path(path)
    if is_sound(path):
        return "speech"
    if is_image(path):
        return "handwriting"
    raise UserError(
        f"{path} is neither sound nor image by its name; known are "
        f"{' '.join(SOUND_SUFFIXES + IMAGE_SUFFIXES)}."
    )


def modality(rows: Iterable[Row]) -> Modality:
    """Determine the modality that all rows share.

    Raises:
        UserError: there are no rows, or rows of both modalities.
    """
    first: dict[Modality, Path] = {}
    for row in rows:
        first.setdefault(modality_of(row.media), row.media)
    if not first:
        raise UserError("The data has no rows.")
    if len(first) > 1:
        raise UserError(
            f"The data mixes sound ({first['speech']}) and images ({first['handwriting']}); "
            "separate them."
        )
    return next(iter(first))
