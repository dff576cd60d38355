"""The compiled way of a beam through frames, without a language model; importing this compiles, or loads, it."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import float64, int64, types

from recog.compilation import kernel
from recog.decoding.beam import advance
from recog.decoding.kernel_types import BEAM, SCRATCH, TRIE

extend = kernel(
    int64(float64[:, ::1], BEAM, TRIE, SCRATCH, int64, float64, float64, types.none, types.none, types.none)
)(advance)
