"""Counts against the plain definition, tokens, and texts of every kind."""

import gzip
import logging
import lzma
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import UserError
from recog.lm.estimation.counts import count_ngrams
from recog.lm.estimation.workspace import Workspace, merge_runs
from recog.lm.text import LONGEST_LINE, read_text, tokens


def table(counts) -> Counter:
    """Every n-gram, spelled, with its count."""
    rows, size, found = [()], len(counts.words), Counter()
    for level in counts.levels:
        contexts, words = np.divmod(level.keys, size)
        assert (np.diff(level.keys) > 0).all()
        rows = [(*rows[c], counts.words[w]) for c, w in zip(contexts, words, strict=True)]
        found.update({row: int(count) for row, count in zip(rows, level.counts, strict=True)})
    return found


def expected(sentences, order) -> Counter:
    found = Counter()
    for sentence in sentences:
        padded = ["<s>", *sentence, "</s>"]
        for n in range(1, order + 1):
            found.update(tuple(padded[i : i + n]) for i in range(len(padded) - n + 1))
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), min_size=1, max_size=12),
    st.integers(1, 5),
)
def test_counts_are_those_of_the_definition(sentences, order):
    counts = count_ngrams(map(" ".join, sentences), Workspace(1 << 20), order=order)
    assert +table(counts) == expected(sentences, order)
    assert counts.words == (
        "<unk>",
        "<s>",
        "</s>",
        *sorted({word for sentence in sentences for word in sentence}),
    )


def test_out_of_core_counts_what_memory_counts(tmp_path):
    random = np.random.default_rng(3)
    lines = [" ".join(f"w{i}" for i in random.zipf(1.5, 9).clip(0, 400)) for _ in range(1500)]
    small = Workspace(1 << 14, tmp_path)
    assert isinstance(small.empty(5000, np.int64), np.memmap)
    assert table(count_ngrams(lines, small, order=4)) == table(
        count_ngrams(lines, Workspace(1 << 28), order=4)
    )
    assert list(tmp_path.iterdir()) == []


def test_memory_given_back_is_used_again():
    workspace = Workspace(8000)
    first = workspace.empty(1000, np.int64)
    assert isinstance(workspace.empty(1, np.int64), np.memmap)
    del first
    assert not isinstance(workspace.empty(1000, np.int64), np.memmap)


def test_no_room_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="cannot be written there"):
        Workspace(0, tmp_path / "absent").empty(10, np.int64)


@given(st.lists(st.sets(st.integers(0, 60)).map(sorted), max_size=6))
def test_runs_merge(runs):
    workspace = Workspace(0)
    workspace.block = 8  # several rounds
    workspace.empty = np.empty
    keys = np.array([key for run in runs for key in run], np.int64)
    merged, sums = merge_runs(
        keys, keys % 7 + 1, np.cumsum([len(run) for run in runs]).tolist(), workspace
    )
    wanted = Counter()
    for key in keys.tolist():
        wanted[key] += key % 7 + 1
    assert dict(zip(merged.tolist(), sums.tolist(), strict=True)) == wanted
    assert merged.tolist() == sorted(wanted)


def test_the_most_frequent_words_and_the_rest_unknown():
    counts = count_ngrams(["a b a c", "b d a"], Workspace(1 << 20), order=2, vocabulary=2)
    assert counts.words == ("<unk>", "<s>", "</s>", "a", "b")
    found = table(counts)
    assert found[("<unk>",)] == 2 and found[("a", "<unk>")] == 1 and found[("<unk>", "a")] == 1


def test_a_given_vocabulary_has_words_that_do_not_occur():
    counts = count_ngrams(["a b"], Workspace(1 << 20), order=2, vocabulary=["b", "zebra", "<s>"])
    assert counts.words == ("<unk>", "<s>", "</s>", "b", "zebra")
    assert counts.levels[0].counts.tolist() == [1, 1, 1, 1, 0]
    characters = count_ngrams(
        ["a b"], Workspace(1 << 20), unit="character", order=1, vocabulary=["b", " "]
    )
    assert characters.words[3:] == ("b", "|")
    with pytest.raises(UserError, match="'a b' is not one word"):
        count_ngrams(["a"], Workspace(1 << 20), vocabulary=["a b"])


@pytest.mark.parametrize(
    "lines, options, message",
    [
        (["", "  "], {}, "no word in this text"),
        (["a"], {"order": 0}, "1 to 16"),
        (["a"], {"order": 17}, "1 to 16"),
        (["a"], {"vocabulary": 0}, "at least one word"),
        (["a"], {"vocabulary": set()}, "no word in the vocabulary"),
    ],
)
def test_what_cannot_be_counted(lines, options, message):
    with pytest.raises(UserError, match=message):
        count_ngrams(lines, Workspace(1 << 20), **options)


def test_tokens():
    assert tokens(" The\tcafe\u0301 \u00a0 <s>, <s>\r\n", "word") == [
        "The",
        "caf\u00e9",
        "<s>,",
        "<unk>",
    ]
    assert tokens(" ab  c|\n", "character") == ["a", "b", "|", "c", "<unk>"]
    assert tokens("ab c", "character") == ["a", "b", "|", "c"]
    assert tokens(" \n", "character") == tokens("", "word") == []


def test_reserved_words_are_unknown_with_one_notice(caplog):
    with caplog.at_level(logging.WARNING, "recog"):
        counts = count_ngrams(["a <s> b", "</s> <unk> a"], Workspace(1 << 20), order=1)
    assert counts.levels[0].counts.tolist() == [3, 2, 2, 2, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "The text contains <unk>, <s> or </s>; 3 tokens count as unknown."
    ]


def test_texts_are_read_line_by_line(tmp_path):
    plain, packed, other = tmp_path / "a.txt", tmp_path / "b.txt.gz", tmp_path / "c.xz"
    plain.write_bytes("\ufeffone\r\n\u2028two\x85x\nthree".encode())
    packed.write_bytes(gzip.compress(b"four\n\n"))
    other.write_bytes(lzma.compress("f\u00fcnf\n".encode()))
    assert list(read_text([plain, str(packed), other])) == [
        "one",
        "\u2028two\x85x",
        "three",
        "four",
        "",
        "f\u00fcnf",
    ]


def test_texts_that_cannot_be_read(tmp_path):
    damaged = {
        "latin.txt": "ok\nfünf\n".encode("latin-1"),
        "cut.gz": gzip.compress(bytes(range(97, 122)) * 400)[:-20],
        "cut.xz": lzma.compress(bytes(range(97, 122)) * 400)[:-20],
        "bomb.txt": bytes(LONGEST_LINE + (2 << 20)),
        "bomb.gz": gzip.compress(bytes(LONGEST_LINE + (2 << 20))),
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=name):
            list(read_text([tmp_path / name]))
    with pytest.raises(UserError, match="line 2 is not UTF-8"):
        list(read_text([tmp_path / "latin.txt"]))
    with pytest.raises(UserError, match=r"absent\.txt"):
        list(read_text([tmp_path / "absent.txt"]))
