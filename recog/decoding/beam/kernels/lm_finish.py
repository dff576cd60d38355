"""Entry point: turn the last beam into hypotheses, with a language model."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np
from numba import float32, float64, int64, types

from recog.decoding.beam.beam import COUNT, LIFTS
from recog.decoding.beam.finish import (
    LOG_LIFT,
    align_labels,
    best_path_node,
    exact_sums,
    falling,
    labels_of,
)
from recog.decoding.beam.prefix_trie import ROOT
from recog.decoding.beam.types import BEAM, FUSION, HYPOTHESES, PREFIX_STATES, START, TRIE
from recog.decoding.fusion.kernels import (
    SPACE,
    WORDS,
    final_hotword_factor,
    text_weight,
    word_end_factor,
)
from recog.util.jit import kernel, maker

MARGIN = 10.0  # natural log


@maker
def _finals(beam, trie, fusion, states):
    """Return the log of each row's weighted mass as a finished text, without look-ahead.

    -inf where the last word is not allowed.
    """
    finals = np.empty(beam.counters[COUNT])
    for i in range(beam.counters[COUNT]):
        node = beam.rows[i]["node"]
        mass = beam.total[i] / states[node]["look_ahead"] * word_end_factor(fusion, states, node)
        last = fusion.first[trie.nodes[node]["label"] + 1] - 1
        in_space = (
            node != ROOT
            and last >= fusion.first[trie.nodes[node]["label"]]
            and fusion.codes[last] == SPACE
        )
        mass *= final_hotword_factor(fusion, np.int64(states[node]["hotword_state"]), in_space)
        finals[i] = np.log(mass) if mass > 0.0 else -np.inf
    return finals


@maker
def _candidates(beam, trie, fusion, states, n_best, best_path):
    """Return the nodes that can be among the N best, and the logs of their weighted masses.

    Nodes from the beam come first, and only they have masses. Exact sums exceed the beam's masses
    by what pruning lost; for candidates more than e**10 below the N-th this made no difference.
    With a closed vocabulary, an unfinished row is cut back to its last whole word.
    """
    finals = _finals(beam, trie, fusion, states)
    order = falling(finals)
    nodes, size = np.empty(2 * beam.counters[COUNT] + 1, np.int64), 0
    bar = finals[order[n_best - 1]] - MARGIN if n_best <= len(order) else -np.inf
    for i in order:
        if finals[i] > -np.inf and finals[i] >= bar:
            nodes[size] = beam.rows[i]["node"]
            size += 1
    rows, more = size, 1
    closed = fusion.options[0]["kind"] == WORDS and fusion.options[0]["closed"]
    if closed and rows < n_best:
        more = beam.counters[COUNT]
    for rank in range(more):
        node = best_path
        if closed:
            node = beam.rows[beam.ranking[rank]]["node"]
            while node != ROOT and word_end_factor(fusion, states, node) == 0.0:
                node = np.int64(trie.nodes[node]["parent"])
        exists = False
        for k in range(size):
            exists |= nodes[k] == node
        if not exists:
            nodes[size] = node
            size += 1
    return nodes[:size], finals[order[:rows]]


@kernel(
    types.Tuple((*HYPOTHESES, float64[::1]))(
        float32[:, ::1],
        float64[:, ::1],
        float64,
        BEAM,
        TRIE,
        int64,
        FUSION,
        PREFIX_STATES,
        START,
        int64,
    )
)
def finish(log_probs, probs, log_scale, beam, trie, n_best, fusion, states, start, end_token):
    """Return the hypotheses after the last frame, by falling score.

    Args:
        log_probs, probs, log_scale, n_best: as for
            :func:`recog.decoding.beam.kernels.plain_finish.finish`.
        start: state, lexicon_node, spelled and hotword_state before the text.
        end_token: </s>, or -1 where the text is not the end of a sentence.

    Returns:
        The arrays of ``plain_finish``, and the scores: log-probability plus log of the weight.
    """
    best_path, path_log_prob = best_path_node(probs, trie)
    nodes, finals = _candidates(beam, trie, fusion, states, n_best, best_path)
    weights, least = np.empty(len(nodes)), path_log_prob
    for k in range(len(nodes)):
        labels = labels_of(trie, nodes[k])
        weights[k] = text_weight(fusion, labels, start, np.int64(-1))
        if k < len(finals):  # the exact sum is never less than the mass
            least = min(least, finals[k] - beam.counters[LIFTS] * LOG_LIFT - weights[k] - 1.0)
        elif fusion.options[0]["closed"]:
            least = -np.inf  # a prefix that left the beam
        if end_token >= 0:
            weights[k] = text_weight(fusion, labels, start, end_token)
    sums = exact_sums(probs, trie, nodes, least)
    scores = sums + weights
    best = falling(scores)[:n_best]
    labels, starts, lengths = align_labels(log_probs, trie, nodes[best])
    return labels, starts, lengths, sums[best] + log_scale, scores[best] + log_scale
