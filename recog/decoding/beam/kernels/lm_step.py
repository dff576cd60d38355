"""Entry point: take a beam through frames, with a language model."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import boolean, float64, int64

from recog.decoding.beam.step import step_frames
from recog.decoding.beam.types import BEAM, FUSION, PREFIX_STATES, ROWS, SCRATCH, TRIE
from recog.util.jit import kernel


@kernel(
    int64(
        float64[:, ::1],
        BEAM,
        TRIE,
        SCRATCH,
        int64,
        float64,
        float64,
        boolean,
        FUSION,
        PREFIX_STATES,
        ROWS,
    )
)
def step(probs, beam, trie, scratch, tokens, cutoff, ratio, recombine, fusion, states, rows):
    """:func:`recog.decoding.beam.step.step_frames` for Python."""
    return step_frames(
        probs, beam, trie, scratch, tokens, cutoff, ratio, recombine, fusion, states, rows
    )
