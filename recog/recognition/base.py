"""A recogniser: a loaded model, and log-probabilities decoded to a text with its words.

Speech and handwriting share it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recog.decoding.ctc.word_spans import Timing, word_spans
from recog.decoding.greedy import best_path
from recog.decoding.rescoring.combination import NBestCombination
from recog.decoding.rescoring.nbest import RESCORED
from recog.decoding.rescoring.test_time_augmentation import (
    READINGS,
    Posteriors,
    decode_variants,
    uncertainty_of,
)
from recog.media.source import Source
from recog.model.recogniser_folder import (
    ModelConfig,
    RecogniserFolder,
    open_recogniser_folder,
    shipped_name,
)
from recog.model.runtime import open_runtime
from recog.recognition.decoders import (
    DEFAULT_BEAM,
    make_decoder,
    make_lexicon_decoder,
    make_rescorer,
    open_language_models,
    usable_hotwords,
)
from recog.recognition.options import Options, with_absolute_paths
from recog.recognition.words import Span, reorder_spans
from recog.text.alphabet import Alphabet
from recog.text.bidi import to_logical
from recog.transcript import Alternative, Line, Transcript, abbreviate

if TYPE_CHECKING:
    from recog.decoding.decoder import Decoder, Hypothesis
    from recog.decoding.lexicon.lexicon_decoding import LexiconDecoder
    from recog.lm.trie import NGramTrie

logger = logging.getLogger(__name__)


DecodedText = tuple[str, list[Span], tuple[Alternative, ...]]  # text, words, alternatives


@dataclass(eq=False, repr=False)
class Recogniser:
    """A model ready to use; see :func:`recog.load`. Subclasses open their media.

    A pickle holds the path of the model: whoever unpickles it loads the model from there, with the
    same options.
    """

    model_folder: RecogniserFolder
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        self._requested = self.options
        hotwords, left_out = usable_hotwords(self.model_folder, self.options.hotwords)
        self.options = replace(self.options, hotwords=hotwords)
        for sentence in left_out:
            logger.warning(sentence)
        self.runtime = open_runtime(self.model_folder)
        self.alphabet = Alphabet.from_list(self.config.symbols[1:])
        self.lexicon_decoder = make_lexicon_decoder(self.model_folder, self.options)
        self._phone_decoder = (
            None if self.lexicon_decoder is None else self._make_phone_decoder(self.lexicon_decoder)
        )
        if self.lexicon_decoder is None:
            _ = self.decoder  # reports now which options exclude each other
        self.rescorer = make_rescorer(self.model_folder, self.options)

    @property
    def config(self) -> ModelConfig:
        return self.model_folder.config

    @property
    def timing(self) -> Timing:
        """Converts the frames that emit a symbol to its duration."""
        return Timing(offset=self.config.decoding.offset)

    def __reduce__(self) -> tuple[Callable[..., Recogniser], tuple[object, ...]]:
        return _reload, (
            type(self),
            shipped_name(self.model_folder),
            with_absolute_paths(self._requested),
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.config.name}: {', '.join(self._summary())}>"

    def _summary(self) -> list[str]:
        """Size of the alphabet, and the options that differ from the defaults, for ``repr``."""
        defaults = type(self._requested)()
        changed = ((each.name, getattr(self._requested, each.name)) for each in fields(defaults))
        options = [
            f"{name}={abbreviate(value)}"
            for name, value in changed
            if value != getattr(defaults, name)
        ]
        return [f"{len(self.config.symbols) - 1} symbols", *options]

    def transcribe(
        self,
        source: Source,
        *,
        name: str | None = None,
        advance: Callable[[float], None] | None = None,
        keep: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> Transcript:
        """Recognise one file; see the subclass."""
        raise NotImplementedError

    def stream(self, source: Source) -> Generator[Line, None, None]:
        """The lines of one file as they are recognised; see the subclass."""
        raise NotImplementedError

    @cached_property
    def decoder(self) -> Decoder | None:
        """The beam search over letters; None for the best path.

        A model that decodes phones needs it for partial texts alone.
        """
        return self.decoders[0] if self.decoders else None

    @cached_property
    def language_models(self) -> list[NGramTrie]:
        """The default language model, then those of other languages; may be empty."""
        return open_language_models(self.model_folder, self.options)

    @cached_property
    def decoders(self) -> list[Decoder]:
        """A beam search for each language model, or one without; empty for the best path."""
        decoders = [
            make_decoder(self.model_folder, self.options, lm)
            for lm in (self.language_models or (None,))
        ]
        return [decoder for decoder in decoders if decoder is not None]

    def line_languages(self, lines: Sequence[NDArray[np.float32]]) -> list[int]:
        """Identify the language of each of some consecutive lines, as an index in :attr:`decoders`.

        Args:
            lines: log-probabilities (frames, symbols) of each.
        """
        alpha, _ = self.options.weights(self.config.decoding)
        if len(self.decoders) < 2 or not alpha:  # without a weight they are all the same
            return [0] * len(lines)
        from recog.decoding.rescoring.language_id import identify_languages

        texts = [best_path(line) for line in lines]
        return identify_languages(
            [[decoder.weight(text) / alpha for decoder in self.decoders] for text in texts]
        )

    def decode(
        self, posteriors: Posteriors, *, before: str | None = None, language: int | None = None
    ) -> DecodedText:
        """Text in logical order, its word spans in frames, and alternatives where asked for.

        Args:
            posteriors: the network's output for a line or segment. All variants count for the text;
                the first gives the times of the words.
            before: the preceding line as the network displays it, for the language model.
            language: index in :attr:`decoders`; None identifies the language.
        """
        # the best path does not depend on the temperature
        temperature = (
            self.config.decoding.temperature if self.lexicon_decoder or self.decoders else 1.0
        )
        variants = [
            apply_temperature(self.decoded_log_probs(variant), temperature)
            for variant in (posteriors, *posteriors.variants)
        ]
        if self.lexicon_decoder is not None and posteriors.phones is not None:
            return self._decode_phones(self.lexicon_decoder, variants)
        if language is None:
            language = self.line_languages([posteriors.log_probs])[0]
        return self._decode_letters(variants, before, language)

    def _decode_letters(
        self, variants: Sequence[NDArray[np.float32]], before: str | None, language: int
    ) -> DecodedText:
        alternatives: tuple[Alternative, ...] = ()
        if self.decoder is None:
            tokens = best_path(variants[0])
        else:
            best = self._nbest(self.decoders[language], variants, before)
            tokens = list(best[0].tokens)
            texts: dict[str, Hypothesis] = {}
            for hypothesis in best:  # texts that differ in white space are the same
                texts.setdefault(self.logical_text(" ".join(hypothesis.text.split())), hypothesis)
            alternatives = tuple(Alternative(text, round(h.score, 4)) for text, h in texts.items())
        spans = [
            (span.word, span.start, span.end, self.calibrate(span.confidence))
            for span in word_spans(variants[0], tokens, self.config.symbols, timing=self.timing)
        ]
        display = " ".join("".join(self.config.symbols[token] for token in tokens).split())
        text = self.logical_text(display)
        if text != display:  # a right-to-left line: its words follow the text, not the image
            spans = reorder_spans(spans, text)
        return text, spans, alternatives if self.options.n_best > 1 else ()

    def _decode_phones(
        self, lexicon_decoder: LexiconDecoder, variants: Sequence[NDArray[np.float32]]
    ) -> DecodedText:
        assert self._phone_decoder is not None
        best = self._nbest(self._phone_decoder, variants, written=lexicon_decoder.texts)
        # two pronunciations of one text are one hypothesis
        by_text: dict[str, Hypothesis] = {}
        for hypothesis, text in zip(best, lexicon_decoder.texts(best), strict=True):
            by_text.setdefault(text, hypothesis)
        best = [replace(hypothesis, text=text) for text, hypothesis in by_text.items()]
        spans = [
            (word, span.start, span.end, self.calibrate(span.confidence))
            for word, span in zip(
                best[0].text.split(),
                word_spans(variants[0], best[0].tokens, lexicon_decoder.phones, timing=self.timing),
                strict=True,
            )
        ]
        alternatives = tuple(Alternative(h.text, round(h.score, 4)) for h in best)
        return best[0].text, spans, alternatives if self.options.n_best > 1 else ()

    def _nbest(
        self,
        decoder: Decoder,
        variants: Sequence[NDArray[np.float32]],
        before: str | None = None,
        written: Callable[[Sequence[Hypothesis]], list[str]] | None = None,
    ) -> list[Hypothesis]:
        """Hypotheses of the beam search, best first, rescored where there is a rescorer.

        Up to :data:`READINGS` may be asked for without a change of the best.

        Args:
            before: see :meth:`decode`.
            written: gives the texts of hypotheses; by default their symbols.
        """
        n_best = self.options.n_best
        [hypotheses] = decode_variants(
            decoder,
            [variants],
            before=[before],
            n_best=n_best if self.rescorer is None else max(n_best, RESCORED),
            per_variant=max(READINGS, n_best),
        )
        if self.rescorer is None:
            return hypotheses
        combine = (
            NBestCombination(decoder, self.rescorer)
            if written is None
            else NBestCombination(decoder, self.rescorer, written)
        )
        return combine(hypotheses, variants, before=before, include_distant=n_best > 1)[:n_best]

    def decoded_log_probs(self, posteriors: Posteriors) -> NDArray[np.float32]:
        """Log-probabilities to decode: (frames, phones) with a lexicon, else (frames, symbols)."""
        return (
            posteriors.log_probs
            if self.lexicon_decoder is None or posteriors.phones is None
            else posteriors.phones
        )

    def needs_augmentation(self, log_probs: NDArray[np.float32]) -> bool:
        """Whether to run the network on all variants of a line.

        Args:
            log_probs: (frames, symbols) of the first variant, which say how uncertain the line is.
        """
        decoding = self.config.decoding
        beam = self.lexicon_decoder is not None or bool(self.decoders)
        looks = self.options.looks or ("auto" if beam else "once")
        return len(decoding.views) > 1 and (
            looks == "all" or (looks == "auto" and uncertainty_of(log_probs) > decoding.doubt)
        )

    def _make_phone_decoder(self, lexicon_decoder: LexiconDecoder) -> Decoder:
        tuned, options = self.config.decoding, self.options
        alpha, beta = options.weights(tuned)
        return lexicon_decoder.make_decoder(
            beam_width=max(options.beam or tuned.beam or DEFAULT_BEAM, options.n_best),
            threads=1,
            alpha=alpha,
            beta=beta,
            sentence=tuned.sentence,
            unknown_cost=tuned.unknown_cost,
        )

    def warm_up(self) -> None:
        """Load what decoding needs, and compile it at the first use on a machine."""
        if self.lexicon_decoder is not None or self.decoder is not None:
            symbols, sounds = (
                np.full((2, count), -np.log(max(1, count)), np.float32)
                for count in (len(self.config.symbols), len(self.config.sounds or ()))
            )
            for before in (None, self.config.symbols[-1]):
                self.decode(
                    Posteriors(symbols, sounds if self.config.sounds else None), before=before
                )

    def logical_text(self, text: str) -> str:
        """The logical order of a text; the network reads every image from left to right."""
        return to_logical(text) if self.config.modality == "handwriting" else text

    def calibrate(self, confidence: float) -> float:
        """Calibrate a word's confidence to the share of right words, where the model can."""
        return confidence if self.config.confidence is None else self.config.confidence(confidence)


def _reload(kind: type[Recogniser], place: str | Path, options: Options) -> Recogniser:
    """Load a recogniser anew, to unpickle it."""
    return kind(open_recogniser_folder(place), options)


def apply_temperature(log_probs: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Log-probabilities (frames, symbols) divided by the temperature and normalised again."""
    if temperature == 1.0:
        return log_probs
    scaled = log_probs.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True)), np.float32)
