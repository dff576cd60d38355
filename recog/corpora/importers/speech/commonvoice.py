"""Import Mozilla Common Voice (Ardila et al. 2020).

The files are ``train.tsv``, ``dev.tsv``, ``test.tsv`` and ``clips/``. Group: ``client_id``. Split:
by the names of the tables; none where there is only ``validated.tsv``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.files import SOUND_SUFFIXES, find_media
from recog.corpora.importers.tsv import records
from recog.corpora.rows import Row, usable_splits
from recog.errors import UserError


def rows(src: Path) -> Iterator[Row]:
    """Import the clips of the three tables, or of ``validated.tsv``.

    Raises:
        UserError: there is no table, or a table lacks the columns ``path`` and ``sentence``.
    """
    tables: dict[str | None, Path] = {
        split: src / f"{split}.tsv"
        for split in ("train", "dev", "test")
        if (src / f"{split}.tsv").exists()
    }
    if not tables and (src / "validated.tsv").exists():
        tables = {None: src / "validated.tsv"}
    if not tables:
        raise UserError(
            f"{src} does not look like Common Voice: there is no train.tsv, dev.tsv, test.tsv or "
            "validated.tsv."
        )
    return iter(
        usable_splits([row for split, table in tables.items() for row in _table(table, split)])
    )


def _table(table: Path, split: str | None) -> Iterator[Row]:
    clips = table.parent / "clips" if (table.parent / "clips").is_dir() else table.parent
    for _, record in records(table, required=("path", "sentence")):
        media = find_media(clips / record["path"], SOUND_SUFFIXES)
        yield Row(
            media, record["sentence"].strip(), group=record.get("client_id") or None, split=split
        )
