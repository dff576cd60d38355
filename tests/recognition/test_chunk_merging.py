"""Words that were planted in segments with shared sound come out once each."""

from itertools import pairwise

import numpy as np
import pytest

from recog.decoding.greedy import best_path_frames
from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.recognition.chunk_merging import Chunk, ChunkMerger
from recog.segment.speech import SHARED, Segment

SYMBOLS = ("", " ", *"abcdefghijklmnopqrstuvwxyz")
STEP = 0.04
RATE = 1_000
TEXT = "the quick brown fox jumps over a lazy dog and then it is on its way home to the woods again"
WORDS = TEXT.split()


def planted(count: int, rng: np.random.Generator) -> list[tuple[float, str]]:
    """Words, each with the second at which it begins: two to three a second, without a pause."""
    said, at = [], 0.2
    for _ in range(count):
        word = str(rng.choice(WORDS))
        said.append((at, word))
        at += 0.1 * len(word) + float(rng.uniform(0.08, 0.2))
    return said


def heard(
    said, segment: Segment, seconds: float, rng: np.random.Generator, *, jitter: int, edge: float
) -> np.ndarray:
    """Log-probabilities of a segment: the planted words, moved by up to ``jitter`` frames as a
    whole; letters near the edges, where the network lacks the context, are wrong."""
    frames = round(seconds / STEP)
    path = np.zeros(frames, np.int64)
    shift = int(rng.integers(-jitter, jitter + 1))
    for start, word in said:
        first = round((start - segment.start) / STEP) + shift
        for k, letter in enumerate([*word, " "]):
            frame = first + 2 * k
            if 0 <= frame < frames:
                near = min(frame, frames - 1 - frame) * STEP < edge
                path[frame] = int(rng.integers(1, len(SYMBOLS))) if near else SYMBOLS.index(letter)
    probs = np.full((frames, len(SYMBOLS)), 1e-3)
    probs[np.arange(frames), path] = 1.0
    return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


def stitched(pieces, symbols=SYMBOLS) -> list[Chunk]:
    chunk_merger = ChunkMerger(step=STEP, symbols=symbols)
    return [chunk_merger(segment, Posteriors(log_probs)) for segment, log_probs in pieces]


def text_of(chunks) -> str:
    texts = [
        "".join(SYMBOLS[k] for k in best_path_frames(s.posteriors.log_probs)[0]) for s in chunks
    ]
    return " ".join(" ".join(texts).split())


@pytest.mark.parametrize("jitter", [0, 1, 3])
@pytest.mark.parametrize("seed", range(8))
def test_no_word_is_lost_or_doubled_where_nobody_pauses(seed, jitter):
    rng = np.random.default_rng(seed)
    said = planted(220, rng)
    total = said[-1][0] + 1.5
    pieces, start = [], 0.0
    while True:
        seconds = min(30.0, total - start)
        last = start + seconds >= total
        first_keep = 0.0 if not pieces else None
        segment = Segment(
            start, np.zeros(round(seconds * RATE), np.float32), first_keep, total if last else None
        )
        log_probs = heard(said, segment, seconds, rng, jitter=jitter if pieces else 0, edge=0.6)
        if not pieces:  # the recording's own edges are no cuts
            log_probs[:20] = heard(said, segment, seconds, rng, jitter=0, edge=0.0)[:20]
        pieces.append((segment, log_probs))
        if last:
            break
        start += seconds - SHARED
    chunks = stitched(pieces)
    expected = [word for at, word in said if at < total - 1.5]
    assert text_of(chunks).split()[3 : len(expected) - 3] == expected[3 : len(expected) - 3]
    assert len(text_of(chunks).split()) == len(said)
    for a, b in pairwise(chunks):
        assert abs(a.end - b.start) < 0.3


def test_a_pause_is_cut_in_its_middle():
    said = [(0.5, "one"), (3.0, "two"), (6.0, "six")]
    rng = np.random.default_rng(0)
    first = Segment(0.0, np.zeros(5 * RATE, np.float32), 0.0, 4.4)
    second = Segment(2.8, np.zeros(5 * RATE, np.float32), 4.4, 7.8)
    pieces = [(s, heard(said, s, 5.0, rng, jitter=0, edge=0.0)) for s in (first, second)]
    a, b = stitched(pieces)
    assert text_of([a]) == "one two" and text_of([b]) == "six"
    assert (a.end, b.start) == (4.4, pytest.approx(4.4))


@pytest.mark.parametrize("symbols", [("", " ", "a"), ("", "b", "a")])
def test_noise_without_words_is_cut_all_the_same(symbols):
    """Nothing but blanks, or a model without a space: the frames go on where they stopped."""
    pieces = []
    for k in range(4):
        segment = Segment(
            26.0 * k, np.zeros(1, np.float32), None if k else 0.0, None if k < 3 else 108.0
        )
        log_probs = np.log(np.random.default_rng(k).dirichlet([20, 1, 1], 750)).astype(np.float32)
        pieces.append((segment, log_probs))
    chunks = stitched(pieces, symbols)
    assert sum(len(s.posteriors.log_probs) for s in chunks) == pytest.approx(108 / STEP, abs=3)
    for a, b in pairwise(chunks):
        assert b.start == pytest.approx(a.end, abs=0.5)


def test_tiny_pieces():
    for count in (0, 1, 5):
        for ends in ((0.0, 0.04), (0.0, None), (None, None)):
            segment = Segment(0.0, np.zeros(count, np.float32), *ends)
            log_probs = np.log(np.full((count, 3), 1 / 3, np.float32))
            [chunk] = stitched([(segment, log_probs)], ("", " ", "a"))
            assert 0 <= len(chunk.posteriors.log_probs) <= count


def test_other_views_are_cut_at_the_same_share():
    segment = Segment(start=10.0, wave=np.zeros(0, np.float32), keep_from=12.0, keep_to=20.0)
    count = round(10.0 / STEP)
    views = [
        np.log(np.random.default_rng(0).dirichlet([1, 1, 1], round(count * k))).astype(np.float32)
        for k in (1, 1.2)
    ]
    sounds = views[1][:, :2]
    chunk = ChunkMerger(step=STEP, symbols=("", " ", "a"))(
        segment, Posteriors(views[0], variants=(Posteriors(views[1], sounds),))
    )
    assert len(chunk.posteriors.log_probs) == round(8.0 / STEP)
    [other] = chunk.posteriors.variants
    first, last = round(0.2 * len(views[1])), round(1.0 * len(views[1]))
    assert np.array_equal(other.log_probs, views[1][first:last]) and np.array_equal(
        other.phones, sounds[first:last]
    )
