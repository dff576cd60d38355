"""Long texts in long recordings: planted paths, what is missing on either side, and what fits
nowhere."""

from __future__ import annotations

import time

import numpy as np
import pytest

from recog.decoding.ctc.long_alignment import _longest_rising, add_gap_column, align_long_text
from recog.decoding.greedy import best_path_frames

SPACE = 1
SYMBOLS = 28
GAP = SYMBOLS  # the column after the symbols


def some_words(count: int, seed: int, length: int = 4) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [
        rng.integers(2, SYMBOLS, int(n)).tolist() for n in rng.integers(1, 2 * length - 1, count)
    ]


def sounded(
    words: list[list[int]], seed: int, *, frames: int | None = None
) -> tuple[np.ndarray, list[int]]:
    """Log-probabilities in which the words are said, and the frame in which each begins."""
    rng = np.random.default_rng(seed)
    path: list[int] = [0]
    begins = []
    for word in words:
        begins.append(len(path))
        for k, symbol in enumerate(word):
            path += [0] * int(k > 0 and symbol == word[k - 1]) + [symbol]
        path += [SPACE]
    if frames is not None:
        assert len(path) <= frames
        path += [0] * (frames - len(path))
    probs = rng.uniform(0.0, 0.004, (len(path), SYMBOLS))
    probs[np.arange(len(path)), path] = 1.0
    return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32), begins


def labels_of(words: list[list[int]]) -> tuple[list[int], list[int]]:
    """Labels with gaps, and the position of each word's first."""
    labels, first = [GAP], []
    for word in words:
        first.append(len(labels))
        labels += [*word, GAP]
    return labels, first


def run(log_probs: np.ndarray, words: list[list[int]], **options):
    labels, first = labels_of(words)
    placement = align_long_text(
        add_gap_column(log_probs, range(SYMBOLS), SPACE),
        labels,
        *best_path_frames(log_probs),
        space=SPACE,
        **options,
    )
    assert (np.diff(placement.starts) >= 0).all() and (placement.starts <= placement.ends).all()
    assert (placement.ends[:-1] <= placement.starts[1:]).all() and placement.ends[-1] <= len(
        log_probs
    )
    return placement, first


def test_a_long_text_with_a_passage_that_nobody_says():
    words, foreign = some_words(4000, 0), some_words(150, 1)
    log_probs, begins = sounded(words, 2, frames=24_000)
    began = time.process_time()
    placement, first = run(log_probs, words[:2000] + foreign + words[2000:], fine_cells=2**12)
    assert time.process_time() - began < 30
    found = placement.starts[first[:2000] + first[2150:]]
    assert (found != np.array(begins)).sum() <= 8  # words beside the passage, at most
    assert placement.matched[first[:1990]].all() and placement.matched[first[2160:]].all()
    assert not placement.matched[first[2010:2140]].any()  # 150 words have no room in a pause
    spread = placement.starts[first[2010:2140]]
    assert begins[1998] <= spread[0] and spread[-1] <= begins[2001]


def test_a_passage_that_the_text_leaves_out():
    words = some_words(600, 3)
    log_probs, begins = sounded(words, 4)
    placement, first = run(log_probs, words[:200] + words[400:], fine_cells=2**14)
    assert (placement.starts[first] != np.array(begins[:200] + begins[400:])).sum() <= 2
    assert placement.matched.all()
    gaps = np.array(first[198:203]) - 1  # a short word may stand anywhere in the passage
    assert (placement.ends - placement.starts)[gaps].sum() > begins[399] - begins[200] - 10


def test_without_anchors_a_piece_is_aligned_at_once():
    words = some_words(60, 5)
    log_probs, begins = sounded(words, 6)
    placement, first = run(log_probs, words)
    assert placement.starts[first].tolist() == begins


def test_a_text_of_something_else_is_placed_somewhere():
    log_probs, _ = sounded(some_words(100, 7), 8)
    placement, _ = run(log_probs, some_words(90, 9))
    # there is room, so the frames had a say; that they object, confidences tell
    assert placement.matched.all()
    placement, _ = run(log_probs, some_words(300, 9))
    assert not placement.matched.any()


def test_more_text_than_frames():
    words = some_words(50, 10)
    log_probs, begins = sounded(words[:25], 11)
    placement, first = run(log_probs, words)
    agree = placement.matched[first[:25]]
    assert agree.sum() >= 20 and not placement.matched[first[26:]].any()
    assert (placement.starts[first[:25]] == np.array(begins))[agree].all()


def test_a_piece_too_large_for_viterbi_keeps_what_is_heard():
    words = some_words(50, 12)
    log_probs, begins = sounded(words, 13)
    placement, first = run(log_probs, words, fine_cells=2**40, max_cells=10)
    assert placement.starts[first].tolist() == begins and placement.matched.mean() > 0.9


@pytest.mark.parametrize("frames", [0, 1, 3])
def test_hardly_any_frames(frames):
    log_probs = sounded([[2]], 0)[0][:frames]
    placement, _ = run(log_probs, [[2, 3], [4]])
    assert not placement.matched.any() and (placement.ends <= frames).all()


def test_a_text_may_begin_without_a_gap():
    words = some_words(200, 9)
    log_probs, begins = sounded(words, 9)
    labels, first = labels_of(words)
    placement = align_long_text(
        add_gap_column(log_probs, range(SYMBOLS), SPACE),
        labels[1:],
        *best_path_frames(log_probs),
        space=SPACE,
        fine_cells=2**10,
    )
    assert placement.starts[np.array(first) - 1].tolist() == begins


def test_without_a_space():
    word = [2, 3, 4, 5, 6, 7]
    log_probs, _ = sounded([word], 0)
    log_probs = np.delete(log_probs[:-1], SPACE, axis=1)
    text = [symbol - 1 for symbol in word]
    labels, starts = best_path_frames(log_probs)
    placement = align_long_text(
        add_gap_column(log_probs, range(27), None), [27, *text, 27], labels, starts, space=None
    )
    assert placement.starts[1:-1].tolist() == list(range(1, 7)) or placement.matched.all()


def test_a_gap_costs_nothing_in_silence_and_little_in_speech():
    log_probs, _ = sounded([[2]], 0)  # blank, symbol, space
    gap = add_gap_column(log_probs, [0, 2], SPACE)[:, -1]
    assert gap[0] == log_probs[0, 0] and gap[2] == log_probs[2, SPACE]
    assert gap[1] == pytest.approx(log_probs[1, 2] - 2.0)


def test_the_longest_chain():
    assert _longest_rising([(0, 5), (1, 1), (2, 2), (3, 9), (4, 3)]) == [(1, 1), (2, 2), (4, 3)]
    assert _longest_rising([]) == []
