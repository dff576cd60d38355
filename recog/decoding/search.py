"""Prefix beam search over one utterance, from log-probabilities to hypotheses with exact sums, in one compiled call."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np

from recog.decoding._numba import helper, kernel
from recog.decoding.beam import LIFT, advance, new_beam, sort_down
from recog.decoding.trellis import forward, probabilities, viterbi_path
from recog.decoding.trie import NOBODY, ROOT, child_of, new_trie, with_room

LOG_LIFT = float(np.log(LIFT))


@helper
def _best_path(probs, trie):
    """The node of the best path's labels, and the path's log-probability; the trie must have room."""
    node, before, log_prob = np.int64(ROOT), 0, 0.0
    for t in range(len(probs)):
        best = 0
        for s in range(1, probs.shape[1]):
            if probs[t, s] > probs[t, best]:
                best = s
        if best > 0 and best != before:
            node = child_of(trie, node, np.int64(best))
        before = best
        log_prob += np.log(probs[t, best])
    return node, log_prob


@helper
def _candidates(beam, best_path, path_log_prob, n_best):
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
def _exact(probs, trie, nodes, least):
    """Log of the forward sum of each of some nodes, over the part of the trie that leads to them.

    ``least`` is a lower bound of the results, which are exact to a relative error of 1e-12.
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
    negligible = least - np.log(1e12 * len(probs) * size)
    sums = forward(probs, parent, label, counts[1 : longest + 2], shortest, negligible)
    result = np.empty(len(nodes))
    for k in range(len(nodes)):
        result[k] = sums[place[nodes[k]]]
    return result


@kernel(
    "Tuple((int32[:, ::1], int32[:, ::1], int64[::1], float64[::1]))"
    "(float32[:, ::1], int64, int64, int64, float64, float64)"
)
def search(log_probs, width, n_best, tokens, cutoff, ratio):
    """Prefix beam search over one utterance.

    Args:
        log_probs: (time, symbols), checked; at least one frame.
        width: prefixes kept after each frame, at least 1.
        n_best: hypotheses wanted, 1 to ``width``.
        tokens, cutoff: extend by the ``tokens`` most probable symbols of a frame, and by those that make up ``cutoff``
            of its mass; the number of symbols and 1.0 switch them off.
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
