"""Numba's types of what passes between Python and the compiled entry points of the beam search."""

from __future__ import annotations

from numba import boolean, float64, from_dtype, int32, int64, typeof, types

from recog.decoding.beam import CANDIDATE, NEXT, ROW, Beam, Scratch
from recog.decoding.fusion import PLACE, Rows
from recog.decoding.language import sample_fusion
from recog.decoding.trie import NODE, Trie

BEAM = types.NamedTuple((from_dtype(ROW)[::1], float64[::1], int64[::1], int64[::1]), Beam)
TRIE = types.NamedTuple((from_dtype(NODE)[::1], int32[::1], int64[::1]), Trie)
SCRATCH = types.NamedTuple(
    (from_dtype(NEXT)[::1], from_dtype(CANDIDATE)[::1], int64[::1], int64[::1], boolean[::1], int64[::1]), Scratch
)
FUSION = typeof(sample_fusion())
PLACES = from_dtype(PLACE)[::1]
ROWS = types.NamedTuple((float64[:, ::1], int32[:, ::1], int32[::1], int32[::1], int64[::1]), Rows)
START = types.UniTuple(int64, 4)
FOUND = (int32[:, ::1], int32[:, ::1], int64[::1], float64[::1])  # see recog.decoding.kernels_end.end
