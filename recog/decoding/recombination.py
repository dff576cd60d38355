"""Kernels that let one prefix of the beam stand for all that the language model continues as it does this one.

Where a model of words knows the last two, texts that differ further back go the same ways from then on. Left apart, a
beam of 100 is full of them; with one of each kind it reaches further (on LibriSpeech dev, a beam of 100 has fewer errors
than one of 800 without). The alternatives are lost, so this is for who wants the best text alone.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np

from recog.compilation import helper, inlined
from recog.decoding.beam import COUNT
from recog.decoding.trie import MULTIPLIER


@helper
def recombine_alike(beam, work, places):
    """Mark, by a mass below 0, the rows that another one can stand for: the language model, the lexicon and the hotwords
    stand where they do for the other, which has at least as much mass that ends in blank and as much that ends in their
    last label. Whatever follows, the other's text gets at least as much of it.

    A row that is dropped no longer feeds those that extend it and stand in the beam: these live on what they have.
    """
    work.alike[:] = 0
    mask = len(work.alike) - 1
    for i in range(beam.marks[COUNT]):
        place, label, mine = places[beam.rows[i]["node"]], beam.rows[i]["label"], work.rows[i]
        slot = _slot(place, label) & mask
        while work.alike[slot] != 0:
            j = work.alike[slot] - 1
            if beam.rows[j]["label"] == label and _same_future(place, places[beam.rows[j]["node"]]):
                theirs = work.rows[j]
                if theirs["blank"] >= mine["blank"] and theirs["last"] >= mine["last"]:
                    mine["total"] = -1.0
                    break
                if theirs["blank"] <= mine["blank"] and theirs["last"] <= mine["last"]:
                    theirs["total"] = -1.0
                    work.alike[slot] = i + 1
                    break
            slot = (slot + 1) & mask
        if work.alike[slot] == 0:
            work.alike[slot] = i + 1


@inlined
def _slot(place, label):
    key = (
        (np.int64(place["state"]) * 1_000_003 + place["lex"]) * 1_000_003 + place["hot"] * 1_009 + label
    ) * MULTIPLIER
    return key ^ (key >> 31)


@inlined
def _same_future(a, b):
    """An unknown word's future depends on its length alone."""
    return (
        a["state"] == b["state"]
        and a["lex"] == b["lex"]
        and a["hot"] == b["hot"]
        and (a["lex"] >= 0 or a["spelled"] == b["spelled"])
    )
