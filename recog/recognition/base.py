"""What transcribing sound and reading lines share: a loaded model, and log-probabilities -> a line
with its words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recog.decoding.ctc.viterbi import Timing, spans_of
from recog.decoding.greedy import best_path
from recog.decoding.rescoring.combination import SecondPass
from recog.decoding.rescoring.nbest import RESCORED
from recog.decoding.rescoring.test_time_augmentation import READINGS, Seen, decode_views, doubt_of
from recog.media.source import Source
from recog.model.recogniser_folder import Bundle, ModelConfig, open_bundle, shipped_name
from recog.model.runtime import open_runtime
from recog.recognition.decoders import (
    DEFAULT_BEAM,
    make_decoder,
    make_rescorer,
    make_word_finder,
    open_language_models,
    usable_hotwords,
)
from recog.recognition.options import Options, with_absolute_paths
from recog.recognition.words import Span, reorder_spans
from recog.text.alphabet import Alphabet
from recog.text.bidi import to_logical
from recog.transcript import Alternative, Line, Transcript, shortened

if TYPE_CHECKING:
    from recog.decoding.decoder import Decoder, Hypothesis
    from recog.decoding.lexicon.lexicon_decoding import WordFinder
    from recog.lm.trie import NGramTrie

logger = logging.getLogger(__name__)


DecodedText = tuple[
    str, list[Span], tuple[Alternative, ...]
]  # the text, its words, and other texts


@dataclass(eq=False, repr=False)
class Recogniser:
    """A model ready to use; see :func:`recog.load`. Subclasses know how to open their media.

    It pickles by its place: a process that unpickles it loads the model from its folder, with the
    same options.
    """

    bundle: Bundle
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        self._requested = self.options
        hotwords, left_out = usable_hotwords(self.bundle, self.options.hotwords)
        self.options = replace(self.options, hotwords=hotwords)
        for sentence in left_out:
            logger.warning(sentence)
        self.runtime = open_runtime(self.bundle)
        self.alphabet = Alphabet.from_list(self.config.symbols[1:])
        self.word_finder = make_word_finder(self.bundle, self.options)
        self._phone_decoder = (
            None if self.word_finder is None else self._make_phone_decoder(self.word_finder)
        )
        if self.word_finder is None:
            _ = self.decoder  # says now what does not go together in the options
        self.rescorer = make_rescorer(self.bundle, self.options)

    @property
    def config(self) -> ModelConfig:
        return self.bundle.config

    @property
    def timing(self) -> Timing:
        """From the frames that emit a symbol to the time it takes."""
        return Timing(offset=self.config.decoding.offset)

    def __reduce__(self) -> tuple[Callable[..., Recogniser], tuple[object, ...]]:
        return _reload, (
            type(self),
            shipped_name(self.bundle),
            with_absolute_paths(self._requested),
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.config.name}: {', '.join(self._summary())}>"

    def _summary(self) -> list[str]:
        """What the representation says: the alphabet's size, and options that are not as usual."""
        usual = type(self._requested)()
        changed = ((each.name, getattr(self._requested, each.name)) for each in fields(usual))
        options = [
            f"{name}={shortened(value)}" for name, value in changed if value != getattr(usual, name)
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
        """The beam search over the letters, None for the best path. Where words are found in
        sounds, only what is said of a sound that goes on needs it."""
        return self.decoders[0] if self.decoders else None

    @cached_property
    def language_models(self) -> list[NGramTrie]:
        """The usual language model, and those of other languages; empty where there is to be
        none."""
        return open_language_models(self.bundle, self.options)

    @cached_property
    def decoders(self) -> list[Decoder]:
        """A beam search with each of the language models, or one without; none for the best
        path."""
        made = [
            make_decoder(self.bundle, self.options, lm) for lm in (self.language_models or (None,))
        ]
        return [decoder for decoder in made if decoder is not None]

    def line_languages(self, lines: Sequence[NDArray[np.float32]]) -> list[int]:
        """Which of :attr:`decoders` suits each of some lines that follow each other, of
        log-probabilities (frames, symbols)."""
        alpha, _ = self.options.weights(self.config.decoding)
        if len(self.decoders) < 2 or not alpha:  # without a weight they are all the same
            return [0] * len(lines)
        from recog.decoding.rescoring.language_id import likeliest_models

        texts = [best_path(line) for line in lines]
        return likeliest_models(
            [[decoder.weight(text) / alpha for decoder in self.decoders] for text in texts]
        )

    def decode(
        self, posteriors: Seen, *, before: str | None = None, language: int | None = None
    ) -> DecodedText:
        """Text in logical order, word spans in frames, and alternatives where asked for.

        Args:
            posteriors: what the network makes of a line or segment. All views count for what the text is,
                the first says where its words are.
            before: the text that this one follows, as the network displays it, for the language
                model.
            language: which of :attr:`decoders`; None finds out.
        """
        temperature = (
            self.config.decoding.temperature if self.word_finder or self.decoders else 1.0
        )  # a best path has none
        views = [
            apply_temperature(self.decoded_log_probs(view), temperature)
            for view in (posteriors, *posteriors.again)
        ]
        if self.word_finder is not None and posteriors.sounds is not None:
            return self._decode_words(self.word_finder, views)
        log_probs = views[0]
        alternatives: tuple[Alternative, ...] = ()
        if self.decoder is None:
            tokens = best_path(log_probs)
        else:
            decoder = self.decoders[
                self.line_languages([posteriors.log_probs])[0] if language is None else language
            ]
            best = self._beam_search(decoder, views, before)
            if self.rescorer is not None:
                again = SecondPass(decoder, self.rescorer)
                best = again(best, views, before=before, every=self.options.n_best > 1)[
                    : self.options.n_best
                ]
            tokens = list(best[0].tokens)
            texts: dict[str, Hypothesis] = {}
            for hypothesis in best:  # white space tells no two apart
                texts.setdefault(self.logical_text(" ".join(hypothesis.text.split())), hypothesis)
            alternatives = tuple(Alternative(text, round(h.score, 4)) for text, h in texts.items())
        display = "".join(self.config.symbols[token] for token in tokens)
        spans = [
            (span.word, span.start, span.end, self.calibrate(span.confidence))
            for span in spans_of(log_probs, tokens, self.config.symbols, timing=self.timing)
        ]
        display = " ".join(display.split())
        text = self.logical_text(display)
        # words of a right-to-left line: their order and letters are the text's, not the image's
        if text != display:
            spans = reorder_spans(spans, text)
        return text, spans, alternatives if self.options.n_best > 1 else ()

    def decoded_log_probs(self, posteriors: Seen) -> NDArray[np.float32]:
        """What words are found in: (frames, sounds) where they are found in sounds, else (frames,
        symbols)."""
        return (
            posteriors.log_probs
            if self.word_finder is None or posteriors.sounds is None
            else posteriors.sounds
        )

    def needs_augmentation(self, log_probs: NDArray[np.float32]) -> bool:
        """Whether the other views are worth it, by the symbols (frames, symbols) that the first
        gives."""
        decoding = self.config.decoding
        beam = self.word_finder is not None or bool(self.decoders)
        looks = self.options.looks or ("auto" if beam else "once")
        return len(decoding.views) > 1 and (
            looks == "all" or (looks == "auto" and doubt_of(log_probs) > decoding.doubt)
        )

    def _make_phone_decoder(self, word_finder: WordFinder) -> Decoder:
        tuned, options = self.config.decoding, self.options
        alpha, beta = options.weights(tuned)
        return word_finder.decoder(
            beam_width=max(options.beam or tuned.beam or DEFAULT_BEAM, options.n_best),
            threads=1,
            alpha=alpha,
            beta=beta,
            sentence=tuned.sentence,
            unknown_cost=tuned.unknown_cost,
        )

    def _decode_words(
        self, word_finder: WordFinder, views: Sequence[NDArray[np.float32]]
    ) -> DecodedText:
        assert self._phone_decoder is not None
        best = self._beam_search(self._phone_decoder, views)
        if self.rescorer is not None:
            again = SecondPass(self._phone_decoder, self.rescorer, word_finder.texts)
            best = again(best, views, every=self.options.n_best > 1)[: self.options.n_best]
        said: dict[str, Hypothesis] = {}
        for hypothesis, text in zip(best, word_finder.texts(best), strict=True):
            said.setdefault(text, hypothesis)  # two ways to say the same are one reading
        best = [replace(hypothesis, text=text) for text, hypothesis in said.items()]
        spans = [
            (word, span.start, span.end, self.calibrate(span.confidence))
            for word, span in zip(
                best[0].text.split(),
                spans_of(views[0], best[0].tokens, word_finder.sounds, timing=self.timing),
                strict=True,
            )
        ]
        alternatives = tuple(Alternative(h.text, round(h.score, 4)) for h in best)
        return best[0].text, spans, alternatives if self.options.n_best > 1 else ()

    def _beam_search(
        self, decoder: Decoder, views: Sequence[NDArray[np.float32]], before: str | None = None
    ) -> list[Hypothesis]:
        """What the beam finds in a line, best first. Up to :data:`READINGS` may be wanted without
        changing which is the best."""
        wanted = self.options.n_best
        readings = wanted if self.rescorer is None else max(wanted, RESCORED)
        [found] = decode_views(
            decoder, [views], before=[before], n_best=readings, each=max(READINGS, wanted)
        )
        return found

    def warm_up(self) -> None:
        """Load, and at the first use on a machine compile, what decoding needs, so that no file
        waits for it."""
        if self.word_finder is not None or self.decoder is not None:
            symbols, sounds = (
                np.full((2, count), -np.log(max(1, count)), np.float32)
                for count in (len(self.config.symbols), len(self.config.sounds or ()))
            )
            for before in (None, self.config.symbols[-1]):
                self.decode(Seen(symbols, sounds if self.config.sounds else None), before=before)

    def logical_text(self, text: str) -> str:
        """The logical order of a text that the network gives: an image of a right-to-left script is
        read from the left."""
        return to_logical(text) if self.config.modality == "handwriting" else text

    def calibrate(self, confidence: float) -> float:
        """A word's confidence as the share of words that are right, where the model knows it."""
        return confidence if self.config.confidence is None else self.config.confidence(confidence)


def _reload(kind: type[Recogniser], place: str | Path, options: Options) -> Recogniser:
    """A recogniser from what it was pickled as."""
    return kind(open_bundle(place), options)


def apply_temperature(log_probs: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Log-probabilities (frames, symbols) divided by the temperature and normalised again."""
    if temperature == 1.0:
        return log_probs
    scaled = log_probs.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True)), np.float32)
