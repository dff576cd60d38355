"""The compiled way of a beam through frames, without a language model; importing this compiles, or loads, it."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import float64, int64, types

from recog.compilation import kernel
from recog.decoding.beam import advance
from recog.decoding.kernel_types import BEAM, TRIE

extend = kernel(
    types.Tuple((TRIE, types.none))(
        float64[:, ::1], BEAM, TRIE, int64, float64, float64, types.none, types.none, types.none
    )
)(advance)
