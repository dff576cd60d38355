"""Kernels of the CTC prefix beam search (Hannun et al. 2014, "First-Pass Large Vocabulary Continuous Speech Recognition
using Bi-Directional Recurrent DNNs"): alignments are summed, and those of a prefix that end in blank and those that end in
its last label share one row of the beam.

What makes it fast, without changing what is found:

- Masses are plain float64, each frame's probabilities summing to 1, rescaled by powers of two: no logarithm in the loop.
- A prefix that is not in the beam has one parent, so extensions never have to be merged with one another. Mass merges
  only inside the beam, from parent to child, and the trie is consulted only for the few extensions that enter.
- To enter, an extension needs more than the least of the beam. With rows and symbols both sorted, each row's scan stops
  at the first symbol that cannot, and the whole scan at the first row that cannot; in a typical frame that is at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recog.decoding._numba import helper, kernel
from recog.decoding.trellis import forward, probabilities, viterbi_path

NOBODY, ROOT = 0, 1  # nodes of every trie: the parent of the empty prefix, and the empty prefix
LOW, LIFT, LOG_LIFT = 2.0**-200, 2.0**200, 200 * float(np.log(2.0))


class Trie(NamedTuple):
    """Prefixes by number. A parent's number is lower than its children's."""

    parent: Any  # (capacity,) int32
    label: Any  # (capacity,) int32, the label that the node adds to its parent; 0 for the empty prefix
    row: Any  # (capacity,) int32, where in the beam the prefix stands, or -1
    table: Any  # (power of two,) int32: nodes hashed by parent and label, open addressing, 0 where free
    size: Any  # (1,) int64, nodes in use


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
def new_trie(capacity):  # type: ignore[no-untyped-def]
    slots = 16
    while slots < 2 * capacity:
        slots *= 2
    parent, label = np.zeros(capacity, np.int32), np.zeros(capacity, np.int32)
    row, table, size = np.zeros(capacity, np.int32), np.zeros(slots, np.int32), np.zeros(1, np.int64)
    row[:] = -1
    size[0] = 2
    return Trie(parent, label, row, table, size)


@helper
def _slot(trie, parent, label):  # type: ignore[no-untyped-def]
    """Where in the table the child stands, or the free place where it belongs."""
    mask = len(trie.table) - 1
    key = (parent * 1_000_003 + label) * 0x2545F4914F6CDD1D
    slot = (key ^ (key >> 31)) & mask
    while True:
        node = trie.table[slot]
        if node == 0 or (trie.parent[node] == parent and trie.label[node] == label):
            return slot
        slot = (slot + 1) & mask


@helper
def child_of(trie, parent, label):  # type: ignore[no-untyped-def]
    """The node of a parent's extension by a label, made where it is new; the trie must have room (:func:`with_room`)."""
    slot = _slot(trie, parent, label)
    node = np.int64(trie.table[slot])
    if node == 0:
        node = trie.size[0]
        trie.size[0] += 1
        trie.parent[node] = parent
        trie.label[node] = label
        trie.table[slot] = node
    return node


@helper
def with_room(trie, extra):  # type: ignore[no-untyped-def]
    """The trie, or a larger copy, with room for ``extra`` more nodes."""
    size = trie.size[0]
    if size + extra <= len(trie.parent):
        return trie
    larger = new_trie(2 * (size + extra))
    larger.size[0] = size
    larger.row[ROOT] = trie.row[ROOT]
    for node in range(ROOT + 1, size):  # loops: slices would compile their error messages too
        larger.parent[node] = trie.parent[node]
        larger.label[node] = trie.label[node]
        larger.row[node] = trie.row[node]
        larger.table[_slot(larger, np.int64(trie.parent[node]), np.int64(trie.label[node]))] = node
    return larger


@helper
def new_beam(width, trie):  # type: ignore[no-untyped-def]
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
def sort_down(order, count, key):  # type: ignore[no-untyped-def]
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
def _sift(score, code, i, new_score, new_code):  # type: ignore[no-untyped-def]
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
def _heapify(score, code):  # type: ignore[no-untyped-def]
    for i in range(len(score) // 2 - 1, -1, -1):
        _sift(score, code, i, score[i], code[i])


@helper
def _stay(p, beam, trie, work):  # type: ignore[no-untyped-def]
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
def _shortlist(p, floor, tokens, cutoff, work):  # type: ignore[no-untyped-def]
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
def _extend(p, beam, work, size, bar):  # type: ignore[no-untyped-def]
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
def _heap_of_stays(beam, work):  # type: ignore[no-untyped-def]
    count = beam.count[0]
    for rank in range(count):
        work.score[rank] = work.total[beam.ranking[rank]]
        work.code[rank] = rank
    if count == len(beam.node):
        _heapify(work.score, work.code)
    return count


@helper
def _enter(beam, trie, work, filled, symbols):  # type: ignore[no-untyped-def]
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
def _settle(beam, work, ratio):  # type: ignore[no-untyped-def]
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
def advance(probs, beam, trie, tokens, cutoff, ratio):  # type: ignore[no-untyped-def]
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


@helper
def _best_path(probs, trie):  # type: ignore[no-untyped-def]
    """The node of the best path's labels, and the path's log-probability; the trie must have room."""
    node, before, log_prob = np.int64(ROOT), 0, 0.0
    for t in range(len(probs)):
        best = np.int64(0)
        for s in range(1, probs.shape[1]):
            if probs[t, s] > probs[t, best]:
                best = s
        if best > 0 and best != before:
            node = child_of(trie, node, best)
        before = best
        log_prob += np.log(probs[t, best])
    return node, log_prob


@helper
def _candidates(beam, best_path, path_log_prob, n_best):  # type: ignore[no-untyped-def]
    """Nodes that can be among the N best by their exact sums, and a lower bound of the log of those sums.

    All prefixes together have mass 1, so an exact sum exceeds the mass in the beam by at most what the beam has lost.
    A prefix that even so stays below the mass of N others need not be summed.
    """
    scale, held = LIFT ** -float(beam.lifts[0]), 0.0
    for i in range(beam.count[0]):
        held += beam.total[i] * scale
    lost = max(0.0, 1.0 - held) + 1e-9  # for rounding
    bar = beam.total[beam.ranking[n_best - 1]] * scale if n_best <= beam.count[0] else 0.0
    nodes = np.empty(beam.count[0] + 1, np.int64)
    size, least, best_path_due = 0, 0.0, lost >= bar
    for rank in range(beam.count[0]):
        i = beam.ranking[rank]
        if beam.total[i] > 0.0 and beam.total[i] * scale + lost >= bar:
            nodes[size] = beam.node[i]
            size += 1
            least = np.log(beam.total[i]) - beam.lifts[0] * LOG_LIFT
            best_path_due = best_path_due and beam.node[i] != best_path
    if best_path_due:
        nodes[size] = best_path
        size += 1
        least = min(least, path_log_prob)
    return nodes[:size], least


@helper
def _exact(probs, trie, nodes, least):  # type: ignore[no-untyped-def]
    """Log of the forward sum of each of some nodes, over the part of the trie that leads to them.

    ``least`` is a lower bound of the results, which are exact to a relative error of 1e-14.
    """
    size, longest, shortest = 0, 0, np.int64(2**62)
    length = np.zeros(trie.size[0], np.int64)  # plus 1; 0 for nodes that lead nowhere
    for k in range(len(nodes)):
        node = nodes[k]
        while node != NOBODY and length[node] == 0:
            length[node] = 1
            node = np.int64(trie.parent[node])
    counts = np.zeros(len(probs) + 3, np.int64)
    for node in range(ROOT, len(length)):
        if length[node] > 0:
            length[node] += length[trie.parent[node]]
            longest = max(longest, length[node])
            counts[length[node] + 1] += 1
            size += 1
    for n in range(2, longest + 2):
        counts[n] += counts[n - 1]
    parent, label, place = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(len(length), np.int64)
    used = counts.copy()
    for node in range(ROOT, len(length)):
        if length[node] > 0:
            place[node] = used[length[node]]
            used[length[node]] += 1
            parent[place[node]] = place[trie.parent[node]]
            label[place[node]] = trie.label[node]
    for k in range(len(nodes)):
        shortest = min(shortest, length[nodes[k]] - 1)
    negligible = least - np.log(1e14 * len(probs) * size)
    sums = forward(probs, parent, label, counts[1 : longest + 2], shortest, negligible)
    result = np.empty(len(nodes))
    for k in range(len(nodes)):
        result[k] = sums[place[nodes[k]]]
    return result


@kernel(
    "Tuple((int32[:, ::1], int32[:, ::1], int64[::1], float64[::1]))"
    "(float32[:, ::1], int64, int64, int64, float64, float64)"
)
def search(log_probs, width, n_best, tokens, cutoff, ratio):  # type: ignore[no-untyped-def]
    """Prefix beam search over one utterance.

    Args:
        log_probs: (time, symbols), checked; at least one frame.
        width: prefixes kept after each frame, at least 1.
        n_best: hypotheses wanted, 1 to ``width``.
        tokens, cutoff: extend by the ``tokens`` most probable symbols of a frame and by those that make up ``cutoff`` of
            its mass; the number of symbols and 1.0 switch them off.
        ratio: drop prefixes below this share of the best's mass; 0.0 switches it off.

    Returns:
        For each hypothesis, by falling log-probability: labels and the frame at which each starts, both (hypotheses,
        longest), undefined beyond the number of labels; that number; log of the forward sum over all alignments.
    """
    probs, log_scale = probabilities(log_probs)
    trie = new_trie(max(256, 4 * len(probs)))
    beam = new_beam(width, trie)
    trie = advance(probs, beam, trie, tokens, cutoff, ratio)
    trie = with_room(trie, len(probs))
    best_path, path_log_prob = _best_path(probs, trie)
    nodes, least = _candidates(beam, best_path, path_log_prob, n_best)
    exact = _exact(probs, trie, nodes, least)
    order = np.empty(len(nodes), np.int64)
    for k in range(len(nodes)):
        order[k] = k
    sort_down(order, len(nodes), exact)

    count, longest = min(n_best, len(nodes)), 0
    lengths, sums = np.zeros(count, np.int64), np.empty(count)
    for k in range(count):
        sums[k] = exact[order[k]] + log_scale
        node = nodes[order[k]]
        while node != ROOT:
            lengths[k] += 1
            node = np.int64(trie.parent[node])
        longest = max(longest, lengths[k])
    labels, starts = np.empty((count, longest), np.int32), np.empty((count, longest), np.int32)
    ends = np.empty(longest, np.int32)
    for k in range(count):
        node = nodes[order[k]]
        for j in range(lengths[k] - 1, -1, -1):
            labels[k, j] = trie.label[node]
            node = np.int64(trie.parent[node])
        viterbi_path(log_probs, labels[k, : lengths[k]], starts[k, : lengths[k]], ends[: lengths[k]])
    return labels, starts, lengths, sums
