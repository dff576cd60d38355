"""Bare folders, with a text or XML file beside each sound or image."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from recog.corpora.files import (
    IMAGE_SUFFIXES,
    SOUND_SUFFIXES,
    UnreadableTextError,
    clear_cache,
    find_media,
    is_image,
    is_sound,
    read_text,
    walk,
)
from recog.corpora.importers.pages.page_files import page_rows
from recog.corpora.rows import Row, group_by_folder, usable_splits
from recog.errors import UserError
from recog.util.folders import nfc

MAX_REPORTED = 10
MAX_NAMED = 5
logger = logging.getLogger(__name__)


def rows(src: Path) -> Iterator[Row]:
    """Import a bare folder; see :func:`read_folder`."""
    return iter(read_folder(src))


def read_folder(path: Path, *, quiet: bool = False, leave_out: Iterable[Path] = ()) -> list[Row]:
    """Read the rows of a bare folder and its subfolders.

    Recognised are ``clip.wav`` + ``clip.txt``, ``line.png`` + ``line.gt.txt``, and ``page.jpg`` +
    ``page.xml`` (PAGE or ALTO, a row for each transcribed line of text). Sounds and images may have
    any known suffix.

    The parent folder is the group when there are several. Folders called train, dev and test are
    the splits when train is among them. Names are compared in NFC. Unreadable texts, texts without
    media and media without a text are left out; unless ``quiet``, the log names them. The order is
    that of the names.

    Args:
        path: the folder.
        quiet: whether nothing is logged.
        leave_out: subfolders to skip.

    Raises:
        UserError: an XML file is damaged, or not a single text can be read.
    """
    root = Path(path)
    clear_cache()
    rows: list[Row] = []
    unreadable: list[str] = []
    alone: list[Path] = []  # texts without media
    media: list[Path] = []
    used: set[Path] = set()  # paths of texts and media, without suffixes
    for file in walk(root, leave_out):
        if is_sound(file) or is_image(file):
            media.append(file)
        try:
            found = _rows_of_file(file)
        except UnreadableTextError as error:
            unreadable.append(str(error))
            used.add(_stem(file))
            continue
        if found is None:
            alone.append(file)
        else:
            rows += found
            used.update(_stem(row.media) for row in found)
    if unreadable and not rows:
        raise UserError(unreadable[0])
    if not quiet:
        _log_skipped(unreadable, alone, media, used, root)
    return usable_splits(group_by_folder(rows, root))


def _log_skipped(
    unreadable: list[str], alone: list[Path], media: list[Path], used: set[Path], root: Path
) -> None:
    """Log the files of a folder that are in no row."""
    for sentence in unreadable[:MAX_REPORTED]:
        logger.warning("left out: %s", sentence)
    if len(unreadable) > MAX_REPORTED:
        logger.warning(
            "left out: %d more texts that cannot be read", len(unreadable) - MAX_REPORTED
        )
    stems = {_stem(file) for file in media}
    alone = [file for file in alone if _stem(file) not in used]
    miscalled = [file for file in alone if _stem(file) in stems]
    used = used | {_stem(file) for file in miscalled}
    for what, files in (
        (
            "with the suffix of another kind of media (a sound has NAME.txt, an image NAME.gt.txt)",
            miscalled,
        ),
        (
            "without a sound or image of the same name",
            [file for file in alone if _stem(file) not in used],
        ),
        ("without a text of the same name", [file for file in media if _stem(file) not in used]),
    ):
        if files:
            logger.warning("left out: %s", _summary(what, files, root))


def _summary(what: str, files: list[Path], root: Path) -> str:
    """A phrase with the number of files and the names of the first few."""
    names = [file.relative_to(root).as_posix() for file in files[:MAX_NAMED]]
    more = f" and {len(files) - MAX_NAMED:,} more" if len(files) > MAX_NAMED else ""
    count = f"{len(files):,} files" if len(files) > 1 else "a file"
    return f"{count} {what}: {', '.join(names)}{more}"


def _stem(file: Path) -> Path:
    """The path in NFC without the suffixes by which a text and its media differ."""
    name = file.name.removesuffix(".gt.txt") if file.name.endswith(".gt.txt") else file.stem
    return file.with_name(nfc(name))


def _rows_of_file(file: Path) -> list[Row] | None:
    """The rows of a text or XML file; None where its media file is missing."""
    if file.name.endswith(".gt.txt"):
        media = find_media(file.with_name(file.name.removesuffix(".gt.txt")), IMAGE_SUFFIXES)
        return [Row(media, read_text(file).strip())] if is_image(media) and media.exists() else None
    if file.suffix == ".txt":
        media = find_media(file.with_suffix(""), SOUND_SUFFIXES)
        return [Row(media, read_text(file).strip())] if is_sound(media) and media.exists() else None
    if file.suffix == ".xml":
        media = find_media(file.with_suffix(""), IMAGE_SUFFIXES)
        if is_image(media) and media.exists():
            return [row for row in page_rows(file, media=media, strict=False) if row.text.strip()]
        return None
    return []
