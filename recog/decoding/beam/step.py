"""Compiled prefix beam search: take a beam of prefixes through the frames.

Sums the alignments of each prefix (Hannun et al. 2014, "First-Pass Large Vocabulary Continuous
Speech Recognition using Bi-Directional Recurrent DNNs"). A row of the beam has the mass of the
alignments that end in blank, and of those that end in the prefix's last label. These make it fast
without changing the result:

- Masses are plain float64, rescaled by powers of two: no logarithm in the loop. Each frame's
  probabilities sum to 1.
- A prefix outside the beam has one parent, so extensions never have to be merged with one another.
  Mass merges only inside the beam, from parent to child. The trie is needed only for the few
  extensions that enter.
- An extension enters if it exceeds the smallest mass of the beam. Rows and symbols are both sorted:
  each row's scan stops at the first symbol that is too small, the whole scan at the first such row.
  In a typical frame that is at once.

With a language model the masses are weighted (see :mod:`recog.decoding.fusion.kernels`). A scan
stops where even the largest factor would not be enough, and the model is asked only about what
remains. Without a model, ``fusion``, ``states`` and ``rows`` are None, and Numba compiles no code
for their branches. Where only the best text is needed, prefixes that the model continues alike are
recombined (:mod:`recog.decoding.beam.recombination`).
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np

from recog.decoding.beam.beam import COUNT, LIFT, LIFTS, LOW
from recog.decoding.beam.expand import expand, shortlist
from recog.decoding.beam.heap import sort_down
from recog.decoding.beam.prefix_trie import child_of
from recog.decoding.beam.recombination import recombine_prefixes
from recog.decoding.fusion.kernels import store_prefix_state
from recog.util.jit import helper


@helper
def _update_masses(p, beam, trie, scratch, states):
    """Compute the masses of the beam's prefixes after a frame, and link parents to children.

    Returns the largest and the smallest mass.
    """
    count = beam.counters[COUNT]
    best, least = 0.0, np.inf
    for i in range(count):
        scratch.rows[i]["child"] = -1
    for i in range(count):
        row, after = beam.rows[i], scratch.rows[i]
        label, mass = row["label"], row["last"]
        j = np.int64(trie.nodes[row["parent"]]["row"]) - 1
        if j >= 0:
            flow = beam.rows[j]["blank"] if beam.rows[j]["label"] == label else beam.total[j]
            if states is not None:
                flow *= states[row["node"]]["factor"]
            mass += flow
            after["sibling"] = scratch.rows[j]["child"]
            scratch.rows[j]["child"] = i
        last, blank = mass * p[label], beam.total[i] * p[0]
        total = last + blank
        after["last"], after["blank"], after["total"] = last, blank, total
        best = max(best, total)
        least = min(least, total)
    return best, least


@helper
def _insert_extensions(beam, trie, scratch, filled, symbols, fusion, states, rows):
    """Write the heap's extensions into the rows of the prefixes that left the heap."""
    count, width = beam.counters[COUNT], len(beam.rows)
    for i in range(count):
        scratch.rows[i]["keep"] = False
    for k in range(filled):
        if scratch.heap[k]["code"] < width:
            scratch.rows[beam.ranking[scratch.heap[k]["code"]]]["keep"] = True
        else:  # all nodes before any row is overwritten: a parent may be among those that leave
            extension = scratch.heap[k]["code"] - width
            parent = beam.rows[beam.ranking[extension // symbols]]["node"]
            scratch.heap[k]["node"] = child_of(trie, parent, extension % symbols)
            if fusion is not None:
                store_prefix_state(
                    fusion, states, rows, parent, extension % symbols, scratch.heap[k]["node"]
                )
    for i in range(count):
        if not scratch.rows[i]["keep"]:
            trie.nodes[beam.rows[i]["node"]]["row"] = 0
    i = 0
    for k in range(filled):
        if scratch.heap[k]["code"] >= width:
            while i < count and scratch.rows[i]["keep"]:
                i += 1
            node = scratch.heap[k]["node"]
            beam.rows[i]["node"] = node
            beam.rows[i]["parent"] = trie.nodes[node]["parent"]
            beam.rows[i]["label"] = trie.nodes[node]["label"]
            trie.nodes[node]["row"] = i + 1
            scratch.rows[i]["blank"] = 0.0
            scratch.rows[i]["last"] = scratch.rows[i]["total"] = scratch.heap[k]["score"]
            if i == beam.counters[COUNT]:
                beam.ranking[i] = i
                beam.counters[COUNT] += 1
            i += 1


@helper
def _commit(beam, trie, scratch, ratio):
    """Store the new masses, drop rows below ``ratio`` of the best, rescale, and sort."""
    count, size, best = beam.counters[COUNT], np.int64(0), 0.0
    for i in range(count):
        best = max(best, scratch.rows[i]["total"])
    lift = 1.0
    if best < LOW:
        lift = LIFT
        beam.counters[LIFTS] += 1
    elif best > LIFT:
        lift = LOW
        beam.counters[LIFTS] -= 1
    bar = best * ratio
    for i in range(count):
        if scratch.rows[i]["total"] < bar:
            trie.nodes[beam.rows[i]["node"]]["row"] = 0
            continue
        if size < i:
            beam.rows[size]["node"] = beam.rows[i]["node"]
            beam.rows[size]["parent"] = beam.rows[i]["parent"]
            beam.rows[size]["label"] = beam.rows[i]["label"]
            trie.nodes[beam.rows[i]["node"]]["row"] = size + 1
        beam.rows[size]["blank"] = scratch.rows[i]["blank"] * lift
        beam.rows[size]["last"] = scratch.rows[i]["last"] * lift
        beam.total[size] = scratch.rows[i]["total"] * lift
        size += 1
    if size < count:
        beam.counters[COUNT] = size
        for i in range(size):
            beam.ranking[i] = i
    sort_down(beam.ranking, size, beam.total)


@helper
def step_frames(probs, beam, trie, scratch, tokens, cutoff, ratio, recombine, fusion, states, rows):
    """Take the beam through more frames.

    Args:
        probs: (time, symbols) probabilities, each frame's sum at most 1.
        tokens, cutoff: extend by the ``tokens`` most probable symbols of a frame, and by those that
            make up ``cutoff`` of its mass; the number of symbols and 1.0 switch them off.
        ratio: drop prefixes below this share of the best's mass; 0.0 switches it off.
        recombine: with a language model, drop prefixes that it continues like a better one.
        fusion, states, rows: see :mod:`recog.decoding.fusion.kernels`; None without a language
            model.

    Returns:
        The number of frames done: fewer than given where the trie or the states are full.
    """
    frames, symbols = probs.shape
    width, room = len(beam.rows), len(trie.nodes)
    pruned = tokens < symbols or cutoff < 1.0
    if states is not None:
        room = min(room, len(states))
    for t in range(frames):
        if trie.size[0] + width > room:
            return np.int64(t)
        p = probs[t]
        best, least = _update_masses(p, beam, trie, scratch, states)
        bar = best * ratio
        if beam.counters[COUNT] == width:
            bar = max(bar, least)
        size = shortlist(p, beam, bar, tokens, cutoff, scratch, fusion, states)
        filled = expand(p, beam, scratch, size, bar, pruned, fusion, states, rows)
        if filled >= 0:
            _insert_extensions(beam, trie, scratch, filled, symbols, fusion, states, rows)
        if states is not None:  # noqa: SIM102 (Numba leaves out only what None alone rules out)
            if recombine:
                recombine_prefixes(beam, scratch, states)
        _commit(beam, trie, scratch, ratio)
    return np.int64(frames)
