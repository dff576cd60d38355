"""Log-probabilities to text: best path, prefix beam search, forward sums and Viterbi alignments.

Importing this needs NumPy alone; Numba is imported, and compiles once, at the first use of anything
but best path.
"""

from recog.decoding.ctc.forward_sum import log_prob_of
from recog.decoding.ctc.viterbi import Alignment, WordSpan, viterbi, words
from recog.decoding.decoder import Decoder, Hypothesis
from recog.decoding.greedy import best_path, best_path_frames
from recog.decoding.validation import InvalidInputError

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
