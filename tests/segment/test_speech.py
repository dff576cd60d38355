"""Planted speech is found and cut at pauses, the same however the sound arrives, with bounded
memory."""

import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.media.audio.reader import read_sound
from recog.segment.speech import LONG_PAUSE, SHARED, Segment, Segmenter

RATE = 16_000
SAMPLES = Path(__file__).parent.parent.parent / "data" / "samples"
SPEECH = read_sound(SAMPLES / "weather.wav")
LOUD = np.flatnonzero(np.abs(SPEECH) > 0.02)
SPEECH = SPEECH[LOUD[0] : LOUD[-1]]  # from its first to its last word, without a pause
NOISE = (1e-3 * np.random.default_rng(0).standard_normal(RATE * 120)).astype(np.float32)


def segments(wave: np.ndarray, blocks: int | None = None, **options) -> list[Segment]:
    size = blocks or max(1, len(wave))
    return list(
        Segmenter(RATE, **options).run(wave[i : i + size] for i in range(0, len(wave), size))
    )


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def noisy(wave: np.ndarray) -> np.ndarray:
    return wave + NOISE[: len(wave)]


@pytest.mark.parametrize("background", [lambda wave: wave, noisy], ids=["digital silence", "noise"])
@pytest.mark.parametrize("gain", [1.0, 0.03])
def test_speech_is_found_where_it_was_planted(background, gain):
    gain = max(gain, 0.3) if background is noisy else gain
    places = [2.0, 8.0, 15.0]
    wave = silence(20)
    for place in places:
        wave[round(place * RATE) : round(place * RATE) + len(SPEECH)] += gain * SPEECH
    # noise at the very start passes for speech
    found = [s for s in segments(background(wave)) if s.start > 0.5]
    assert len(found) == len(places)
    for segment, place in zip(found, places, strict=True):
        end = place + len(SPEECH) / RATE
        assert place - 0.6 < segment.keep_from <= place + 0.1
        assert end - 0.3 < segment.keep_to < end + 0.6
        first = round(segment.start * RATE)
        np.testing.assert_array_equal(
            segment.wave, background(wave)[first : first + len(segment.wave)]
        )


def test_a_short_pause_closes_no_short_segment():
    wave = np.concatenate(
        [SPEECH, silence(LONG_PAUSE - 0.3), SPEECH, silence(LONG_PAUSE + 0.5), SPEECH]
    )
    first, second = segments(wave)
    border = (2 * len(SPEECH)) / RATE + LONG_PAUSE - 0.3
    assert (
        first.keep_from == 0.0
        and border < first.keep_to < second.keep_from <= border + LONG_PAUSE + 0.5
    )
    assert second.keep_to == pytest.approx(len(wave) / RATE, abs=0.5)


def test_long_segments_are_closed_by_short_pauses():
    parts = [part for _ in range(12) for part in (SPEECH, silence(0.45))]
    found = segments(np.concatenate(parts))
    assert len(found) > 1 and all(s.keep_from is not None and s.keep_to is not None for s in found)
    assert all(10.0 < len(s.wave) / RATE < 20.0 for s in found[:-1])
    for a, b in pairwise(found):
        assert a.keep_to <= b.keep_from < a.keep_to + 0.5


def test_without_a_pause_segments_share_sound():
    body = SPEECH[RATE // 5 : -RATE // 5]
    wave = np.concatenate([body] * (100 * RATE // len(body)))
    found = segments(wave)
    assert len(found) == 4
    assert found[0].keep_from == 0.0 and found[-1].keep_to == pytest.approx(
        len(wave) / RATE, abs=0.5
    )
    for a, b in pairwise(found):
        assert a.keep_to is None and b.keep_from is None
        assert len(a.wave) / RATE == 30.0
        assert a.start + 30.0 - b.start == pytest.approx(SHARED)


def test_steady_noise_and_silence_are_left_out():
    assert segments(silence(60)) == []
    rng = np.random.default_rng(1)
    t = np.arange(60 * RATE) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in range(1, 12)) + 0.1 * rng.standard_normal(
        len(t)
    )
    for noise in (0.1 * rng.standard_normal(60 * RATE), 0.05 * hum):
        assert all(s.start + len(s.wave) / RATE < 2.0 for s in segments(noise.astype(np.float32)))


@pytest.mark.parametrize("length", [0, 1, 10, 159, 3_199, 3_200, 3_201])
def test_tiny_sounds(length):
    for level in (0.0, 0.5):
        wave = (level * np.random.default_rng(2).standard_normal(length)).astype(np.float32)
        for segment in segments(wave):
            assert 0 < len(segment.wave) <= length and segment.keep_to <= length / RATE
        whole = segments(wave, everything=True)
        assert sum(len(s.wave) for s in whole) == length


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=60), st.integers(0, 3))
def test_blocks_of_any_size_give_the_same(sizes, kind):
    wave = np.concatenate([SPEECH, silence(1.1), 0.1 * SPEECH, silence(0.5), SPEECH])
    wave = noisy(wave) if kind % 2 else wave
    everything = kind > 1
    cuts = np.cumsum(sizes)
    one = segments(wave, everything=everything)
    other = list(Segmenter(RATE, everything=everything).run(np.split(wave, cuts[cuts < len(wave)])))
    assert [(s.start, s.keep_from, s.keep_to) for s in one] == [
        (s.start, s.keep_from, s.keep_to) for s in other
    ]
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.wave, b.wave)


def test_everything_leaves_no_hole():
    wave = np.concatenate([silence(3), SPEECH, silence(40), SPEECH, silence(2)])
    reached = 0.0
    found = segments(wave, everything=True)
    for segment in found:
        assert len(segment.wave) <= 30 * RATE
        if segment.keep_from is not None:
            assert segment.keep_from == pytest.approx(reached)
        reached = segment.keep_to if segment.keep_to is not None else reached
    assert reached == len(wave) / RATE


def test_memory_is_bounded_and_other_rates_work():
    segmenter = Segmenter(8_000)
    rng = np.random.default_rng(3)
    body = SPEECH[RATE // 5 : -RATE // 5 : 2]
    tracemalloc.start()
    count = 0
    for k in range(200):
        sound = body if k % 20 < 10 else (0.01 * rng.standard_normal(len(body))).astype(np.float32)
        count += sum(1 for _ in segmenter.feed(sound))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 5 and peak < 8 << 20
