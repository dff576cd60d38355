"""The interface of parlance/ctcdecode on recog's decoder: its users change one import.

    from recog.ctcdecode import CTCBeamDecoder

    decoder = CTCBeamDecoder(labels, model_path="lm.arpa", alpha=0.5, beta=1.0, beam_width=100)
    beam_results, beam_scores, timesteps, out_lens = decoder.decode(probs, seq_lens)
    text = "".join(labels[n] for n in beam_results[0][0][: out_lens[0][0]])

Torch tensors in give torch tensors out, on the CPU. NumPy arrays give NumPy arrays, and torch is
not imported. Names, defaults, shapes and signs are those of ctcdecode 1.0.2: inputs are
probabilities unless ``log_probs_input`` is set, scores are negated (natural log, lower is better),
``blank_id`` is free, and a model of words closes the vocabulary even if alpha and beta are 0.

These results differ from ctcdecode's, where that is plainly wrong:

- Scores: ctcdecode adds up the alignments in its beam. Here a score is the exact sum over all
  alignments of a labelling, and rows are ordered by it: the score of the same labels is never
  higher (worse). Of two labellings that are nearly as probable, ctcdecode's second may come first.
- With a language model, ctcdecode does not order rows by their scores, which are no probabilities
  either. Here beam_scores are minus (ln P_ctc + alpha ln P_lm + beta n), ascending, for n words or,
  with a model of characters, n labels. The model starts after ``<s>``; ``</s>`` never counts, as in
  ctcdecode's order.
- With a model of words, ctcdecode lets the last word be unfinished for free. Here every row has
  whole words, and the last word counts like all others.
- ``cutoff_prob``: ctcdecode compares ln(1 + sum), so that it never prunes above 0.693. Here labels
  are added from the most probable on until their sum reaches it. The blank is never cut off.
- ``timesteps``: ctcdecode's may repeat and run backwards. Here they rise: the frames at which the
  labels start on the labelling's most probable alignment. On ordinary outputs these are nearly
  always ctcdecode's.
- Unused elements are uninitialised memory in ctcdecode. Here labels beyond ``out_lens`` are
  ``blank_id``, timesteps are 0, and missing rows have the score +inf and no labels.
- A missing model ends ctcdecode's process, wrong shapes hang it, and it accepts NaN and logits.
  Here these are exceptions: :class:`recog.errors.UserError` for files, and
  :class:`recog.decoding.InvalidInputError`, a ``ValueError``, for arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recog.decoding.decoder import Decoder
from recog.decoding.hypothesis import Hypothesis
from recog.decoding.streaming import StreamingDecoder
from recog.decoding.validation import POSITIVE_TOLERANCE, Floats, InvalidInputError, as_array
from recog.lm.tables import BEGIN, END, UNKNOWN

if TYPE_CHECKING:
    from recog.lm.trie import NGramTrie

__all__ = ["CTCBeamDecoder", "DecoderState", "OnlineCTCBeamDecoder"]

# what probabilities of 0 are taken for, as ctcdecode does: ln = -87.3
SMALLEST = np.finfo(np.float32).tiny
SPECIAL = {BEGIN, END, UNKNOWN}
Answer = tuple[Any, Any, Any, Any]


class _Shared:
    """Options and methods of both decoders."""

    def __init__(
        self,
        labels: Sequence[str],
        model_path: str | Path | None = None,
        alpha: float = 0,
        beta: float = 0,
        cutoff_top_n: int = 40,
        cutoff_prob: float = 1.0,
        beam_width: int = 100,
        num_processes: int = 4,
        blank_id: int = 0,
        log_probs_input: bool = False,
    ) -> None:
        self._labels = list(labels)
        if not 0 <= blank_id < len(self._labels):
            raise InvalidInputError(
                f"blank_id is {blank_id}; it must be an index of the {len(self._labels)} labels."
            )
        self._blank_id = int(blank_id)
        others = [index for index in range(len(self._labels)) if index != blank_id]
        self._order = np.array([blank_id, *others])  # recog's symbols: the blank first
        self._cutoff_top_n = cutoff_top_n
        self._cutoff_prob = cutoff_prob
        self._beam_width = beam_width
        self._num_processes = num_processes
        self._log_probs_input = bool(log_probs_input)
        self._model: NGramTrie | None = None
        if model_path:
            from recog.lm.binary import load_lm

            self._model = load_lm(model_path)
        self._decoder = self._make(alpha, beta)

    def _make(self, alpha: float, beta: float) -> Decoder:
        decoder = Decoder(
            [self._labels[index] for index in self._order],
            beam_width=self._beam_width,
            n_best=self._beam_width,
            threads=self._num_processes,
            beam_size_token=self._cutoff_top_n,
            cutoff_prob=self._cutoff_prob if self._cutoff_prob < 1.0 else None,
            lm=self._model,
            alpha=alpha,
            beta=beta,
            closed_vocabulary=self._model is not None and self._model.unit == "word",
            sentence=True,
        )
        # as in ctcdecode a text begins after <s>, but </s> is not counted
        if decoder.fusion is not None:
            decoder.fusion = replace(decoder.fusion, end_token=-1)
        return decoder

    def character_based(self) -> bool | None:
        """Whether the language model is one of characters; None without one."""
        return None if self._model is None else self._model.unit == "character"

    def max_order(self) -> int | None:
        """The language model's order; None without one."""
        return None if self._model is None else self._model.order

    def dict_size(self) -> int | None:
        """Number of the language model's words that the labels can spell.

        0 for a model of characters, None without a model.
        """
        if self._model is None:
            return None
        if self._model.unit == "character":
            return 0
        letters = frozenset("".join(self._decoder.symbols[1:]))
        return sum(word not in SPECIAL and letters.issuperset(word) for word in self._model.words)

    def reset_params(self, alpha: float, beta: float) -> None:
        """Set the language model's weights from the next call on; no effect without a model."""
        if self._model is not None:
            self._decoder = self._make(alpha, beta)

    def _utterances(self, probs: Any, seq_lens: Any) -> list[Floats]:
        """Return each utterance's log-probabilities, (time, symbols), the blank first."""
        batch = as_array(probs)
        if batch.ndim != 3 or batch.shape[2] != len(self._labels):
            raise InvalidInputError(
                f"probs has shape {batch.shape}, where (batch, time, {len(self._labels)}) is "
                "expected: as many columns as labels."
            )
        if batch.dtype.kind not in "fiu":
            raise InvalidInputError(
                f"probs holds {batch.dtype} values, where floating-point ones are expected."
            )
        lengths = self._lengths(seq_lens, len(batch), batch.shape[1])
        return [
            self._log_probs(utterance[:length], index)
            for index, (utterance, length) in enumerate(zip(batch, lengths, strict=True))
        ]

    @staticmethod
    def _lengths(seq_lens: Any, count: int, frames: int) -> list[int]:
        if seq_lens is None:
            return [frames] * count
        lengths = as_array(seq_lens)
        if (
            lengths.shape != (count,)
            or (count and lengths.dtype.kind not in "iu")
            or (lengths < 0).any()
        ):
            raise InvalidInputError(
                f"seq_lens must be {count} whole numbers from 0, one for each utterance."
            )
        return [min(int(length), frames) for length in lengths]

    def _log_probs(self, values: NDArray[Any], index: int) -> Floats:
        with np.errstate(over="ignore"):
            values = values[:, self._order].astype(np.float32)
        if self._log_probs_input:
            return values
        if np.isnan(values).any():
            raise InvalidInputError(f"probs has NaN in utterance {index}.")
        if values.size and (values.min() < 0.0 or values.max() > 1.0 + POSITIVE_TOLERANCE):
            raise InvalidInputError(
                f"probs has values from {values.min():g} to {values.max():g} in utterance {index}: "
                "probabilities lie between 0 and 1; apply softmax to scores, or set "
                "log_probs_input for log-probabilities."
            )
        return np.log(np.maximum(values, SMALLEST))

    def _pack(self, rows: Sequence[list[Hypothesis]], beams: int, longest: int) -> Answer:
        """Pack hypotheses into arrays (batch, beams, longest) and (batch, beam_width)."""
        results = np.full((len(rows), beams, longest), self._blank_id, np.int32)
        timesteps = np.zeros((len(rows), beams, longest), np.int32)
        scores = np.full((len(rows), self._beam_width), np.inf, np.float32)
        out_lens = np.zeros((len(rows), self._beam_width), np.int32)
        for i, hypotheses in enumerate(rows):
            for k, hypothesis in enumerate(hypotheses):
                length = len(hypothesis.tokens)
                scores[i, k], out_lens[i, k] = -hypothesis.score, length
                results[i, k, :length] = self._order[np.array(hypothesis.tokens, np.intp)]
                timesteps[i, k, :length] = hypothesis.timesteps
        return results, scores, timesteps, out_lens


class CTCBeamDecoder(_Shared):
    """CTC beam search over whole utterances.

    Args:
        labels: the strings of the columns, with the blank's.
        model_path: a language model of words or characters: ARPA, plain or compressed, or recog's
            binary; None or "" for none. KenLM's binaries cannot be read.
        alpha: weight of ln P_lm.
        beta: added for each word, or with a model of characters for each label.
        cutoff_top_n: extend prefixes only by this many of a frame's most probable labels.
        cutoff_prob: extend them only by the most probable labels that together reach this
            probability; 1 for all.
        beam_width: prefixes in the beam, and rows in the result.
        num_processes: threads, one for each utterance.
        blank_id: the blank's index.
        log_probs_input: whether ``probs`` are natural logarithms.

    Raises:
        UserError: the language model is missing or cannot be read.
        InvalidInputError: an option out of range.
    """

    def decode(self, probs: Any, seq_lens: Any = None) -> Answer:
        """Decode a batch.

        Args:
            probs: (batch, time, labels), a torch tensor or an array; probabilities, or their
                natural logarithms.
            seq_lens: (batch,) frames of each utterance, cut to ``time``; None takes all.

        Returns:
            ``beam_results`` (batch, beam_width, time) int32, indices of labels; ``beam_scores``
            (batch, beam_width) float32, minus the natural logarithm, ascending; ``timesteps``
            (batch, beam_width, time) int32, a frame for each label; ``out_lens`` (batch,
            beam_width) int32, numbers of labels. Tensors if ``probs`` is a tensor.

        Raises:
            InvalidInputError: wrong shapes, NaN, or values that are not probabilities.
        """
        rows = self._decoder.decode(self._utterances(probs, seq_lens))
        return _like_input(self._pack(rows, self._beam_width, as_array(probs).shape[1]), probs)


class OnlineCTCBeamDecoder(_Shared):
    """CTC beam search over utterances that arrive in chunks.

    The arguments are those of :class:`CTCBeamDecoder`, and so is the result after the last chunk.
    """

    def decode(
        self,
        probs: Any,
        states: Sequence[DecoderState],
        is_eos_s: Sequence[bool],
        seq_lens: Any = None,
    ) -> Answer:
        """Decode the next chunk of each utterance.

        Args:
            probs: (batch, time, labels), as for :meth:`CTCBeamDecoder.decode`.
            states: a state for each utterance, the same in each of its calls.
            is_eos_s: whether this is the last chunk, for each utterance.
            seq_lens: (batch,) frames of each chunk; None takes all.

        Returns:
            As :meth:`CTCBeamDecoder.decode`, but ``beam_results`` and ``timesteps`` are only as
            large as needed. Unfinished utterances have no rows: (batch, 0, 0) if all are.

        Raises:
            InvalidInputError: as :meth:`CTCBeamDecoder.decode`; or the numbers of utterances,
                states and flags differ, a state is given twice, or had its last chunk before.
        """
        inputs = self._utterances(probs, seq_lens)
        if not len(states) == len(is_eos_s) == len(inputs):
            raise InvalidInputError(
                f"there are {len(inputs)} utterances, {len(states)} states and {len(is_eos_s)} "
                "is_eos_s; give one of each for an utterance."
            )
        if len({id(state) for state in states}) < len(states):
            raise InvalidInputError("states has the same one twice; each utterance needs its own.")

        def feed(state: DecoderState, log_probs: Floats, last: bool) -> list[Hypothesis]:
            state.stream.feed(log_probs)
            return state.stream.finish() if last else []

        if self._decoder.threads == 1 or len(inputs) == 1:
            rows = [feed(*item) for item in zip(states, inputs, is_eos_s, strict=True)]
        else:
            with ThreadPoolExecutor(self._decoder.threads) as pool:  # kernels release the GIL
                rows = list(pool.map(feed, states, inputs, is_eos_s))
        beams = max(map(len, rows), default=0)
        longest = max((len(hypothesis.tokens) for row in rows for hypothesis in row), default=0)
        return _like_input(self._pack(rows, beams, longest), probs)


class DecoderState:
    """State of an utterance between its chunks; it cannot be used after the last.

    Args:
        decoder: the decoder, with its current weights.
    """

    def __init__(self, decoder: OnlineCTCBeamDecoder) -> None:
        self.stream = StreamingDecoder(decoder._decoder)


def _like_input(answer: Answer, probs: Any) -> Answer:
    """Convert the arrays to tensors if the input was a tensor."""
    if not hasattr(probs, "detach"):
        return answer
    import torch  # installed, since the input is a tensor

    return tuple(torch.from_numpy(array) for array in answer)  # type: ignore[return-value]
