"""Compiled functions from the last beam to hypotheses, with exact sums and label times."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np

from recog.decoding.beam.beam import COUNT, LIFT, LIFTS
from recog.decoding.beam.heap import sort_down
from recog.decoding.beam.prefix_trie import NO_PARENT, ROOT, child_of
from recog.decoding.ctc.trellis import forward, viterbi_path
from recog.util.jit import helper, maker

LOG_LIFT = float(np.log(LIFT))


@helper
def best_path_node(probs, trie):
    """Return the node of the best path's labels, and the path's log-probability.

    The trie must have room for the labels.
    """
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


@maker
def candidates(beam, best_path, path_log_prob, n_best):
    """Return the nodes that can be among the N best, and a lower bound of the log of their sums.

    All prefixes together have mass 1, so an exact sum exceeds the mass in the beam by at most what
    the beam has lost. A prefix that still stays below the mass of N others need not be summed.
    """
    scale, remaining = LIFT ** -float(beam.counters[LIFTS]), 0.0
    for i in range(beam.counters[COUNT]):
        remaining += beam.total[i] * scale
    lost = max(0.0, 1.0 - remaining) + 1e-9  # for rounding
    bar = beam.total[beam.ranking[n_best - 1]] * scale if n_best <= beam.counters[COUNT] else 0.0
    nodes = np.empty(beam.counters[COUNT] + 1, np.int64)
    size, least, best_path_due = 0, 0.0, lost >= bar
    for rank in range(beam.counters[COUNT]):
        i = beam.ranking[rank]
        if beam.total[i] > 0.0 and beam.total[i] * scale + lost >= bar:
            nodes[size] = beam.rows[i]["node"]
            size += 1
            least = np.log(beam.total[i]) - beam.counters[LIFTS] * LOG_LIFT
            best_path_due = best_path_due and beam.rows[i]["node"] != best_path
    if best_path_due:
        nodes[size] = best_path
        size += 1
        least = min(least, path_log_prob)
    return nodes[:size], least


@maker
def exact_sums(probs, trie, nodes, least):
    """Return the log of the forward sum of each node, to a relative error of 1e-12.

    Sums over the part of the trie that leads to the nodes. ``least`` is a lower bound of the
    results.
    """
    size, longest, shortest = 0, 0, np.int64(2**62)
    length = np.zeros(trie.size[0], np.int64)  # plus 1; 0 for nodes that lead to none of them
    for k in range(len(nodes)):
        node = nodes[k]
        while node != NO_PARENT and length[node] == 0:
            length[node] = 1
            node = np.int64(trie.nodes[node]["parent"])
    counts = np.zeros(len(probs) + 3, np.int64)
    for node in range(ROOT, len(length)):
        if length[node] > 0:
            length[node] += length[trie.nodes[node]["parent"]]
            longest = max(longest, length[node])
            counts[length[node] + 1] += 1
            size += 1
    for n in range(2, longest + 2):
        counts[n] += counts[n - 1]
    parent, label, position = (
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.zeros(len(length), np.int64),
    )
    used = counts.copy()
    for node in range(ROOT, len(length)):
        if length[node] > 0:
            position[node] = used[length[node]]
            used[length[node]] += 1
            parent[position[node]] = position[trie.nodes[node]["parent"]]
            label[position[node]] = trie.nodes[node]["label"]
    for k in range(len(nodes)):
        shortest = min(shortest, length[nodes[k]] - 1)
    negligible = least - np.log(1e12 * len(probs) * size)
    sums = forward(probs, parent, label, counts[1 : longest + 2], shortest, negligible)
    result = np.empty(len(nodes))
    for k in range(len(nodes)):
        result[k] = sums[position[nodes[k]]]
    return result


@maker
def falling(values):
    """Return the indices that sort values from the highest down."""
    order = np.empty(len(values), np.int64)
    for k in range(len(values)):
        order[k] = k
    sort_down(order, len(values), values)
    return order


@maker
def labels_of(trie, node):
    """Return a prefix's labels, int32."""
    length, below = 0, node
    while below != ROOT:
        length += 1
        below = np.int64(trie.nodes[below]["parent"])
    labels = np.empty(length, np.int32)
    for j in range(length - 1, -1, -1):
        labels[j] = trie.nodes[node]["label"]
        node = np.int64(trie.nodes[node]["parent"])
    return labels


@maker
def align_labels(log_probs, trie, nodes):
    """Return labels and start frames of prefixes, both (nodes, longest), and numbers of labels."""
    longest, lengths = 0, np.zeros(len(nodes), np.int64)
    for k in range(len(nodes)):
        lengths[k] = len(labels_of(trie, nodes[k]))
        longest = max(longest, lengths[k])
    labels, starts = (
        np.empty((len(nodes), longest), np.int32),
        np.zeros((len(nodes), longest), np.int32),
    )
    ends = np.empty(longest, np.int32)
    for k in range(len(nodes)):
        prefix = labels_of(trie, nodes[k])
        for j in range(len(prefix)):
            labels[k, j] = prefix[j]
        viterbi_path(log_probs, prefix, starts[k, : lengths[k]], ends[: lengths[k]])
    return labels, starts, lengths
