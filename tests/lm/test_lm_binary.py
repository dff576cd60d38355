"""The binary form: what opens is what was written, small when asked for, and nothing damaged or
hostile gets through."""

import random
import re
import struct
import zlib

import numpy as np
import pytest
from reference_models import check_ngrams, entries, reference, score

from recog.errors import UserError
from recog.lm import binary
from recog.lm.arpa import read_arpa, write_arpa
from recog.lm.binary import HEADER, load_lm, open_binary, read_binary, write_binary
from recog.lm.check import check_trie
from recog.lm.tables import Level, NGrams
from recog.lm.trie import NGramTrie

ARRAYS = ("word", "log_prob", "backoff", "begin", "suffix")


def make_model(order: int = 4, size: int = 12, seed: int = 0) -> NGrams:
    """Random n-grams, some without their suffixes."""
    rng = np.random.default_rng(seed)
    rows = np.arange(size)[:, None]
    levels = []
    for n in range(1, order + 1):
        if n > 1:
            children = [
                (*row, word)
                for row in rows.tolist()
                for word in rng.permutation(size)[: rng.integers(0, 4)]
            ]
            rows = np.array(sorted(children)).reshape(-1, n)
        log_prob = -rng.exponential(2, len(rows)).astype(np.float32)
        backoff = rng.normal(-0.3, 0.3, len(rows)).astype(np.float32) * (
            rng.random(len(rows)) < 0.8
        )
        levels.append(
            Level(rows.astype(np.int32), log_prob, backoff.astype(np.float32) * (n < order))
        )
    levels[0].log_prob[1] = -99
    words = ("<unk>", "<s>", "</s>", *(f"w{i:05}é" for i in range(size - 3)))
    model = NGrams("word", words, tuple(levels))
    check_ngrams(model)
    return model


def equal(left: NGramTrie, right: NGramTrie) -> bool:
    return (left.unit, left.words, left.level_starts) == (
        right.unit,
        right.words,
        right.level_starts,
    ) and all(np.array_equal(getattr(left, name), getattr(right, name)) for name in ARRAYS)


def close(left: NGrams, right: NGrams) -> bool:
    a, b = entries(left), entries(right)
    return a.keys() == b.keys() and np.allclose(list(a.values()), list(b.values()), rtol=1e-6)


def test_trie_lists_children_and_suffixes():
    model = make_model()
    trie = NGramTrie.from_ngrams(model)
    rows = [(), *(tuple(row) for level in model.levels for row in level.ids.tolist())]
    assert trie.nodes == len(rows) and trie.inner == len(rows) - len(model.levels[-1])
    for node, row in enumerate(rows[: trie.inner]):
        children = range(trie.begin[node], trie.begin[node + 1])
        assert [rows[child] for child in children] == [
            other for other in rows if len(other) > 0 and other[:-1] == row
        ]
        longest = next(row[k:] for k in range(1, len(row) + 1) if row[k:] in rows) if row else ()
        assert rows[trie.suffix[node]] == longest
    assert [trie.word[i] for i in range(len(rows))] == [row[-1] if row else -1 for row in rows]
    assert trie.find([0, 0, -1, trie.nodes - 1], [3, -1, 2, 0]).tolist() == [4, -1, -1, -1]
    assert close(trie.to_ngrams(), model)


def test_advance_is_the_definition():
    model, rng = make_model(seed=3), np.random.default_rng(5)
    trie, table = NGramTrie.from_ngrams(model), entries(model)
    texts = rng.integers(0, 12, (50, 8))
    state = np.zeros(50, np.int64)
    for t in range(8):
        log_prob, state = trie.advance(state, texts[:, t])
        for text, found in zip(texts, log_prob, strict=True):
            words = [model.words[i] for i in text[: t + 1]]
            assert found / np.log(10) == pytest.approx(
                score(table, tuple(words[-4:-1]), words[-1]), abs=1e-5
            )
        assert state.max() < trie.inner
    with pytest.raises(ValueError, match="outside the vocabulary"):
        trie.advance([0], [12])


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("quantise", [False, True])
def test_what_is_written_opens(tmp_path, order, quantise):
    model, path = make_model(order), tmp_path / "model.lm"
    write_binary(model, path, quantise=quantise)
    trie = open_binary(path)
    assert equal(trie, NGramTrie.from_ngrams(model))  # so few values are all kept
    assert close(read_binary(path), model) and equal(load_lm(path), trie)
    write_binary(trie, tmp_path / "again.lm", quantise=quantise)
    assert (tmp_path / "again.lm").read_bytes() == path.read_bytes()
    assert not trie.words[0].startswith("\n") and trie.log_prob.flags.aligned


def test_plain_arrays_are_mapped(tmp_path):
    write_binary(make_model(), tmp_path / "model.lm")
    trie = open_binary(tmp_path / "model.lm")
    for name in ARRAYS:
        array = getattr(trie, name)
        assert type(array) is np.ndarray and array.base is not None and not array.flags.writeable


def test_many_children_and_wide_words(tmp_path):
    """A node with more children than a byte counts, words of three bytes."""
    size = 70_000
    words = ("<unk>", "<s>", "</s>", *(f"{i:06}" for i in range(size - 3)))
    logs = -np.random.default_rng(0).exponential(2, size).astype(np.float32)
    ids = np.arange(size, dtype=np.int32)
    first = Level(ids[:, None], np.where(ids == 1, np.float32(-99), logs), logs / 8)
    second = Level(np.column_stack([ids // 300 * 3, ids]), logs, np.zeros(size, np.float32))
    model = NGrams("word", words, (first, second))
    write_binary(model, tmp_path / "model.lm", quantise=True)
    trie, exact = open_binary(tmp_path / "model.lm"), NGramTrie.from_ngrams(model)
    assert all(
        np.array_equal(getattr(trie, name), getattr(exact, name))
        for name in ("word", "begin", "suffix")
    )
    assert (tmp_path / "model.lm").stat().st_size < 7 * size + 9 * size + 5 * size
    error = np.abs(trie.log_prob - exact.log_prob)
    assert (
        error[: size + 1].max() == 0
        and error.mean() < 0.02
        and len(np.unique(trie.log_prob[size + 1 :])) == 256
    )


def test_quantised_bins_hold_as_many_each():
    values = -np.random.default_rng(1).exponential(3, 25_500).astype(np.float32)
    values[::5] = 0
    book, codes = binary._quantise(values, zero=True)
    assert book[0] == 0 and np.all((codes == 0) == (values == 0))
    assert np.bincount(codes)[1:].max() < 3 * np.bincount(codes)[1:].min()
    assert np.abs(book[codes] - values).mean() < 0.02


def test_arpa_and_binary_are_told_apart(tmp_path):
    model = make_model()
    write_arpa(model, tmp_path / "a.gz")
    assert equal(load_lm(tmp_path / "a.gz"), NGramTrie.from_ngrams(read_arpa(tmp_path / "a.gz")))
    (tmp_path / "kenlm").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0")
    with pytest.raises(UserError, match="is KenLM's binary form"):
        load_lm(tmp_path / "kenlm")
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match="cannot be read"):
            load_lm(path)
        with pytest.raises(UserError, match="cannot be read"):
            open_binary(path)


@pytest.mark.parametrize("quantise", [False, True])
def test_damage_is_found(tmp_path, quantise):
    path, rng = tmp_path / "model.lm", random.Random(1)
    write_binary(make_model(), path, quantise=quantise)
    good = path.read_bytes()
    damaged = [good[:n] for n in [*range(0, len(good), 97), HEADER, len(good) - 1]] + [
        good + b"\0",
        b"",
    ]
    for _ in range(150):
        at = rng.randrange(len(good))
        damaged.append(good[:at] + bytes([good[at] ^ rng.randrange(1, 256)]) + good[at + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"^{re.escape(str(path))}: .*\.$"):
            open_binary(path)


def sign(content: bytearray) -> bytes:
    """The content with a checksum that matches, as someone who means harm would give it."""
    struct.pack_into("<I", content, 12, zlib.crc32(content[16:]))
    return bytes(content)


@pytest.mark.parametrize("quantise", [False, True])
def test_hostile_files_stay_in_bounds(tmp_path, quantise):
    """With checksums made to match, what still opens is safe to query: indices inside, suffixes
    that end."""
    path, rng, opened = tmp_path / "model.lm", random.Random(2), 0
    write_binary(make_model(), path, quantise=quantise)
    good = path.read_bytes()
    edges = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\0\0\xc0\x7f", b"\0\0\0\x80")
    for _ in range(400):
        content = bytearray(good)
        at = rng.randrange(16, len(good) // 4 * 4 - 4) // 4 * 4
        content[at : at + 4] = rng.choice(edges) if rng.random() < 0.5 else rng.randbytes(4)
        path.write_bytes(sign(content))
        try:
            trie = open_binary(path)
        except UserError:
            continue
        opened += 1
        check_ngrams(trie.to_ngrams())
        assert trie.begin.min() == 1 and trie.begin.max() == trie.nodes
        assert np.all(trie.suffix[1:] < np.arange(1, trie.inner)) and trie.suffix.min() == 0
        assert trie.word[1:].min() == 0 and trie.word.max() < len(trie.words)
        state = np.arange(trie.inner)
        for word in range(len(trie.words)):
            log_prob, after = trie.advance(state, np.full(trie.inner, word))
            assert np.isfinite(log_prob).all() and after.max() < trie.inner
    assert 0 < opened < 400


@pytest.mark.parametrize(
    ("array", "node", "value", "message"),
    [
        ("word", 20, 99, "not in the vocabulary"),
        ("word", 20, -1, "not in the vocabulary"),
        ("word", 3, 5, "not the vocabulary in its order"),
        ("begin", 2, 1, "do not follow one another"),
        ("begin", 0, 0, "do not follow one another"),
        ("suffix", 1, 1, "a unigram's suffix"),
        ("suffix", 0, 1, "root's suffix"),
        ("suffix", 14, 14, "outside the lower orders"),
        ("suffix", 14, -3, "outside the lower orders"),
        ("log_prob", 5, np.nan, "not a finite number"),
        ("log_prob", 5, 0.5, "positive"),
        ("backoff", 5, np.inf, "not a finite number"),
    ],
)
def test_verify(array, node, value, message):
    trie = NGramTrie.from_ngrams(make_model())
    check_trie(trie)
    getattr(trie, array)[node] = value
    with pytest.raises(ValueError, match=message):
        check_trie(trie)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda model: NGrams(model.unit, model.words[:-1], model.levels),
        lambda model: NGrams(model.unit, (*model.words[:3], *model.words[:2:-1]), model.levels),
        lambda model: NGrams(model.unit, (*model.words[:-1], "a b"), model.levels),
        lambda model: NGrams(model.unit, model.words, (model.levels[0], *model.levels[2:])),
        lambda model: NGrams(model.unit, model.words, (*model.levels[:2], model.levels[3])),
        lambda model: NGrams(
            model.unit, model.words, (model.levels[0], half(model.levels[1]), *model.levels[2:])
        ),
        lambda model: NGrams(
            model.unit, model.words, (*model.levels[:3], reverse(model.levels[3]))
        ),
        lambda model: NGrams(model.unit, model.words, model.levels[:3]),
    ],
)
def test_broken_tables_are_found(spoil):
    with pytest.raises(ValueError):
        check_ngrams(spoil(make_model()))


def half(level: Level) -> Level:
    return Level(level.ids[::2], level.log_prob[::2], level.backoff[::2])


def reverse(level: Level) -> Level:
    return Level(level.ids[::-1], level.log_prob, level.backoff)


def test_recorded_model_is_smaller_quantised(tmp_path):
    model = read_arpa(reference("word3.arpa.xz"))
    write_binary(model, tmp_path / "plain.lm")
    write_binary(model, tmp_path / "small.lm", quantise=True)
    assert equal(open_binary(tmp_path / "plain.lm"), NGramTrie.from_ngrams(model))
    assert (tmp_path / "small.lm").stat().st_size < 0.36 * (tmp_path / "plain.lm").stat().st_size
