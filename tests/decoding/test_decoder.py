from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest

from recog.decoding import Decoder, Hypothesis, InvalidInputError, best_path, log_prob_of, viterbi
from recog.decoding.beam.search import BlankSkipper, probabilities
from recog.decoding.streaming import StreamingDecoder
from recog.errors import UserError

PATHS = np.array(list(product(range(4), repeat=6)))


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(s) for k, s in enumerate(path) if s and (k == 0 or s != path[k - 1]))


LABELLINGS = sorted({collapse(tuple(p)) for p in PATHS})
LABELLING_OF_PATH = np.array([LABELLINGS.index(collapse(tuple(p))) for p in PATHS])


def log_softmax(x: np.ndarray) -> np.ndarray:
    return (x - np.log(np.exp(x).sum(axis=-1, keepdims=True))).astype(np.float32)


def exhaustive(log_probs: np.ndarray) -> np.ndarray:
    """Log-probability of every labelling of a (6, 4) matrix, by adding up all 4,096 paths."""
    paths = np.exp(log_probs.astype(np.float64)[np.arange(6), PATHS].sum(axis=1))
    with np.errstate(divide="ignore"):
        return np.log(np.bincount(LABELLING_OF_PATH, weights=paths, minlength=len(LABELLINGS)))


@pytest.fixture(scope="module")
def matrices() -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [log_softmax(rng.normal(0, 1.5, (6, 4))) for _ in range(300)]


def decode_all(matrices: list[np.ndarray], **options: int) -> list[list[Hypothesis]]:
    return Decoder(["_", "a", "b", "c"], threads=1, **options).decode(matrices)


def speech(seed: int, frames: int = 300, symbols: int = 20) -> np.ndarray:
    """Log-probabilities with blanks between peaks, a quarter of the peaks in doubt."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (frames, symbols))
    x[:, 0] += 8
    for t in range(2, frames - 2, 4):
        x[t, rng.integers(1, symbols)] += 12
        if rng.random() < 0.25:
            x[t, rng.integers(1, symbols)] += 12
    return log_softmax(x)


def test_wide_beam_finds_the_n_most_probable_with_exact_sums(matrices: list[np.ndarray]) -> None:
    for log_probs, found in zip(
        matrices, decode_all(matrices, beam_width=1000, n_best=20), strict=True
    ):
        sums = exhaustive(log_probs)
        expected = sorted(range(len(sums)), key=lambda k: -sums[k])[:20]
        assert [h.tokens for h in found] == [LABELLINGS[k] for k in expected]
        np.testing.assert_allclose([h.log_prob for h in found], sums[expected], atol=1e-9)


def test_width_5_finds_most_of_the_most_probable(matrices: list[np.ndarray]) -> None:
    hits = 0
    for log_probs, [best] in zip(matrices, decode_all(matrices, beam_width=5), strict=True):
        hits += best.tokens == LABELLINGS[int(exhaustive(log_probs).argmax())]
    assert hits >= 260


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_never_less_probable_than_best_path(matrices: list[np.ndarray], width: int) -> None:
    for log_probs, [best] in zip(matrices, decode_all(matrices, beam_width=width), strict=True):
        assert best.log_prob >= log_prob_of(log_probs, best_path(log_probs)) - 1e-12


def plain_beam(log_probs: np.ndarray, width: int) -> tuple[int, ...]:
    """Prefix beam search as in the paper, with dictionaries and no shortcuts; returns the labels on
    top."""
    beam = {(): (1.0, 0.0)}
    for frame in np.exp(log_probs.astype(np.float64)):
        after: dict[tuple[int, ...], list[float]] = {}
        for prefix, (blank, last) in beam.items():
            own = after.setdefault(prefix, [0.0, 0.0])
            own[0] += (blank + last) * frame[0]
            for s in range(1, len(frame)):
                repeats = bool(prefix) and prefix[-1] == s
                if repeats:
                    own[1] += last * frame[s]
                after.setdefault((*prefix, s), [0.0, 0.0])[1] += (
                    blank if repeats else blank + last
                ) * frame[s]
        best = sorted(after.items(), key=lambda item: -sum(item[1]))[:width]
        scale = sum(best[0][1])
        beam = {prefix: (b / scale, n / scale) for prefix, (b, n) in best}
    return next(iter(beam))


@pytest.mark.parametrize("width", [1, 2, 5, 16])
def test_keeps_the_prefixes_that_a_search_without_shortcuts_keeps(width: int) -> None:
    """On top of the beam, where its sum is exact, or something better by exact sums."""
    same = 0
    for seed in range(6):
        for log_probs in (
            speech(seed, 60, 8),
            log_softmax(np.random.default_rng(seed).normal(0, 1.5, (60, 8))),
        ):
            expected = plain_beam(log_probs, width)
            found = Decoder([""] * 8, beam_width=width, n_best=width, threads=1).decode(
                [log_probs]
            )[0]
            same += expected in [h.tokens for h in found]
            assert found[0].log_prob >= log_prob_of(log_probs, list(expected)) - 1e-12
    assert same == 12 or width == 1  # at width 1 the best path's labels can take its place


def test_n_best_is_sorted_and_without_duplicates() -> None:
    log_probs = speech(1)
    [found] = Decoder([chr(64 + k) for k in range(20)], beam_width=50, n_best=30).decode(
        [log_probs]
    )
    assert len(found) == 30
    assert len({h.tokens for h in found}) == 30
    assert all(a.score >= b.score for a, b in pairwise(found))
    for h in found:
        assert h.log_prob == pytest.approx(log_prob_of(log_probs, list(h.tokens)), abs=1e-9)
        assert h.timesteps == viterbi(log_probs, list(h.tokens)).starts
        assert h.text == "".join(chr(64 + k) for k in h.tokens)


def test_first_of_the_n_best_is_the_1_best() -> None:
    for seed in range(5):
        log_probs = speech(seed, 200)
        one, ten = (Decoder([""] * 20, n_best=n, threads=1).decode([log_probs])[0] for n in (1, 10))
        assert one == ten[:1]


def test_repeated_labels_need_a_blank() -> None:
    probs = np.full((3, 3), 0.01)
    probs[[0, 1, 2], [1, 0, 1]] = 0.98
    [[best]] = Decoder(["", "l", "x"]).decode([np.log(probs)])
    assert (best.text, best.timesteps) == ("ll", (0, 2))
    probs[1] = [0.01, 0.98, 0.01]
    [[best]] = Decoder(["", "l", "x"]).decode([np.log(probs)])
    assert (best.text, best.timesteps) == ("l", (0,))


def test_alphabets_of_one_and_two_symbols_and_one_frame() -> None:
    assert Decoder(["_"]).decode(np.zeros((1, 3, 1))) == [[Hypothesis("", 0.0, 0.0, (), ())]]
    [[a, b]] = Decoder(["_", "x"], n_best=3, beam_width=3).decode(np.log([[[0.25, 0.75]]]))
    assert (a.text, b.text) == ("x", "")
    assert (a.log_prob, b.log_prob) == pytest.approx((math.log(0.75), math.log(0.25)), abs=1e-6)


def test_symbols_of_several_characters() -> None:
    probs = np.full((2, 3), 0.05)
    probs[[0, 1], [1, 2]] = 0.9
    [[best]] = Decoder(["<blank>", "ab", " cd"]).decode([np.log(probs)])
    assert (best.text, best.tokens) == ("ab cd", (1, 2))


def test_no_frames_give_one_empty_hypothesis() -> None:
    empty = [Hypothesis("", 0.0, 0.0, (), ())]
    assert Decoder(["", "a"]).decode(np.zeros((2, 0, 2))) == [empty, empty]
    assert Decoder(["", "a"]).decode(np.log(np.full((1, 4, 2), 0.5)), lengths=[0]) == [empty]
    assert Decoder(["", "a"]).decode([]) == []


def test_minus_infinity_is_impossible_and_nothing_else() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        log_probs = rng.normal(-2, 1, (6, 4)).clip(max=0).astype(np.float32)
        log_probs[rng.random((6, 4)) < 0.4] = -np.inf
        log_probs[np.arange(6), rng.integers(0, 4, 6)] = -1.0
        sums = exhaustive(log_probs)
        [found] = Decoder(["", "a", "b", "c"], beam_width=800, n_best=800).decode([log_probs])
        assert len(found) == np.isfinite(sums).sum()
        assert found[0].log_prob == pytest.approx(sums.max(), abs=1e-9)
        assert all(h.log_prob > -np.inf for h in found)


@pytest.mark.parametrize("flat", [True, False])
def test_2000_frames_do_not_underflow(flat: bool) -> None:
    log_probs = (
        log_softmax(np.random.default_rng(0).normal(0, 1.5, (2000, 12)))
        if flat
        else speech(0, 2000)
    )
    [[best]] = Decoder([""] * log_probs.shape[1], beam_width=8).decode([log_probs])
    assert best.log_prob == pytest.approx(log_prob_of(log_probs, list(best.tokens)), abs=1e-8)
    assert best.log_prob >= log_prob_of(log_probs, best_path(log_probs))
    assert list(best.timesteps) == sorted(best.timesteps)


def test_uniform_probabilities_are_decoded_the_same_every_time() -> None:
    """All ties: the order must come from the rules, not from memory."""
    log_probs = np.log(np.full((20, 6), 1.0 / 6.0))
    answers = [
        Decoder([""] * 6, beam_width=10, n_best=10, threads=1).decode([log_probs]) for _ in range(3)
    ]
    assert answers[0] == answers[1] == answers[2]


def test_batch_threads_and_padding_change_nothing() -> None:
    lengths = [200, 1, 0, 77, 150, 33]
    batch = np.full((6, 200, 20), np.nan, np.float32)  # padding may hold anything
    for i, length in enumerate(lengths):
        batch[i, :length] = speech(i, 200)[:length]
    decoders = [Decoder([""] * 20, n_best=3, threads=threads) for threads in (1, 4)]
    single = [decoders[0].decode([batch[i, :length]])[0] for i, length in enumerate(lengths)]
    assert decoders[0].decode(batch, lengths) == single
    assert decoders[1].decode(batch, np.array(lengths)) == single
    assert decoders[1].decode([batch[i, :length] for i, length in enumerate(lengths)]) == single


def test_accepts_tensors_by_their_methods() -> None:
    class Tensor:
        def __init__(self, values: np.ndarray) -> None:
            self.values, self.dtype = values, "torch.float32"

        def detach(self) -> Tensor:
            return self

        cpu = float = detach

        def numpy(self) -> np.ndarray:
            return self.values

    log_probs = speech(3, 50)
    expected = Decoder([""] * 20).decode(log_probs[None])
    assert Decoder([""] * 20).decode(Tensor(log_probs[None])) == expected
    assert Decoder([""] * 20).decode([Tensor(log_probs)]) == expected
    assert Decoder([""] * 20).decode(log_probs[None].astype(np.float64)) == expected
    assert Decoder([""] * 20).decode(np.asfortranarray(log_probs)[None]) == expected


def test_loose_pruning_finds_the_same_and_tight_pruning_best_path() -> None:
    log_probs = speech(2)
    plain = Decoder([""] * 20).decode([log_probs])
    loose = Decoder([""] * 20, beam_size_token=10, cutoff_prob=0.99999, beam_threshold=20.0).decode(
        [log_probs]
    )
    assert loose == plain
    for tight in ({"beam_size_token": 1}, {"cutoff_prob": 1e-9}, {"beam_threshold": 0.0}):
        [[best]] = Decoder([""] * 20, **tight).decode([log_probs])
        assert best.log_prob >= log_prob_of(log_probs, best_path(log_probs))
    [[best]] = Decoder([""] * 20, beam_size_token=1).decode([log_probs])
    assert best.tokens == tuple(best_path(log_probs))


@pytest.mark.parametrize(
    ("log_probs", "lengths", "message"),
    [
        (np.zeros((3, 3)), None, r"\(batch, time, symbols\)"),
        ([np.zeros(3)], None, r"\(time, symbols\)"),
        (np.zeros((1, 3, 4)), None, "4 symbols a frame, but there are 3"),
        (np.full((1, 3, 3), np.nan), None, "utterance 0 has NaN at frame 0"),
        (np.full((1, 3, 3), np.inf), None, "has inf at frame 0"),
        (np.full((1, 3, 3), 0.33), None, "log to probabilities"),
        (np.full((1, 3, 3), -np.inf), None, "-inf for every symbol at frame 0"),
        ([np.array([["a", "b", "c"]])], None, "natural log-probabilities are expected"),
        (np.full((2, 3, 3), -1.0), [3], "lengths must be 2 whole numbers"),
        (np.full((2, 3, 3), -1.0), [3, 4], r"lengths\[1\] is 4, but utterance 1 has 3 frames"),
        (np.full((2, 3, 3), -1.0), [-1, 3], r"lengths\[0\] is -1"),
        (np.full((2, 3, 3), -1.0), [1.0, 3.0], "whole numbers"),
    ],
)
def test_wrong_input_is_named(log_probs: object, lengths: object, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as raised:
        Decoder(["", "a", "b"]).decode(log_probs, lengths)
    assert isinstance(raised.value, ValueError) and isinstance(raised.value, UserError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_width": 0}, "beam_width is 0"),
        ({"beam_width": 2.5}, "beam_width is 2.5"),
        ({"n_best": 26}, r"n_best is 26; it must be a whole number from 1 to 25 \(beam_width\)"),
        ({"threads": -1}, "threads is -1"),
        ({"beam_size_token": 0}, "beam_size_token is 0"),
        ({"cutoff_prob": 0.0}, "cutoff_prob is 0.0"),
        ({"cutoff_prob": math.nan}, "cutoff_prob is nan"),
        ({"beam_threshold": -1.0}, "beam_threshold is -1.0"),
    ],
)
def test_wrong_options_are_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Decoder(["", "a"], **options)  # type: ignore[arg-type]


def test_symbols_must_be_strings() -> None:
    for symbols in ([], ["", 1]):
        with pytest.raises(InvalidInputError, match="symbols must be strings"):
            Decoder(symbols)  # type: ignore[list-item]


def sure_blanks(seed: int) -> np.ndarray:
    """(6, 4) log-probabilities, of which some frames are all but certain to be blank."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1.5, (6, 4))
    x[rng.random(6) < 0.5, 0] += rng.uniform(4, 18)
    return log_softmax(x)


@pytest.mark.parametrize("bound", [1e-4, 1e-2, 0.1])
def test_skipped_blanks_cost_at_most_the_bound(bound: float) -> None:
    skipped = 0
    for seed in range(300):
        log_probs = sure_blanks(seed)
        [[found]] = Decoder(["_", "a", "b", "c"], beam_width=1000, blank_skip=bound).decode(
            [log_probs]
        )
        sums = exhaustive(log_probs)
        assert math.exp(found.log_prob) >= math.exp(sums.max()) - bound
        assert found.log_prob == pytest.approx(sums[LABELLINGS.index(found.tokens)], abs=1e-9), (
            "of all frames"
        )
        skipped += int((BlankSkipper(bound)(probabilities(log_probs)[0])[:, 0] == 1.0).sum())
    assert skipped > 0


def test_skipping_blanks_keeps_doubled_labels_apart_and_the_budget() -> None:
    frame = [[0.002, 0.998, 0.0], [0.9995, 0.0005, 0.0], [0.9996, 0.0, 0.0004]]
    probs = np.array([frame[0], frame[1], frame[2], frame[0]])
    searched = BlankSkipper(0.05)(probs)
    assert searched.tolist() == [frame[0], [1.0, 0.0, 0.0], frame[0]]
    with np.errstate(divide="ignore"):
        [[best]] = Decoder(["_", "a", "b"], blank_skip=0.05).decode([np.log(probs)])
    assert best.text == "aa"
    many = np.tile([[0.9993, 0.0007, 0.0], [0.1, 0.4, 0.5]], (200, 1))
    skipper = BlankSkipper(0.05)
    searched = np.concatenate([skipper(many[:150]), skipper(many[150:])])
    assert (searched[:, 0] == 1.0).sum() == 71, "0.0007 each, until the bound is used up"
    assert len(searched) == len(many)


def test_skipping_blanks_in_a_stream_is_what_it_is_offline() -> None:
    decoder = Decoder([chr(97 + k) for k in range(20)], blank_skip=0.05, n_best=5)
    for seed in range(5):
        log_probs = speech(seed)
        stream = StreamingDecoder(decoder)
        for t in range(0, len(log_probs), 7):
            stream.feed(log_probs[t : t + 7])
        assert stream.finish() == decoder.decode([log_probs])[0]
