"""What the tests of estimation share: a scorer by dictionary, the recorded models, sums of
distributions."""

import itertools
import lzma
import os
from pathlib import Path

import numpy as np
import pytest

from recog.lm.check import check_trie
from recog.lm.tables import NGrams
from recog.lm.text import tokens
from recog.lm.trie import LOG10_BEGIN, NGramTrie

LM_REFERENCE = Path(
    os.environ.get("RECOG_LM_REFERENCE") or Path(__file__).parents[3] / "shared" / "lm-reference"
)


def reference(name: str) -> Path:
    """A file of lmplz's recorded results; the test is skipped where they are not."""
    if not (LM_REFERENCE / name).is_file():
        pytest.skip(
            f"{name} is not in {LM_REFERENCE}; set RECOG_LM_REFERENCE to the folder of KenLM's recorded results"
        )
    return LM_REFERENCE / name


def recorded(name: str) -> dict:
    """n-gram -> (log10 of its probability, of its back-off) of an ARPA file known to be good."""
    found, n = {}, 0
    with lzma.open(reference(name), "rt", encoding="utf-8") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if line.endswith("-grams:\n"):
                n = int(line[1 : line.index("-")])
            elif n and len(fields) > 1:
                found[tuple(fields[1].split(" "))] = (
                    float(fields[0]),
                    float(fields[2]) if len(fields) > 2 else 0.0,
                )
    return found


def entries(ngrams) -> dict:
    """n-gram -> (log10 of its probability, of its back-off) of a model."""
    return {
        tuple(ngrams.words[i] for i in row): (log_prob, backoff)
        for level in ngrams.levels
        for row, log_prob, backoff in zip(
            level.ids.tolist(), level.log_prob.tolist(), level.backoff.tolist(), strict=True
        )
    }


def score(table: dict, context: tuple, word: str) -> float:
    """log10 P(word | context), by the definition of a back-off model."""
    if (*context, word) in table:
        return table[(*context, word)][0]
    return table.get(context, (0.0, 0.0))[1] + score(table, context[1:], word)


def perplexity(table: dict, lines, unit: str, order: int) -> float:
    total, count = 0.0, 0
    for line in lines:
        words = [word if (word,) in table else "<unk>" for word in tokens(line, unit)]
        padded = ["<s>", *words, "</s>"]
        for i in range(1, len(padded)):
            total += score(table, tuple(padded[max(0, i - order + 1) : i]), padded[i])
            count += 1
    return 10 ** (-total / count)


def distribution_sums(ngrams, longest: int) -> list[float]:
    """The sum over all words of P(word | context), for every context of up to ``longest`` words,
    listed or not."""
    table = entries(ngrams)
    words = [word for word in ngrams.words if word != "<s>"]
    contexts = [()] + [
        c for n in range(1, longest + 1) for c in itertools.product(ngrams.words, repeat=n)
    ]
    return [sum(10 ** score(table, context, word) for word in words) for context in contexts]


def check_contract(ngrams) -> None:
    """What :class:`recog.lm.tables.NGrams` promises."""
    assert ngrams.words[:3] == ("<unk>", "<s>", "</s>") and list(ngrams.words[3:]) == sorted(
        set(ngrams.words[3:])
    )
    assert ngrams.levels[0].ids[:, 0].tolist() == list(range(len(ngrams.words)))
    below = {()}
    for n, level in enumerate(ngrams.levels, 1):
        rows = [tuple(row) for row in level.ids.tolist()]
        assert level.ids.shape == (len(level), n) and rows == sorted(set(rows))
        assert {row[:-1] for row in rows} <= below
        assert (level.ids.dtype, level.log_prob.dtype, level.backoff.dtype) == (
            "int32",
            "float32",
            "float32",
        )
        assert (level.log_prob <= 0).all()
        below = set(rows)
    assert not ngrams.levels[-1].backoff.any()
    assert ngrams.levels[0].log_prob[1] == -99


def check_ngrams(ngrams: NGrams) -> None:
    """Check every property in the docstrings of :class:`NGrams` and :class:`Level`.

    Raises:
        ValueError: a sentence that says what is wrong.
    """
    if ngrams.unit not in ("word", "character"):
        raise ValueError(f"there is no unit {ngrams.unit!r}")
    for n, level in enumerate(ngrams.levels, 1):
        if (level.ids.dtype, level.log_prob.dtype, level.backoff.dtype) != (
            np.int32,
            np.float32,
            np.float32,
        ):
            raise ValueError(
                f"the columns of the {n}-grams have other types than int32 and float32"
            )
        if not (np.isfinite(level.log_prob).all() and np.isfinite(level.backoff).all()):
            raise ValueError(f"a log-probability of the {n}-grams is not a finite number")
        if np.any(level.log_prob > 0):
            raise ValueError(f"a log-probability of the {n}-grams is positive")
    trie = NGramTrie.from_ngrams(ngrams)  # the rows: sorted, unique, with their contexts
    check_trie(trie)  # checks the vocabulary
    if ngrams.levels[0].log_prob[1] != LOG10_BEGIN:
        raise ValueError(f"<s> has not the log-probability {LOG10_BEGIN:g}")
    if ngrams.levels[-1].backoff.any():
        raise ValueError("an n-gram of the highest order has a back-off")
