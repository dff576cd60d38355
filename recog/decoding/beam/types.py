"""Numba types of the arguments of the beam search's compiled entry points."""

from __future__ import annotations

from typing import Any

from numba import boolean, float32, float64, from_dtype, int32, int64, types

from recog.decoding.beam.beam import CANDIDATE, NEXT, ROW, Beam, Scratch
from recog.decoding.beam.prefix_trie import NODE, Trie
from recog.decoding.fusion.character_cache import Rows
from recog.decoding.fusion.kernels import NODE as LEXICON_NODE
from recog.decoding.fusion.kernels import OPTIONS, PREFIX_STATE, FusionTables
from recog.lm.query import Query


def frozen(kind: Any, axes: int = 1) -> Any:
    """Return the type of a read-only array from :func:`recog.lm.query.frozen`."""
    return types.Array(kind, axes, "C", readonly=True)


BEAM = types.NamedTuple((from_dtype(ROW)[::1], float64[::1], int64[::1], int64[::1]), Beam)
TRIE = types.NamedTuple((from_dtype(NODE)[::1], int32[::1], int64[::1]), Trie)
SCRATCH = types.NamedTuple(
    (
        from_dtype(NEXT)[::1],
        from_dtype(CANDIDATE)[::1],
        int64[::1],
        int64[::1],
        boolean[::1],
        int64[::1],
    ),
    Scratch,
)
QUERY = types.NamedTuple(
    (frozen(int32), frozen(float32), frozen(float32), frozen(int32), frozen(int32)), Query
)
FUSION = types.NamedTuple(
    (
        frozen(from_dtype(OPTIONS)),
        frozen(int32),  # first
        frozen(int32),  # codes
        frozen(boolean),  # breaks
        frozen(int32),  # tokens
        frozen(from_dtype(LEXICON_NODE)),
        frozen(int32),  # members
        frozen(float64, 2),  # unknown
        frozen(int32, 2),  # hotword_next
        frozen(float64, 2),  # hotword_gain
        QUERY,
    ),
    FusionTables,
)
PREFIX_STATES = from_dtype(PREFIX_STATE)[::1]
ROWS = types.NamedTuple((float64[:, ::1], int32[:, ::1], int32[::1], int32[::1], int64[::1]), Rows)
START = types.UniTuple(int64, 4)
# see recog.decoding.beam.kernels.plain_finish.finish
HYPOTHESES = (int32[:, ::1], int32[:, ::1], int64[::1], float64[::1])
