"""Walking a folder: what a person keeps there; and names that differ only in their Unicode
composition."""

import os
import unicodedata
from pathlib import Path

import pytest

from recog.errors import UserError
from recog.util.folders import existing_path, is_hidden, match_names, visible_names, walk

NFC = "\u00e9t\u00e9"
NFD = unicodedata.normalize("NFD", NFC)


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def names(folder: Path, **options: object) -> list[str]:
    return [os.path.relpath(name, folder) for name in walk(folder, **options)]  # type: ignore[arg-type]


def test_what_systems_leave_is_no_file_of_the_folder(tmp_path: Path) -> None:
    left = (
        "._b.png",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        ".git/x.png",
        "__MACOSX/b.png",
        "sub/@eaDir/c.png",
    )
    put(tmp_path, "b.png", "sub/c.png", *left)
    assert names(tmp_path) == ["b.png", "sub/c.png"]
    assert list(visible_names(["b.png", *left, "sub/c.png"])) == ["b.png", "sub/c.png"]
    assert names(tmp_path / ".git") == ["x.png"]  # where the walk begins may be hidden
    assert not is_hidden("thumbs.png")


def test_the_order_and_what_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b.png", "a/out/2.png", "c/3.txt")
    assert names(tmp_path) == ["a/1.png", "a/out/2.png", "b.png", "c/3.txt"]
    assert names(tmp_path, files_first=True, suffixes={".png"}) == [
        "b.png",
        "a/1.png",
        "a/out/2.png",
    ]
    (tmp_path / "link").symlink_to(tmp_path / "a" / "out")
    assert names(tmp_path, leave_out=[tmp_path / "link"]) == ["a/1.png", "b.png", "c/3.txt"]
    assert names(tmp_path / "a" / "out", leave_out=[tmp_path / "a" / "out"]) == ["2.png"]
    assert list(visible_names(["a/1.png", "out/2.png", "outer/3.png"], "out")) == [
        "a/1.png",
        "outer/3.png",
    ]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be listed"):
        list(walk(tmp_path / "none"))


def test_a_path_in_another_composition(tmp_path: Path) -> None:
    put(tmp_path, f"{NFD}/{NFD}.png")
    if (tmp_path / NFC).exists():
        pytest.skip("this file system takes both for the same")
    assert existing_path(tmp_path / NFC / f"{NFC}.png") == tmp_path / NFD / f"{NFD}.png"
    assert existing_path(tmp_path / NFC / "none.png") == tmp_path / NFC / "none.png"
    # both: each is itself, and a listing of before is no longer believed
    put(tmp_path, f"{NFD}/{NFC}.png")
    assert existing_path(tmp_path / NFD / f"{NFC}.png") == tmp_path / NFD / f"{NFC}.png"


def test_names_that_are_there_in_another_composition() -> None:
    assert match_names([NFC, "b"], {NFD, "c"}) == {NFC: NFD}
    assert match_names([NFC, NFD], {NFD}) == {NFD: NFD}  # it is one's own, and not the other's too
