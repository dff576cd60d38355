"""Word spans of a recognised text, and their confidences."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.decoding.ctc.forward_sum import forward_sums, log_prob_of
from recog.decoding.ctc.word_spans import Timing, word_spans
from recog.decoding.greedy import best_path
from recog.decoding.validation import InvalidInputError

SYMBOLS = ["", " ", "a", "b", "c"]


def planted(path: list[int], symbols: int = 5, sure: float = 0.9) -> np.ndarray:
    probs = np.full((len(path), symbols), (1.0 - sure) / (symbols - 1))
    probs[np.arange(len(path)), path] = sure
    return np.log(probs).astype(np.float32)


def noise(frames: int, symbols: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, symbols))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


PATH = [0, 2, 0, 0, 3, 3, 0, 0, 0, 0, 0, 1, 0, 4, 0, 1, 2, 0]  # "ab c a"


def test_words_start_with_their_first_frame_and_reach_into_the_pause():
    ab, c, a = word_spans(planted(PATH), [2, 3, 1, 4, 1, 2], SYMBOLS)
    assert [(s.word, s.start, s.end) for s in (ab, c, a)] == [
        ("ab", 1, 9),
        ("c", 13, 16),
        ("a", 16, 18),
    ]
    assert [(x.character, x.start, x.end) for x in ab.characters] == [("a", 1, 4), ("b", 4, 9)]


def test_timing_shifts_everything_and_stays_inside():
    ab, c, a = word_spans(
        planted(PATH), [2, 3, 1, 4, 1, 2], SYMBOLS, timing=Timing(offset=-1.5, reach=1)
    )
    assert [(s.start, s.end) for s in (ab, c, a)] == [(0, 5.5), (11.5, 13.5), (14.5, 16.5)]
    *_, last = word_spans(planted(PATH), [2, 3, 1, 4, 1, 2], SYMBOLS, timing=Timing(offset=5))
    assert (last.start, last.end) == (18, 18)


@pytest.mark.parametrize("offset, reach", [(math.nan, 1), (101, 1), (0, -1), (0, math.inf)])
def test_timing_out_of_range(offset, reach):
    with pytest.raises(InvalidInputError, match="timing"):
        Timing(offset, reach)


def test_a_symbol_of_several_characters_is_split_evenly():
    symbols = ["", " th", "e c", "at"]
    the, cat = word_spans(planted([0, 1, 0, 0, 0, 2, 0, 0, 3, 0, 0, 0, 0], 4), [1, 2, 3], symbols)
    assert (the.word, cat.word) == ("the", "cat")
    assert [(x.character, x.start, x.end) for x in the.characters] == [
        ("t", 1, 3),
        ("h", 3, 5),
        ("e", 5, 6.5),
    ]
    assert [(x.character, x.start, x.end) for x in cat.characters] == [
        ("c", 6.5, 8),
        ("a", 8, 10),
        ("t", 10, 12),
    ]


def test_no_words():
    assert word_spans(planted([0, 1, 0]), [1], SYMBOLS) == []
    assert word_spans(planted([0]), [], SYMBOLS) == []
    assert word_spans(np.zeros((0, 5), np.float32), [], SYMBOLS) == []


@pytest.mark.parametrize("seed", range(4))
def test_the_best_path_needs_no_viterbi_to_give_what_it_gives(seed):
    log_probs = noise(30, 5, seed)
    tokens = best_path(log_probs)
    # another array, the same path but for a blank
    padded = np.concatenate((log_probs, planted([0], sure=0.99)))
    quick = word_spans(log_probs, tokens, SYMBOLS)
    assert "".join(SYMBOLS[k] for k in tokens).split() == [span.word for span in quick]
    times = [t for span in quick for x in span.characters for t in (x.start, x.end)]
    assert times == sorted(times) and all(0 <= t <= 30 for t in times)
    from recog.decoding.ctc import viterbi as align

    runs = align.align_best_path(align.as_log_probs(padded), tokens)
    assert runs == align.viterbi(padded, tokens)


def test_other_labels_than_the_best_paths_are_aligned():
    [span] = word_spans(planted([0, 2, 0, 3, 0]), [2, 4], SYMBOLS)
    assert span.word == "ac" and span.start == 1 and span.confidence < 0.1


def test_confidence_is_the_probability_of_the_word_between_its_spaces():
    log_probs = planted(PATH, sure=0.7)
    ab, c, a = word_spans(log_probs, [2, 3, 1, 4, 1, 2], SYMBOLS)
    assert ab.confidence == pytest.approx(
        math.exp(log_prob_of(log_probs[:12], [2, 3, 1])), rel=1e-9
    )
    assert c.confidence == pytest.approx(
        math.exp(log_prob_of(log_probs[11:16], [1, 4, 1])), rel=1e-9
    )
    assert a.confidence == pytest.approx(math.exp(log_prob_of(log_probs[15:], [1, 2])), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 12), st.lists(st.integers(1, 3), max_size=5)),
        max_size=5,
    ),
    st.sampled_from([1.0, 100.0]),  # with the second many sums are smaller than any float64
)
def test_forward_sums_equal_single_ones(stretches, sharpness):
    log_probs = sharpness * noise(25, 4, 1)
    log_probs[7, 2] = -np.inf
    windows = [(first, first + length) for first, length, _ in stretches]
    sums = forward_sums(log_probs, windows, [labels for _, _, labels in stretches])
    for total, (first, after), (_, _, labels) in zip(sums, windows, stretches, strict=True):
        if first == after:
            assert total == (0.0 if not labels else -np.inf)
        else:
            assert total == pytest.approx(
                log_prob_of(log_probs[first:after], labels), rel=1e-9, abs=1e-9
            )


def test_importing_the_decoder_brings_no_pydantic():
    program = "import sys, recog.decoding; assert not {'pydantic', 'numba', 'torch', 'rapidfuzz'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
