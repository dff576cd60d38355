"""The compiled way from a beam to its hypotheses, with a language model; importing this compiles,
or loads, it."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np
from numba import float32, float64, int64, types

from recog.decoding.beam.beam import COUNT, LIFTS
from recog.decoding.beam.finish import (
    LOG_LIFT,
    best_path_node,
    exact_sums,
    falling,
    labels_of,
    spelled_out,
)
from recog.decoding.beam.prefix_trie import ROOT
from recog.decoding.beam.types import BEAM, FOUND, FUSION, PLACES, START, TRIE
from recog.decoding.fusion.kernels import SPACE, WORDS, close_of, last_hot, weigh
from recog.util.jit import kernel, maker

MARGIN = 10.0  # natural log


@maker
def _finals(beam, trie, fusion, places):
    """Log of the weighted mass of each row as a whole text: the last word ended, nothing estimated;
    -inf where it may not end."""
    finals = np.empty(beam.marks[COUNT])
    for i in range(beam.marks[COUNT]):
        node = beam.rows[i]["node"]
        mass = beam.total[i] / places[node]["ahead"] * close_of(fusion, places, node)
        last = fusion.first[trie.nodes[node]["label"] + 1] - 1
        in_space = (
            node != ROOT
            and last >= fusion.first[trie.nodes[node]["label"]]
            and fusion.codes[last] == SPACE
        )
        mass *= last_hot(fusion, np.int64(places[node]["hot"]), in_space)
        finals[i] = np.log(mass) if mass > 0.0 else -np.inf
    return finals


@maker
def _candidates(beam, trie, fusion, places, n_best, best_path):
    """Nodes that can be among the N best by their exact scores; the logs of the weighted masses of
    those of them that stand in the beam, which come first.

    Exact sums exceed the beam's masses by what pruning lost on the way: for candidates that are
    more than e**10 below the N-th this has not been seen to matter. Where the vocabulary is closed,
    unfinished rows stand for the whole words they begin with.
    """
    finals = _finals(beam, trie, fusion, places)
    order = falling(finals)
    nodes, size = np.empty(2 * beam.marks[COUNT] + 1, np.int64), 0
    bar = finals[order[n_best - 1]] - MARGIN if n_best <= len(order) else -np.inf
    for i in order:
        if finals[i] > -np.inf and finals[i] >= bar:
            nodes[size] = beam.rows[i]["node"]
            size += 1
    rows, more = size, 1
    closed = fusion.options[0]["kind"] == WORDS and fusion.options[0]["closed"]
    if closed and rows < n_best:
        more = beam.marks[COUNT]
    for rank in range(more):
        node = best_path
        if closed:
            node = beam.rows[beam.ranking[rank]]["node"]
            while node != ROOT and close_of(fusion, places, node) == 0.0:
                node = np.int64(trie.nodes[node]["parent"])
        found = False
        for k in range(size):
            found |= nodes[k] == node
        if not found:
            nodes[size] = node
            size += 1
    return nodes[:size], finals[order[:rows]]


@kernel(
    types.Tuple((*FOUND, float64[::1]))(
        float32[:, ::1], float64[:, ::1], float64, BEAM, TRIE, int64, FUSION, PLACES, START, int64
    )
)
def end(log_probs, probs, log_scale, beam, trie, n_best, fusion, places, start, end_token):
    """The hypotheses once the beam has gone through all frames, as
    :func:`recog.decoding.beam.kernels.plain_finish.end`, by falling score: the log-probability plus
    the log of the text's weight, which comes last in what is returned.

    Args:
        start: where the text before leaves off: (state, lex, spelled, hot).
        end_token: </s>, or -1 where the text is not the end of a sentence.
    """
    best_path, path_log_prob = best_path_node(probs, trie)
    nodes, finals = _candidates(beam, trie, fusion, places, n_best, best_path)
    weights, least = np.empty(len(nodes)), path_log_prob
    for k in range(len(nodes)):
        labels = labels_of(trie, nodes[k])
        weights[k] = weigh(fusion, labels, start, np.int64(-1))
        if k < len(finals):  # the mass itself, of which the exact sum is never less
            least = min(least, finals[k] - beam.marks[LIFTS] * LOG_LIFT - weights[k] - 1.0)
        elif fusion.options[0]["closed"]:
            least = -np.inf  # a prefix that fell out of the beam
        if end_token >= 0:
            weights[k] = weigh(fusion, labels, start, end_token)
    sums = exact_sums(probs, trie, nodes, least)
    scores = sums + weights
    best = falling(scores)[:n_best]
    labels, starts, lengths = spelled_out(log_probs, trie, nodes[best])
    return labels, starts, lengths, sums[best] + log_scale, scores[best] + log_scale
