"""Importers on real corpora, where they are: set RECOG_CORPORA to their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recog.corpora import importer
from recog.corpora.data import load_data
from recog.corpora.validate import check_rows

ROOT = Path(os.environ.get("RECOG_CORPORA") or Path(__file__).parents[3] / "shared" / "corpora")

# layout, folder, options, rows, groups, a text
CASES = [
    ("librispeech", "speech/librispeech/dev", {}, 236, 2, "WE WERE FACE TO FACE WITH THE QUESTION"),
    ("kaldi", "speech/speechocean762/train", {}, 2500, 125, "WE CALL IT BEAR"),
    ("sphinx", "speech/an4", {}, 948, 74, "YES"),
    ("folder", "speech/kathleen", {}, 1620, 0, "Author of the danger trail, Philip Steels, etc."),
    ("ljspeech", "speech/ljspeech", {}, 385, 0, "in being comparatively modern."),
    ("vctk", "speech/vctk", {}, 503, 1, "Please call Stella."),
    ("fsdd", "speech/fsdd", {}, 3000, 6, "seven"),
    (
        "tsv",
        "speech/kokoro",
        {"columns": "path,group,text"},
        1747,
        938,
        "Ford, and we do not think",
    ),
    ("alto", "handwriting/pages", {}, 1407, 6, "Golden Gate Kindergarten Association"),
]


@pytest.mark.parametrize(
    ("layout", "folder", "options", "count", "groups", "text"), CASES, ids=[c[1] for c in CASES]
)
def test_layout(
    layout: str, folder: str, options: dict[str, str], count: int, groups: int, text: str
) -> None:
    src = ROOT / folder
    if not src.is_dir():
        pytest.skip(
            f"the corpus {folder} is not in {ROOT}; set RECOG_CORPORA to the folder of the corpora"
        )
    rows = list(importer(layout, **options)(src))
    assert len(rows) == count
    assert len({row.group for row in rows} - {None}) == groups
    assert any(row.text.startswith(text) for row in rows)
    reasons = [p.reason for p in check_rows(rows) if "no text" not in p.reason]
    assert reasons == []


def test_folder_of_lines() -> None:
    src = ROOT / "handwriting" / "lathrop"
    if not src.is_dir():
        pytest.skip(
            f"the corpus handwriting/lathrop is not in {ROOT}; set RECOG_CORPORA to the folder of the corpora"
        )
    rows = load_data(src)
    assert {split: sum(row.split == split for row in rows) for split in ("train", "dev")} == {
        "train": 210,
        "dev": 83,
    }
    assert check_rows(rows) == []
