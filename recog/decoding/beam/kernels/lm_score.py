"""Entry points: a text's weight, and the prefix state after a text."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np
from numba import float64, int32, int64

from recog.decoding.beam.types import FUSION, START
from recog.decoding.fusion.kernels import (
    CHARACTERS,
    SPACE,
    WORDS,
    best_homophone,
    lexicon_child,
    text_weight,
)
from recog.lm.query import score
from recog.util.jit import kernel


@kernel(float64(FUSION, int32[::1], START, int64))
def lm_score(fusion, labels, start, end_token):
    """:func:`recog.decoding.fusion.kernels.text_weight` for Python."""
    return text_weight(fusion, labels, start, end_token)


@kernel(START(FUSION, int32[::1], START))
def prefix_state_after(fusion, codes, start):
    """Return state, lexicon_node, spelled and hotword_state after characters.

    Args:
        codes: of the characters; -1 for a character that no symbol has.
    """
    options = fusion.options[0]
    state, lexicon_node, spelled, hotword_state = start
    for code in codes:
        if options["kind"] == CHARACTERS:
            token = np.int64(fusion.tokens[code]) if code >= 0 else np.int64(options["unknown"])
            state = score(fusion.lm, state, token)[1]
        elif options["kind"] == WORDS:
            if code != SPACE:
                spelled += 1
                if lexicon_node >= 0:
                    lexicon_node = lexicon_child(fusion, lexicon_node, code)
            elif spelled > 0:
                entry = (
                    np.int64(fusion.lexicon[lexicon_node]["word"])
                    if lexicon_node >= 0
                    else np.int64(-1)
                )
                if entry >= 0:
                    state = best_homophone(fusion, state, entry, spelled)[1]
                else:
                    state = score(fusion.lm, state, np.int64(options["unknown"]))[1]
                lexicon_node, spelled = np.int64(0), np.int64(0)
        hotword_state = (
            np.int64(fusion.hotword_next[hotword_state, code]) if code >= 0 else np.int64(0)
        )
    return state, lexicon_node, spelled, hotword_state
