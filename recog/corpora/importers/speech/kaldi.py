"""Import Kaldi data folders: ``text``, ``wav.scp``, optional ``segments`` and ``utt2spk``.

``wav.scp`` must hold plain paths, relative to the data folder or to a parent of it. A command
(``sph2pipe ... |``) is refused, because recog executes nothing. Group: the speaker. Split: by the
names of data folders (train, dev, test).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.files import SOUND_SUFFIXES, find_media, read_lines, split_from_folder, walk
from recog.corpora.rows import Row, usable_splits
from recog.errors import UserError
from recog.util.folders import nfc


def rows(src: Path) -> Iterator[Row]:
    """Import the utterances of ``src``, or of all data folders below it, ordered as in ``text``.

    Raises:
        UserError: there is no data folder, a table is damaged, or ``wav.scp`` holds a command.
    """
    tables = [
        file for file in walk(src) if file.name == "text" and (file.parent / "wav.scp").exists()
    ]
    if not tables:
        raise UserError(
            f"{src} does not look like a Kaldi data folder: there is no 'text' beside a 'wav.scp'."
        )
    return iter(
        usable_splits(
            [
                row
                for table in tables
                for row in _data_folder(table.parent, split_from_folder(table, src))
            ]
        )
    )


def _data_folder(folder: Path, split: str | None) -> Iterator[Row]:
    sounds = {
        name: _sound(folder, name, value) for name, value in _table(folder / "wav.scp").items()
    }
    speakers = _table(folder / "utt2spk") if (folder / "utt2spk").exists() else {}
    segments = _segments(folder / "segments") if (folder / "segments").exists() else {}
    for name, text in _table(folder / "text").items():
        recording, start, end = segments.get(name, (name, None, None))
        # no entry: the validator reports it as missing
        media = sounds.get(recording, folder / recording)
        yield Row(media, text, start, end, group=speakers.get(name), split=split)


def _table(path: Path) -> dict[str, str]:
    table: dict[str, str] = {}
    for number, line in read_lines(path):
        name, value = [*line.split(maxsplit=1), ""][:2]
        name = nfc(name)
        if name in table:
            raise UserError(f"{path} has '{name}' twice (line {number}); each may stand once.")
        table[name] = value.strip()
    return table


def _sound(folder: Path, name: str, value: str) -> Path:
    if value.startswith("|") or value.endswith("|"):
        raise UserError(
            f"{folder / 'wav.scp'} makes '{name}' with a command, and recog executes none; "
            "convert the sound and give plain paths."
        )
    path = Path(value)
    if not value or path.is_absolute():
        return find_media(path, SOUND_SUFFIXES) if value else folder / name
    for parent in (folder, *folder.absolute().parents):
        found = find_media(parent / path, SOUND_SUFFIXES)
        if found.exists():
            return found
    return folder / path


def _segments(path: Path) -> dict[str, tuple[str, float | None, float | None]]:
    segments: dict[str, tuple[str, float | None, float | None]] = {}
    for number, line in read_lines(path):
        try:
            name, recording, start, end = line.split()[:4]
            # an end of -1 is the end of the recording
            segments[nfc(name)] = (
                nfc(recording),
                _seconds(start),
                None if end.startswith("-") else _seconds(end),
            )
        except ValueError:
            raise UserError(
                f"{path}, line {number}, is not 'utterance recording start end'."
            ) from None
    return segments


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0.0 <= seconds < 1e9:
        raise ValueError
    return seconds
