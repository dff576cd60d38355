"""The compiled way from a beam to its hypotheses, without a language model; importing this
compiles, or loads, it."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import float32, float64, int64, types

from recog.decoding.beam.finish import best_path_node, candidates, exact_sums, falling, spelled_out
from recog.decoding.beam.types import BEAM, FOUND, TRIE
from recog.util.jit import kernel


@kernel(types.Tuple(FOUND)(float32[:, ::1], float64[:, ::1], float64, BEAM, TRIE, int64))
def end(log_probs, probs, log_scale, beam, trie, n_best):
    """The hypotheses once the beam has gone through all frames.

    Args:
        log_probs: (time, symbols), at least one frame.
        probs, log_scale: what :func:`recog.decoding.ctc.trellis.probabilities` makes of them.
        n_best: hypotheses wanted, 1 to the beam's width.

    Returns:
        For each hypothesis, by falling log-probability: labels and the frame at which each starts,
        both (hypotheses, longest), undefined beyond the number of labels; that number; log of the
        forward sum over all alignments.
    """
    best_path, path_log_prob = best_path_node(probs, trie)
    nodes, least = candidates(beam, best_path, path_log_prob, n_best)
    sums = exact_sums(probs, trie, nodes, least)
    best = falling(sums)[:n_best]
    labels, starts, lengths = spelled_out(log_probs, trie, nodes[best])
    return labels, starts, lengths, sums[best] + log_scale
