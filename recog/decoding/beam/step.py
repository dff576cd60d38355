"""Kernels that take a beam of prefixes through the frames (Hannun et al. 2014, "First-Pass Large
Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs"): alignments are
summed, and those of a prefix that end in blank and those that end in its last label share one row
of the beam.

What makes it fast, without changing what is found:

- Masses are plain float64, each frame's probabilities summing to 1, rescaled by powers of two: no
  logarithm in the loop.
- A prefix that is not in the beam has one parent, so extensions never have to be merged with one
  another. Mass merges only inside the beam, from parent to child, and the trie is consulted only
  for the few extensions that enter.
- To enter, an extension needs more than the least of the beam. With rows and symbols both sorted,
  each row's scan stops at the first symbol that cannot, and the whole scan at the first row that
  cannot; in a typical frame that is at once.

With a language model the masses are weighted ones (see :mod:`recog.decoding.fusion.kernels`): a
scan stops where even the largest factor would not be enough, and the model is asked only for what
is left. Without one, ``fusion``, ``places`` and ``rows`` are None, and Numba leaves their branches
out of what it compiles. Prefixes that a model continues alike :mod:`recombine
<recog.decoding.beam.recombination>` where the best text alone is wanted.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np

from recog.decoding.beam.beam import COUNT, LIFT, LIFTS, LOW
from recog.decoding.beam.expand import extend, shortlist
from recog.decoding.beam.heap import sort_down
from recog.decoding.beam.prefix_trie import child_of
from recog.decoding.beam.recombination import recombine_alike
from recog.decoding.fusion.kernels import settle_place
from recog.util.jit import helper


@helper
def _stay(p, beam, trie, work, places):
    """Masses of the prefixes in the beam after one more frame, and the links from parents to
    children in the beam."""
    count = beam.marks[COUNT]
    best, least = 0.0, np.inf
    for i in range(count):
        work.rows[i]["child"] = -1
    for i in range(count):
        row, after = beam.rows[i], work.rows[i]
        label, mass = row["label"], row["last"]
        j = np.int64(trie.nodes[row["parent"]]["row"]) - 1
        if j >= 0:
            flow = beam.rows[j]["blank"] if beam.rows[j]["label"] == label else beam.total[j]
            if places is not None:
                flow *= places[row["node"]]["factor"]
            mass += flow
            after["sibling"] = work.rows[j]["child"]
            work.rows[j]["child"] = i
        last, blank = mass * p[label], beam.total[i] * p[0]
        total = last + blank
        after["last"], after["blank"], after["total"] = last, blank, total
        best = max(best, total)
        least = min(least, total)
    return best, least


@helper
def _enter(beam, trie, work, filled, symbols, fusion, places, rows):
    """Let the heap's extensions take the rows of the prefixes that fell out of it."""
    count, width = beam.marks[COUNT], len(beam.rows)
    for i in range(count):
        work.rows[i]["kept"] = False
    for k in range(filled):
        if work.heap[k]["code"] < width:
            work.rows[beam.ranking[work.heap[k]["code"]]]["kept"] = True
        else:  # all nodes before any row is overwritten: a parent may be among those that leave
            extension = work.heap[k]["code"] - width
            parent = beam.rows[beam.ranking[extension // symbols]]["node"]
            work.heap[k]["node"] = child_of(trie, parent, extension % symbols)
            if fusion is not None:
                settle_place(
                    fusion, places, rows, parent, extension % symbols, work.heap[k]["node"]
                )
    for i in range(count):
        if not work.rows[i]["kept"]:
            trie.nodes[beam.rows[i]["node"]]["row"] = 0
    i = 0
    for k in range(filled):
        if work.heap[k]["code"] >= width:
            while i < count and work.rows[i]["kept"]:
                i += 1
            node = work.heap[k]["node"]
            beam.rows[i]["node"] = node
            beam.rows[i]["parent"] = trie.nodes[node]["parent"]
            beam.rows[i]["label"] = trie.nodes[node]["label"]
            trie.nodes[node]["row"] = i + 1
            work.rows[i]["blank"] = 0.0
            work.rows[i]["last"] = work.rows[i]["total"] = work.heap[k]["score"]
            if i == beam.marks[COUNT]:
                beam.ranking[i] = i
                beam.marks[COUNT] += 1
            i += 1


@helper
def _settle(beam, trie, work, ratio):
    """Take over the new masses, drop the rows below ``ratio`` of the best, sort the others, and
    keep clear of underflow and overflow."""
    count, kept, best = beam.marks[COUNT], np.int64(0), 0.0
    for i in range(count):
        best = max(best, work.rows[i]["total"])
    lift = 1.0
    if best < LOW:
        lift = LIFT
        beam.marks[LIFTS] += 1
    elif best > LIFT:
        lift = LOW
        beam.marks[LIFTS] -= 1
    bar = best * ratio
    for i in range(count):
        if work.rows[i]["total"] < bar:
            trie.nodes[beam.rows[i]["node"]]["row"] = 0
            continue
        if kept < i:
            beam.rows[kept]["node"] = beam.rows[i]["node"]
            beam.rows[kept]["parent"] = beam.rows[i]["parent"]
            beam.rows[kept]["label"] = beam.rows[i]["label"]
            trie.nodes[beam.rows[i]["node"]]["row"] = kept + 1
        beam.rows[kept]["blank"] = work.rows[i]["blank"] * lift
        beam.rows[kept]["last"] = work.rows[i]["last"] * lift
        beam.total[kept] = work.rows[i]["total"] * lift
        kept += 1
    if kept < count:
        beam.marks[COUNT] = kept
        for i in range(kept):
            beam.ranking[i] = i
    sort_down(beam.ranking, kept, beam.total)


@helper
def advance(probs, beam, trie, work, tokens, cutoff, ratio, recombine, fusion, places, rows):
    """Take the beam through more frames.

    Args:
        probs: (time, symbols) probabilities, each frame's sum at most 1.
        tokens, cutoff: extend by the ``tokens`` most probable symbols of a frame, and by those that
            make up ``cutoff`` of its mass; the number of symbols and 1.0 switch them off.
        ratio: drop prefixes below this share of the best's mass; 0.0 switches it off.
        recombine: with a language model, drop prefixes that another one can stand for.
        fusion, places, rows: see :mod:`recog.decoding.fusion.kernels`; None without a language
            model.

    Returns:
        How many frames it went through: fewer than all where the trie, or the places, have no room
        for another.
    """
    frames, symbols = probs.shape
    width, room = len(beam.rows), len(trie.nodes)
    pruned = tokens < symbols or cutoff < 1.0
    if places is not None:
        room = min(room, len(places))
    for t in range(frames):
        if trie.size[0] + width > room:
            return np.int64(t)
        p = probs[t]
        best, least = _stay(p, beam, trie, work, places)
        bar = best * ratio
        if beam.marks[COUNT] == width:
            bar = max(bar, least)
        size = shortlist(p, beam, bar, tokens, cutoff, work, fusion, places)
        filled = extend(p, beam, work, size, bar, pruned, fusion, places, rows)
        if filled >= 0:
            _enter(beam, trie, work, filled, symbols, fusion, places, rows)
        if places is not None:  # noqa: SIM102 (Numba leaves out only what None alone rules out)
            if recombine:
                recombine_alike(beam, work, places)
        _settle(beam, trie, work, ratio)
    return np.int64(frames)
