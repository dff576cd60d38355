"""Kernels that take a beam of prefixes through the frames (Hannun et al. 2014, "First-Pass Large Vocabulary Continuous
Speech Recognition using Bi-Directional Recurrent DNNs"): alignments are summed, and those of a prefix that end in blank
and those that end in its last label share one row of the beam.

What makes it fast, without changing what is found:

- Masses are plain float64, each frame's probabilities summing to 1, rescaled by powers of two: no logarithm in the
  loop.
- A prefix that is not in the beam has one parent, so extensions never have to be merged with one another. Mass merges
  only inside the beam, from parent to child, and the trie is consulted only for the few extensions that enter.
- To enter, an extension needs more than the least of the beam. With rows and symbols both sorted, each row's scan stops
  at the first symbol that cannot, and the whole scan at the first row that cannot; in a typical frame that is at once.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recog.decoding._numba import helper
from recog.decoding.trie import ROOT, child_of, with_room

LOW, LIFT = 2.0**-200, 2.0**200  # masses are multiplied by LIFT when the best falls below LOW


class Beam(NamedTuple):
    """The live prefixes. Rows keep their place for as long as their prefix lives; ``ranking`` sorts them."""

    node: Any  # (width,) int64
    parent: Any  # (width,) int64, the node's parent
    label: Any  # (width,) int64, its last label
    blank: Any  # (width,) float64, mass of its alignments that end in blank
    last: Any  # (width,) float64, of those that end in its last label
    total: Any  # (width,) float64, their sum
    ranking: Any  # (width,) int64, rows by falling total
    count: Any  # (1,) int64, rows in use
    lifts: Any  # (1,) int64, how many times the masses were multiplied by LIFT


class Scratch(NamedTuple):
    """Room for one frame's work."""

    blank: Any  # (width,) float64, the masses of the next frame
    last: Any
    total: Any
    child: Any  # (width,) int64, first row whose parent is this row, or -1
    sibling: Any  # (width,) int64, the next such row
    score: Any  # (width,) float64, heap of the best candidates, worst first
    code: Any  # (width,) int64, what each is: a rank below width stays, width + rank * symbols + s extends
    node: Any  # (width,) int64, nodes of the prefixes that enter
    kept: Any  # (width,) bool, rows that stay
    short: Any  # (symbols,) int64, the symbols worth a look


@helper
def new_beam(width, trie):
    """A beam that holds the empty prefix."""
    beam = Beam(
        np.zeros(width, np.int64), np.zeros(width, np.int64), np.zeros(width, np.int64),
        np.zeros(width), np.zeros(width), np.zeros(width),
        np.zeros(width, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64),
    )  # fmt: skip
    beam.node[0] = ROOT
    beam.blank[0] = beam.total[0] = 1.0
    beam.count[0] = 1
    trie.row[ROOT] = 0
    return beam


@helper
def sort_down(order, count, key):
    """Sort ``order[:count]`` by falling ``key[order]``, equals by rising index (Shell sort, gaps of Ciura 2001)."""
    for gap in (1750, 701, 301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, count):
            item = order[i]
            value = key[item]
            j = i
            while j >= gap:
                other = order[j - gap]
                if key[other] > value or (key[other] == value and other < item):
                    break
                order[j] = other
                j -= gap
            order[j] = item


@helper
def _sift(score, code, i, new_score, new_code):
    """Put a candidate at ``i`` of the heap and let it sink. Worse is a lower score, and of equals the later code."""
    size = len(score)
    while True:
        j = 2 * i + 1
        if j >= size:
            break
        k = j + 1
        if k < size and (score[k] < score[j] or (score[k] == score[j] and code[k] > code[j])):
            j = k
        if not (score[j] < new_score or (score[j] == new_score and code[j] > new_code)):
            break
        score[i] = score[j]
        code[i] = code[j]
        i = j
    score[i] = new_score
    code[i] = new_code


@helper
def _heapify(score, code):
    for i in range(len(score) // 2 - 1, -1, -1):
        _sift(score, code, i, score[i], code[i])


@helper
def _stay(p, beam, trie, work):
    """Masses of the prefixes in the beam after one more frame, and the links from parents to children in the beam."""
    count = beam.count[0]
    best, least = 0.0, np.inf
    for i in range(count):
        work.child[i] = -1
    for i in range(count):
        mass = beam.last[i]
        j = trie.row[beam.parent[i]]
        if j >= 0:
            mass += beam.blank[j] if beam.label[j] == beam.label[i] else beam.total[j]
            work.sibling[i] = work.child[j]
            work.child[j] = i
        work.last[i] = mass * p[beam.label[i]]
        work.blank[i] = beam.total[i] * p[0]
        work.total[i] = work.last[i] + work.blank[i]
        best = max(best, work.total[i])
        least = min(least, work.total[i])
    return best, least


@helper
def _shortlist(p, floor, tokens, cutoff, work):
    """Symbols more probable than ``floor``, best first, after the user's own pruning; the blank counts, but is not
    listed. Returns how many."""
    size = np.int64(0)
    for s in range(1, len(p)):
        if p[s] > floor:
            work.short[size] = s
            size += 1
    sort_down(work.short, size, p)
    if tokens >= len(p) and cutoff >= 1.0:
        return size
    mass, taken, blank_due = 0.0, 0, True
    for q in range(size):
        if blank_due and p[0] >= p[work.short[q]]:
            mass += p[0]
            taken += 1
            blank_due = False
        if taken >= tokens or mass >= cutoff:
            return q
        mass += p[work.short[q]]
        taken += 1
    return size


@helper
def _extend(p, beam, work, size, bar):
    """Fill the heap with the best of what stays and what extends; only extensions of more than ``bar`` may enter.

    Returns how many candidates there are, or -1 where nothing enters and the heap is not filled.
    """
    count, width, symbols = beam.count[0], len(beam.node), len(p)
    score, code = work.score, work.code
    filled = -1
    for rank in range(count):
        i = beam.ranking[rank]
        total = beam.total[i]
        if size == 0 or total * p[work.short[0]] <= bar:
            break
        for q in range(size):
            s = work.short[q]
            x = total * p[s]
            if x <= bar:
                break
            if s == beam.label[i]:  # a repeat is a new label only after a blank
                x = beam.blank[i] * p[s]
                if x <= bar:
                    continue
            j = work.child[i]
            while j >= 0 and beam.label[j] != s:
                j = work.sibling[j]
            if j >= 0:  # in the beam: _stay has merged it
                continue
            if filled < 0:
                filled = _heap_of_stays(beam, work)
            if filled < width:
                score[filled] = x
                code[filled] = width + rank * symbols + s
                filled += 1
                if filled < width:
                    continue
                _heapify(score, code)
            else:
                _sift(score, code, np.int64(0), x, width + rank * symbols + s)
            bar = max(bar, score[0])
    return filled


@helper
def _heap_of_stays(beam, work):
    count = beam.count[0]
    for rank in range(count):
        work.score[rank] = work.total[beam.ranking[rank]]
        work.code[rank] = rank
    if count == len(beam.node):
        _heapify(work.score, work.code)
    return count


@helper
def _enter(beam, trie, work, filled, symbols):
    """Let the heap's extensions take the rows of the prefixes that fell out of it."""
    count, width = beam.count[0], len(beam.node)
    for i in range(count):
        work.kept[i] = False
    for k in range(filled):
        if work.code[k] < width:
            work.kept[beam.ranking[work.code[k]]] = True
        else:  # all nodes before any row is overwritten: a parent may be among those that leave
            extension = work.code[k] - width
            work.node[k] = child_of(trie, beam.node[beam.ranking[extension // symbols]], extension % symbols)
    for i in range(count):
        if not work.kept[i]:
            trie.row[beam.node[i]] = -1
    i = 0
    for k in range(filled):
        if work.code[k] >= width:
            while i < count and work.kept[i]:
                i += 1
            node = work.node[k]
            beam.node[i] = node
            beam.parent[i] = trie.parent[node]
            beam.label[i] = trie.label[node]
            trie.row[node] = i
            work.blank[i] = 0.0
            work.last[i] = work.total[i] = work.score[k]
            if i == beam.count[0]:
                beam.ranking[i] = i
                beam.count[0] += 1
            i += 1


@helper
def _settle(beam, work, ratio):
    """Take over the new masses, sort the rows, empty those below ``ratio`` of the best, and keep clear of underflow."""
    count = beam.count[0]
    best = 0.0
    for i in range(count):
        best = max(best, work.total[i])
    lift = 1.0
    if best < LOW:
        lift = LIFT
        beam.lifts[0] += 1
    for i in range(count):
        factor = lift if work.total[i] >= best * ratio else 0.0
        beam.blank[i] = work.blank[i] * factor
        beam.last[i] = work.last[i] * factor
        beam.total[i] = work.total[i] * factor
    sort_down(beam.ranking, count, beam.total)


@helper
def advance(probs, beam, trie, tokens, cutoff, ratio):
    """Take the beam through more frames; returns the trie, which may have had to grow."""
    frames, symbols = probs.shape
    width = len(beam.node)
    work = Scratch(
        np.empty(width), np.empty(width), np.empty(width),
        np.empty(width, np.int64), np.empty(width, np.int64),
        np.empty(width), np.empty(width, np.int64), np.empty(width, np.int64), np.empty(width, np.bool_),
        np.empty(symbols, np.int64),
    )  # fmt: skip
    for t in range(frames):
        p = probs[t]
        trie = with_room(trie, width)
        best, least = _stay(p, beam, trie, work)
        bar = best * ratio
        if beam.count[0] == width:
            bar = max(bar, least)
        highest = beam.total[beam.ranking[0]]
        size = _shortlist(p, bar / highest, tokens, cutoff, work)
        filled = _extend(p, beam, work, size, bar)
        if filled >= 0:
            _enter(beam, trie, work, filled, symbols)
        _settle(beam, work, ratio)
    return trie
