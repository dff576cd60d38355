"""Splits: whole groups, whole files, shares, stability."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog.corpora.rows import Row
from recog.corpora.splits import split_rows
from recog.errors import UserError


def _rows(sizes: dict[str | None, int]) -> list[Row]:
    return [
        Row(Path(f"{group}/{i}.wav"), "x", group=group)
        for group, n in sizes.items()
        for i in range(n)
    ]


def _groups(rows: list[Row], split: str) -> set[str | None]:
    return {row.group for row in rows if row.split == split}


@given(
    st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 30), min_size=2, max_size=12),
    st.integers(0, 5),
)
def test_groups_are_never_divided(sizes: dict[str | None, int], seed: int) -> None:
    split = split_rows(_rows(sizes), seed=seed)
    assert split.by == "group"
    train, dev = _groups(split.rows, "train"), _groups(split.rows, "dev")
    assert train and dev and not train & dev
    assert train | dev == set(sizes)


def test_share_of_many_groups_is_near() -> None:
    sizes: dict[str | None, int] = {f"s{i}": 5 + i % 17 for i in range(100)}
    split = split_rows(_rows(sizes), dev_share=0.2)
    share = sum(row.split == "dev" for row in split.rows) / len(split.rows)
    assert share == pytest.approx(0.2, abs=0.01)
    assert "groups are dev" in split.reason and "20 %" in split.reason


def test_a_small_group_is_preferred_to_half_the_data() -> None:
    split = split_rows(_rows({"big": 1000, "small": 10}))
    assert _groups(split.rows, "dev") == {"small"}


def test_order_of_rows_changes_nothing_and_the_seed_does() -> None:
    rows = _rows({f"s{i}": 10 for i in range(30)})
    shuffled = rows.copy()
    random.Random(1).shuffle(shuffled)
    first, again = split_rows(rows), split_rows(shuffled)
    assert set(first.rows) == set(again.rows)
    assert [row.media for row in again.rows] == [row.media for row in shuffled]
    assert _groups(first.rows, "dev") != _groups(split_rows(rows, seed=1).rows, "dev")


@pytest.mark.parametrize("group", [None, "a"])
def test_a_corpus_splits_alike_wherever_it_lies(group: str | None) -> None:
    def dev(root: str) -> set[int]:
        rows = [Row(Path(root, f"d{i % 3}", f"{i}.wav"), "x", group=group) for i in range(50)]
        return {i for i, row in enumerate(split_rows(rows).rows) if row.split == "dev"}

    assert dev("/data/one") == dev("/home/x/other/../two") == dev("here")


def test_pages_stay_whole_without_groups() -> None:
    rows = [
        Row(Path(f"p{page}.png"), str(line), group="one hand")
        for page in range(10)
        for line in range(7)
    ]
    split = split_rows(rows)
    assert split.by == "file"
    assert len({row.media for row in split.rows if row.split == "dev"}) == 1
    assert sum(row.split == "dev" for row in split.rows) == 7


def test_single_rows_last() -> None:
    split = split_rows(_rows({None: 50}))
    assert split.by == "row"
    assert sum(row.split == "dev" for row in split.rows) == 5
    assert "may have the speakers or hands of train" in split.reason


def test_stretches_of_one_recording_split_by_row() -> None:
    rows = [Row(Path("a.wav"), "same", start=float(i), end=i + 1.0) for i in range(20)]
    split = split_rows(rows)
    assert split.by == "row"
    assert sum(row.split == "dev" for row in split.rows) == 2


def test_given_splits_stay() -> None:
    rows = [
        replace(row, split=s)
        for row, s in zip(_rows({"a": 2, "b": 2}), ["train", "dev", "test", "dev"], strict=True)
    ]
    assert split_rows(rows).rows == rows
    assert split_rows(rows).by == "given"


def test_rows_beside_a_given_dev_are_for_training_and_groups_follow() -> None:
    rows = _rows({"a": 2, "b": 2})
    rows[0] = replace(rows[0], split="dev")
    assert [row.split for row in split_rows(rows).rows] == ["dev", "dev", "train", "train"]


def test_test_rows_do_not_pull_their_speakers() -> None:
    rows = _rows({f"s{i}": 10 for i in range(5)})
    rows = [replace(row, split="test") if row.media.stem == "0" else row for row in rows]
    split = split_rows(rows)
    assert sum(row.split == "test" for row in split.rows) == 5
    assert len(_groups(split.rows, "dev")) == 1


def test_edges() -> None:
    assert split_rows([]).rows == []
    assert [row.split for row in split_rows(_rows({"a": 1})).rows] == ["train"]
    assert {row.split for row in split_rows(_rows({"a": 3, "b": 3}), dev_share=0).rows} == {"train"}
    with pytest.raises(UserError, match="share"):
        split_rows([], dev_share=1.0)


def test_groups_of_the_test_set_are_named() -> None:
    rows = [
        Row(Path(f"{g}{k}.wav"), "x", group=g, split="test" if g == "a" and k < 3 else None)
        for g in "abcd"
        for k in range(6)
    ]
    split = split_rows(rows, dev_share=0.3)
    assert "of the groups in train and dev, 1 in test too" in split.reason
    assert (
        "in test too"
        not in split_rows([row for row in rows if row.group != "a"], dev_share=0.3).reason
    )
