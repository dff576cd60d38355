"""One line seen in several ways: readings found in each view, weighed by all of them.

Views are those of one network on a line that is a little changed (slanted, stretched): readers who err in different
places. Frame by frame their outputs cannot be averaged, as the peaks of a CTC network stand elsewhere in each; what a
whole reading's probability is in each of them can (a mixture of experts over whole labellings).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from recog.decoding.checks import Floats
from recog.decoding.decoder import Decoder, Hypothesis
from recog.decoding.forward import log_prob_of

READINGS = 10  # of each view that are weighed


def doubt_of(log_probs: Floats) -> float:
    """How unsure the network is of a line: mean of -ln P of the best symbol, over the frames in which it is not the blank.

    Args:
        log_probs: (frames, symbols), blank at index 0. 0 where all of it is blank.
    """
    best = log_probs.argmax(axis=1)
    written = np.flatnonzero(best)
    return -float(log_probs[written, best[written]].mean()) if len(written) else 0.0


def decode_views(
    decoder: Decoder, lines: Sequence[Sequence[Floats]], *, before: Sequence[str | None] | None = None
) -> list[list[Hypothesis]]:
    """Decode lines, each from one or several views of it.

    Args:
        lines: for each its views, (frames, symbols) natural log-probabilities; frames may differ between views.
        before: for each line the text that it follows; see :meth:`recog.decoding.Decoder.decode`.

    Returns:
        For each line its hypotheses, best first, at most ``decoder.n_best``. Where there are several views, candidates are
        the :data:`READINGS` best of each, and ``log_prob`` is ln of the mean of a reading's probabilities in them;
        ``timesteps`` are of the view in which it was found first. A reading for which the first view has too few frames is
        left out.
    """
    texts = [None] * len(lines) if before is None else list(before)
    found: list[list[Hypothesis]] = [[] for _ in lines]
    readings = min(max(READINGS, decoder.n_best), decoder.beam_width)
    for several, n_best in ((False, decoder.n_best), (True, readings)):
        own = [i for i, views in enumerate(lines) if (len(views) > 1) == several]
        decoded = iter(
            decoder.decode(
                [view for i in own for view in lines[i]],
                before=[texts[i] for i in own for _ in lines[i]],
                n_best=n_best,
            )
        )
        for i in own:
            of_views = list(islice(decoded, len(lines[i])))
            found[i] = _weighed(lines[i], of_views)[: decoder.n_best] if several else of_views[0]
    return found


def _weighed(views: Sequence[Floats], found: Sequence[Sequence[Hypothesis]]) -> list[Hypothesis]:
    """The readings of all views of one line, by their mean probability and what the language model says of them."""
    known: dict[tuple[int, ...], dict[int, Hypothesis]] = {}
    for view, hypotheses in enumerate(found):
        for hypothesis in hypotheses:
            known.setdefault(hypothesis.tokens, {})[view] = hypothesis
    weighed: list[Hypothesis] = []
    for tokens, by_view in known.items():
        log_probs = [by_view[k].log_prob if k in by_view else log_prob_of(view, tokens) for k, view in enumerate(views)]
        if np.isfinite(log_probs[0]):
            one = next(iter(by_view.values()))
            mean = float(np.logaddexp.reduce(log_probs) - np.log(len(views)))
            weighed.append(replace(one, log_prob=mean, score=mean + one.score - one.log_prob))
    return sorted(weighed, key=lambda hypothesis: hypothesis.score, reverse=True) or list(found[0])
