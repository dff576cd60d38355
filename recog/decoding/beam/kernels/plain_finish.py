"""Entry point: turn the last beam into hypotheses, without a language model."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import float32, float64, int64, types

from recog.decoding.beam.finish import align_labels, best_path_node, candidates, exact_sums, falling
from recog.decoding.beam.types import BEAM, HYPOTHESES, TRIE
from recog.util.jit import kernel


@kernel(types.Tuple(HYPOTHESES)(float32[:, ::1], float64[:, ::1], float64, BEAM, TRIE, int64))
def finish(log_probs, probs, log_scale, beam, trie, n_best):
    """Return the hypotheses after the last frame.

    Args:
        log_probs: (time, symbols), at least one frame.
        probs, log_scale: from :func:`recog.decoding.ctc.trellis.probabilities`.
        n_best: the most hypotheses to return, 1 to the beam's width.

    Returns:
        Four arrays with a row for each hypothesis, by falling log-probability: labels and their
        start frames, both (hypotheses, longest), undefined beyond the number of labels; the number
        of labels; the log of the forward sum over all alignments.
    """
    best_path, path_log_prob = best_path_node(probs, trie)
    nodes, least = candidates(beam, best_path, path_log_prob, n_best)
    sums = exact_sums(probs, trie, nodes, least)
    best = falling(sums)[:n_best]
    labels, starts, lengths = align_labels(log_probs, trie, nodes[best])
    return labels, starts, lengths, sums[best] + log_scale
