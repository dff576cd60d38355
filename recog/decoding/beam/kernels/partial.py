"""Entry point: partial results of an unfinished utterance."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np
from numba import int32, types

from recog.decoding.beam.beam import COUNT
from recog.decoding.beam.finish import labels_of
from recog.decoding.beam.types import BEAM, TRIE
from recog.util.jit import kernel


@kernel(types.UniTuple(int32[::1], 2)(BEAM, TRIE))
def shared_and_best(beam, trie):
    """Return the labels that all prefixes of the beam begin with, and those of the best prefix."""
    best = beam.rows[beam.ranking[0]]["node"]
    shared = best
    for i in range(beam.counters[COUNT]):
        other = beam.rows[i]["node"]
        if beam.total[i] > 0.0:
            while other != shared:  # a parent's number is lower than its children's
                if other > shared:
                    other = np.int64(trie.nodes[other]["parent"])
                else:
                    shared = np.int64(trie.nodes[shared]["parent"])
    return labels_of(trie, shared), labels_of(trie, best)
