"""Best path: each frame's most probable symbol, repeats collapsed, blanks dropped (Graves et al.
2006, section 3.2).

NumPy only, so that a plain transcription never waits for a compiler.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from recog.decoding.validation import as_log_probs


def best_path(log_probs: Any) -> list[int]:
    """The labels along the most probable path, which are not always the most probable labels: see
    the beam search.

    Args:
        log_probs: (time, symbols) natural log-probabilities, blank at index 0; an array or a
            tensor.

    Returns:
        Symbol indices, without blanks. Of equal symbols the lower index counts.

    Raises:
        InvalidInputError: see :func:`recog.decoding.validation.as_log_probs`.
    """
    return best_path_frames(log_probs)[0]


def best_path_frames(log_probs: Any) -> tuple[list[int], list[int]]:
    """:func:`best_path`, with the frame at which each label starts on the path."""
    path = as_log_probs(log_probs).argmax(axis=1)
    starts = np.flatnonzero((path != 0) & (path != np.concatenate(([0], path[:-1]))))
    return path[starts].tolist(), starts.tolist()
