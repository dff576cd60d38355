"""Chunk by chunk gives what one call gives, and partial texts on the way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from recog.decoding import Decoder, InvalidInputError
from recog.decoding.streaming import Partial, StreamingDecoder

LETTERS = ["", *"abcdefghijklmn o'"]


def log_softmax(x: np.ndarray) -> np.ndarray:
    return (x - np.log(np.exp(x).sum(axis=-1, keepdims=True))).astype(np.float32)


def speech(seed: int, frames: int = 200, symbols: int = len(LETTERS)) -> np.ndarray:
    """Log-probabilities with blanks between peaks, a quarter of the peaks in doubt."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (frames, symbols))
    x[:, 0] += 8
    for t in range(2, frames - 2, 4):
        x[t, rng.integers(1, symbols)] += 12
        if rng.random() < 0.25:
            x[t, rng.integers(1, symbols)] += 12
    return log_softmax(x)


def cut(log_probs: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Chunks of 0 to 40 frames."""
    rng, t = np.random.default_rng(seed), 0
    while t < len(log_probs):
        size = int(rng.integers(0, 41))
        yield log_probs[t : t + size]
        t += size


@pytest.mark.parametrize(
    "options",
    [
        {"beam_width": 1},
        {"beam_width": 8, "n_best": 8},
        {
            "beam_width": 25,
            "n_best": 5,
            "beam_size_token": 6,
            "cutoff_prob": 0.99,
            "beam_threshold": 9.0,
        },
        {"beam_width": 8, "n_best": 3, "blank_skip": 0.1},
    ],
)
def test_any_cutting_gives_the_offline_result_bit_for_bit(options: dict[str, float]) -> None:
    decoder = Decoder(LETTERS, threads=1, **options)  # type: ignore[arg-type]
    # many prefixes: the trie grows
    flat = log_softmax(np.random.default_rng(9).normal(0, 1.5, (120, len(LETTERS))))
    for seed, log_probs in enumerate([speech(1), speech(2), flat]):
        stream = StreamingDecoder(decoder)
        for chunk in cut(log_probs, seed):
            stream.feed(chunk)
        assert stream.frames == len(log_probs)
        assert stream.finish() == decoder.decode([log_probs])[0]


@pytest.mark.parametrize(
    "options",
    [
        {"hotwords": ["lime", "a b"], "hotword_boost": 8.0},
        {
            "hotwords": ["g"],
            "hotword_boost": 3.0,
            "n_best": 4,
            "beam_threshold": 12.0,
            "beam_size_token": 9,
        },
    ],
)
def test_weighted_beams_too(options: dict[str, object]) -> None:
    decoder = Decoder(LETTERS, beam_width=16, threads=1, **options)  # type: ignore[arg-type]
    for seed in range(3):
        log_probs = speech(seed)
        stream = StreamingDecoder(decoder, before="an abc")
        for chunk in cut(log_probs, seed):
            stream.feed(chunk)
        assert stream.finish() == decoder.decode([log_probs], before=["an abc"])[0]


def test_partial_texts() -> None:
    probs = np.full((6, 4), 0.01)
    probs[[0, 1, 2, 3, 4, 5], [1, 0, 2, 0, 3, 0]] = 0.97
    probs[2] = [0.02, 0.02, 0.49, 0.47]  # in doubt
    stream = StreamingDecoder(Decoder(["", "x", "yy", " "], beam_width=3, beam_threshold=3.0))
    assert stream.partial() == Partial(0, "", "", (), ())
    assert stream.feed(np.log(probs[:2])) == Partial(2, "x", "x", (1,), (1,))
    assert stream.feed(np.log(probs[2:4])) == Partial(4, "x", "xyy", (1,), (1, 2))
    assert stream.feed(np.log(probs[4:5])).best == "xyy "
    assert stream.finish()[0].text == "xyy "


def test_what_is_stable_only_grows_and_begins_the_result() -> None:
    decoder, settled = Decoder(LETTERS, beam_width=4, threads=1), 0
    for seed in range(4):
        log_probs, stream, stable = speech(seed), StreamingDecoder(decoder), ""
        for chunk in cut(log_probs, seed):
            partial = stream.feed(chunk)
            assert partial.stable.startswith(stable) and partial.best.startswith(partial.stable)
            assert "".join(LETTERS[k] for k in partial.stable_tokens) == partial.stable
            stable = partial.stable
        settled += len(stable)
        assert stream.finish()[0].text.startswith(stable)
    assert settled > 60  # of about 200 in all: what is in doubt holds up what comes after


def test_chunks_are_copied() -> None:
    log_probs = speech(3, 60)
    decoder, buffer = Decoder(LETTERS), np.empty((20, len(LETTERS)), np.float32)
    stream = StreamingDecoder(decoder)
    for t in range(0, 60, 20):
        buffer[:] = log_probs[t : t + 20]
        stream.feed(buffer)
    buffer[:] = 0.0
    assert stream.finish() == decoder.decode([log_probs])[0]


def test_streams_of_one_decoder_do_not_mix() -> None:
    decoder = Decoder(LETTERS)
    matrices = [speech(4, 80), speech(5, 80)]
    streams = [StreamingDecoder(decoder) for _ in matrices]
    for t in range(0, 80, 16):
        for stream, log_probs in zip(streams, matrices, strict=True):
            stream.feed(log_probs[t : t + 16])
    assert [stream.finish() for stream in streams] == decoder.decode(matrices)


def test_nothing_fed_is_the_empty_utterance() -> None:
    decoder = Decoder(LETTERS)
    stream = StreamingDecoder(decoder)
    assert stream.feed(np.zeros((0, len(LETTERS)))).frames == 0
    assert stream.finish() == decoder.decode(np.zeros((1, 0, len(LETTERS))))[0]


def test_a_wrong_chunk_changes_nothing_and_the_end_is_the_end() -> None:
    log_probs = speech(6, 40)
    decoder = Decoder(LETTERS)
    stream = StreamingDecoder(decoder)
    stream.feed(log_probs[:20])
    with pytest.raises(
        InvalidInputError, match="the chunk has 4 symbols a frame, but there are 18"
    ):
        stream.feed(np.zeros((3, 4)))
    with pytest.raises(InvalidInputError, match="the chunk has NaN at frame 1"):
        stream.feed(np.vstack([log_probs[:1], np.full((1, 18), np.nan)]))
    stream.feed(log_probs[20:])
    assert not stream.finished
    assert stream.finish() == decoder.decode([log_probs])[0]
    assert stream.finished
    for call in (stream.finish, stream.partial, lambda: stream.feed(log_probs)):
        with pytest.raises(InvalidInputError, match="has finished"):
            call()
