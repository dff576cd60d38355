"""The map of CONTRIBUTING.md names the folders of recog/, in the order of the stations."""

import re
from pathlib import Path

from test_imports import STATIONS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMES = re.findall(r"^\| `([\w/-]+)` \|", TEXT, re.MULTILINE)


def folders() -> set[str]:
    """The folders below recog/ that hold files of the package."""
    root = ROOT / "recog"
    below = (path for path in root.rglob("*") if path.is_dir() and "__pycache__" not in path.parts)
    return {
        path.relative_to(root).as_posix()
        for path in below
        if any(file.is_file() and file.suffix != ".pyc" for file in path.iterdir())
    }


def test_the_map_names_the_folders_that_exist() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert set(NAMES) == folders()


def test_the_map_is_in_the_order_of_the_stations() -> None:
    order = [name.removeprefix("recog.") for station in STATIONS for name in station]
    stations = [name for name in NAMES if "/" not in name and name in order]
    assert stations == [name for name in order if name in stations]
    assert {name.split("/")[0] for name in NAMES} == {*stations, "pretrained"}


def test_files_that_are_named_exist() -> None:
    for name in re.findall(r"`([\w/.]+\.(?:py|md))`", TEXT):
        assert any((ROOT / folder / name).is_file() for folder in ("", "recog")), name
