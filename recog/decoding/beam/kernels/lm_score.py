"""The compiled entry points that read a text without decoding: its weight, and where it leaves
off."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np
from numba import float64, int32, int64

from recog.decoding.beam.types import FUSION, START
from recog.decoding.fusion.kernels import CHARACTERS, SPACE, WORDS, below, likeliest, weigh
from recog.lm.query import score
from recog.util.jit import kernel


@kernel(float64(FUSION, int32[::1], START, int64))
def weight_of(fusion, labels, start, end_token):
    """:func:`recog.decoding.fusion.kernels.weigh` for Python."""
    return weigh(fusion, labels, start, end_token)


@kernel(START(FUSION, int32[::1], START))
def position_after(fusion, codes, start):
    """The place after some characters, by code; -1 is a character that no symbol has, and unknown
    to every model."""
    options = fusion.options[0]
    state, lex, spelled, hot = start
    for code in codes:
        if options["kind"] == CHARACTERS:
            token = np.int64(fusion.tokens[code]) if code >= 0 else np.int64(options["unknown"])
            state = score(fusion.lm, state, token)[1]
        elif options["kind"] == WORDS:
            if code != SPACE:
                spelled += 1
                if lex >= 0:
                    lex = below(fusion, lex, code)
            elif spelled > 0:
                place = np.int64(fusion.lexicon[lex]["word"]) if lex >= 0 else np.int64(-1)
                if place >= 0:
                    state = likeliest(fusion, state, place, spelled)[1]
                else:
                    state = score(fusion.lm, state, np.int64(options["unknown"]))[1]
                lex, spelled = np.int64(0), np.int64(0)
        hot = np.int64(fusion.hot_next[hot, code]) if code >= 0 else np.int64(0)
    return state, lex, spelled, hot
