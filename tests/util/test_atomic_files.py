"""Files are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from recog.util.atomic_files import atomic_file, atomic_path, partial_path, write_text


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    with atomic_file(path) as file:
        file.write(b"content")
        assert not path.exists() and partial_path(path).exists()
    assert path.read_bytes() == b"content"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("writer", [atomic_file, atomic_path])
def test_after_an_error_the_old_file_stands_and_nothing_else(tmp_path: Path, writer) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), writer(path):
        partial_path(path).write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_library_that_wants_a_path_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with atomic_path(path) as part:
        part.write_bytes(b"1")
    assert path.read_bytes() == b"1" and not part.exists()


def test_text_that_is_no_unicode_stands_as_escapes(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "é \udcff")
    assert (tmp_path / "a.txt").read_bytes() == "é \\udcff".encode()
