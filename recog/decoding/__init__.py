"""Log-probabilities to text: best path, prefix beam search, forward sums and Viterbi alignments.

Importing this needs NumPy alone; Numba is imported, and compiles once, at the first use of anything but best path.
"""

from recog.decoding.align import Alignment, WordSpan, viterbi, words
from recog.decoding.best_path import best_path, best_path_frames
from recog.decoding.checks import InvalidInputError
from recog.decoding.decoder import Decoder, Hypothesis
from recog.decoding.forward import log_prob_of

__all__ = [
    "Alignment",
    "Decoder",
    "Hypothesis",
    "InvalidInputError",
    "WordSpan",
    "best_path",
    "best_path_frames",
    "log_prob_of",
    "viterbi",
    "words",
]
