"""From log-probabilities to text: best path, beam search, forward sums, Viterbi alignments.

validation  checks of inputs
hypothesis  a decoded text
greedy      best path
decoder     the decoder and its options
streaming   the decoder for utterances that arrive in chunks
fusion      language models, lexicons and hotwords in the beam
beam        prefix beam search in compiled kernels
ctc         sums, alignments and times of a known text
rescoring   neural language models, test-time augmentation, N-best combination
lexicon     from phones to words

Importing this package needs only NumPy. Numba is imported at the first use of anything but best
path, and compiles once.
"""

from recog.decoding.ctc.forward_sum import log_prob_of
from recog.decoding.ctc.viterbi import Alignment, viterbi
from recog.decoding.ctc.word_spans import WordSpan, words
from recog.decoding.decoder import Decoder
from recog.decoding.greedy import best_path, best_path_frames
from recog.decoding.hypothesis import Hypothesis
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
