"""The vocabulary as a trie, and hotwords as an automaton, against the words themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.decoding.fusion.hotwords import build_hotwords
from recog.decoding.fusion.lexicon_trie import Lexicon, build_lexicon

CODES = {" ": 0, "a": 1, "b": 2, "c": 3}


def find(lexicon: Lexicon, word: str) -> int:
    node = 0
    for character in word:
        children = range(lexicon.begin[node], lexicon.begin[node + 1])
        matching = [child for child in children if lexicon.code[child] == CODES[character]]
        if not matching:
            return -1
        [node] = matching
    return node


def words_at(lexicon: Lexicon, node: int) -> list[int]:
    found, place = [], int(lexicon.word[node])
    while place >= 0:
        member = int(lexicon.members[place])
        found.append(member if member >= 0 else -1 - member)
        place = place + 1 if member >= 0 else -1
    return found


@settings(deadline=None)
@given(st.lists(st.text("abcxé ", min_size=0, max_size=4), max_size=30))
def test_exactly_the_words_that_can_be_spelled_are_found(words: list[str]) -> None:
    log_prob = -np.random.default_rng(len(words)).permutation(len(words)) - 1.0
    lexicon = build_lexicon(words, np.arange(len(words), dtype=np.int32) + 7, log_prob, CODES)
    spelled: dict[str, list[int]] = {}
    for i in np.argsort(-log_prob):  # the likeliest of those that are spelled alike comes first
        if words[i] and set(words[i]) <= set("abc"):
            spelled.setdefault(words[i], []).append(int(i))
    found = {w: find(lexicon, w) for w in spelled}
    assert all(
        node > 0 and words_at(lexicon, node) == [i + 7 for i in spelled[w]]
        for w, node in found.items()
    )
    assert (lexicon.word >= 0).sum() == len(spelled)
    for w, node in found.items():
        below = [log_prob[own[0]] for other, own in spelled.items() if other.startswith(w)]
        assert lexicon.best[node] == max(below) and lexicon.depth[node] == len(w)
    assert lexicon.best[0] == max((log_prob[own[0]] for own in spelled.values()), default=-np.inf)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["a", "ab", "ba", "a b", "abc", "c a", "bb"]), st.floats(0, 10), min_size=1
    ),
    st.text("abc ", max_size=12),
)
def test_boosts_are_those_of_the_phrases_in_the_text(boosts: dict[str, float], text: str) -> None:
    automaton = build_hotwords(boosts, CODES, words=True)
    state, total = automaton.start, 0.0
    for character in f"{text} ":
        before = automaton.loan[state]
        state = int(automaton.following[state, CODES[character]])
        total += automaton.gain[state]
        assert automaton.loan[state] + automaton.gain[state] - before <= automaton.bound + 1e-12
    padded = f" {text} "
    expected = sum(
        boost * sum(padded[i:].startswith(f" {phrase} ") for i in range(len(padded)))
        for phrase, boost in boosts.items()
    )
    assert total == pytest.approx(expected)
    assert math.isfinite(total)
