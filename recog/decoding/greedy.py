"""Best path decoding: the best symbol of each frame (Graves et al. 2006, section 3.2).

It uses NumPy only, so that a plain transcription never waits for a compiler.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from recog.decoding.validation import as_log_probs


def best_path(log_probs: Any) -> list[int]:
    """Return the labels of the most probable path, repeats collapsed and blanks dropped.

    They are not always the most probable labels, which the beam search looks for.

    Args:
        log_probs: (time, symbols) natural log-probabilities, blank at index 0; an array or a
            tensor.

    Returns:
        Symbol indices, without blanks. Of equally probable symbols the lower index counts.

    Raises:
        InvalidInputError: see :func:`recog.decoding.validation.as_log_probs`.
    """
    return best_path_frames(log_probs)[0]


def best_path_frames(log_probs: Any) -> tuple[list[int], list[int]]:
    """Return :func:`best_path`, and the frame at which each label starts on the path."""
    path = as_log_probs(log_probs).argmax(axis=1)
    starts = np.flatnonzero((path != 0) & (path != np.concatenate(([0], path[:-1]))))
    return path[starts].tolist(), starts.tolist()
