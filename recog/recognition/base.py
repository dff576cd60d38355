"""What transcribing sound and reading lines share: a loaded model, and log-probabilities -> a line
with its words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recog.decoding.ctc.word_spans import Timing, word_spans
from recog.decoding.fusion.hotwords import without_symbol
from recog.decoding.greedy import best_path
from recog.decoding.rescoring.combination import NBestCombination
from recog.decoding.rescoring.nbest import RESCORED
from recog.decoding.rescoring.test_time_augmentation import (
    READINGS,
    Posteriors,
    decode_variants,
    uncertainty_of,
)
from recog.errors import UsageError
from recog.media.source import Source
from recog.model.recogniser_folder import Bundle, ModelConfig, open_bundle, shipped_name
from recog.model.runtime import open_runtime
from recog.recognition.options import Options, with_absolute_paths
from recog.text.alphabet import Alphabet
from recog.text.bidi import to_display, to_logical
from recog.text.normalise import rule
from recog.transcript import Alternative, Line, Transcript, Word, shortened

if TYPE_CHECKING:
    from recog.decoding.decoder import Decoder
    from recog.decoding.hypothesis import Hypothesis
    from recog.decoding.lexicon.lexicon_decoding import LexiconDecoder
    from recog.decoding.rescoring.nbest import Rescorer
    from recog.lm.trie import NGramTrie

logger = logging.getLogger(__name__)
DEFAULT_BEAM = 25
RESCORE_WEIGHT = 0.3  # of one that was not tuned for the model
Span = tuple[str, float, float, float]  # word, its start and end in frames, confidence
Reading = tuple[str, list[Span], tuple[Alternative, ...]]  # the text, its words, and other texts


@dataclass(eq=False, repr=False)
class Recogniser:
    """A model ready to use; see :func:`recog.load`. Subclasses know how to open their media.

    It pickles by its place: a process that unpickles it loads the model from its folder, with the
    same options.
    """

    bundle: Bundle
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        self._given = self.options
        hotwords, left_out = usable_hotwords(self.bundle, self.options.hotwords)
        self.options = replace(self.options, hotwords=hotwords)
        for sentence in left_out:
            logger.warning(sentence)
        self.runtime = open_runtime(self.bundle)
        self.alphabet = Alphabet.from_list(self.config.symbols[1:])
        self.lexicon_decoder = make_lexicon_decoder(self.bundle, self.options)
        self._sound_decoder = (
            None if self.lexicon_decoder is None else self._make_sound_decoder(self.lexicon_decoder)
        )
        if self.lexicon_decoder is None:
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
        return _reloaded, (type(self), shipped_name(self.bundle), with_absolute_paths(self._given))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.config.name}: {', '.join(self._about())}>"

    def _about(self) -> list[str]:
        """What the representation says: the alphabet's size, and options that are not as usual."""
        usual = type(self._given)()
        changed = ((each.name, getattr(self._given, each.name)) for each in fields(usual))
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

    def languages_of(self, lines: Sequence[NDArray[np.float32]]) -> list[int]:
        """Which of :attr:`decoders` suits each of some lines that follow each other, of
        log-probabilities (frames, symbols)."""
        alpha, _ = self.options.weights(self.config.decoding)
        if len(self.decoders) < 2 or not alpha:  # without a weight they are all the same
            return [0] * len(lines)
        from recog.decoding.rescoring.language_id import identify_languages

        texts = [best_path(line) for line in lines]
        return identify_languages(
            [[decoder.weight(text) / alpha for decoder in self.decoders] for text in texts]
        )

    def decode(
        self, seen: Posteriors, *, before: str | None = None, language: int | None = None
    ) -> Reading:
        """Text in logical order, word spans in frames, and alternatives where asked for.

        Args:
            seen: what the network makes of a line or segment. All views count for what the text is,
                the first says where its words are.
            before: the text that this one follows, as the network displays it, for the language
                model.
            language: which of :attr:`decoders`; None finds out.
        """
        temperature = (
            self.config.decoding.temperature if self.lexicon_decoder or self.decoders else 1.0
        )  # a best path has none
        views = [tempered(self.decoded_of(view), temperature) for view in (seen, *seen.variants)]
        if self.lexicon_decoder is not None and seen.phones is not None:
            return self._found_words(self.lexicon_decoder, views)
        log_probs = views[0]
        alternatives: tuple[Alternative, ...] = ()
        if self.decoder is None:
            tokens = best_path(log_probs)
        else:
            decoder = self.decoders[
                self.languages_of([seen.log_probs])[0] if language is None else language
            ]
            best = self._readings(decoder, views, before)
            if self.rescorer is not None:
                combine = NBestCombination(decoder, self.rescorer)
                best = combine(best, views, before=before, include_distant=self.options.n_best > 1)[
                    : self.options.n_best
                ]
            tokens = list(best[0].tokens)
            texts: dict[str, Hypothesis] = {}
            for hypothesis in best:  # white space tells no two apart
                texts.setdefault(self.reading_order(" ".join(hypothesis.text.split())), hypothesis)
            alternatives = tuple(Alternative(text, round(h.score, 4)) for text, h in texts.items())
        display = "".join(self.config.symbols[token] for token in tokens)
        spans = [
            (span.word, span.start, span.end, self.calibrated(span.confidence))
            for span in word_spans(log_probs, tokens, self.config.symbols, timing=self.timing)
        ]
        display = " ".join(display.split())
        text = self.reading_order(display)
        # words of a right-to-left line: their order and letters are the text's, not the image's
        if text != display:
            spans = reorder(spans, text)
        return text, spans, alternatives if self.options.n_best > 1 else ()

    def decoded_of(self, seen: Posteriors) -> NDArray[np.float32]:
        """What words are found in: (frames, sounds) where they are found in sounds, else (frames,
        symbols)."""
        return (
            seen.log_probs if self.lexicon_decoder is None or seen.phones is None else seen.phones
        )

    def looks_again(self, log_probs: NDArray[np.float32]) -> bool:
        """Whether the other views are worth it, by the symbols (frames, symbols) that the first
        gives."""
        decoding = self.config.decoding
        beam = self.lexicon_decoder is not None or bool(self.decoders)
        looks = self.options.looks or ("auto" if beam else "once")
        return len(decoding.views) > 1 and (
            looks == "all" or (looks == "auto" and uncertainty_of(log_probs) > decoding.doubt)
        )

    def _make_sound_decoder(self, lexicon_decoder: LexiconDecoder) -> Decoder:
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

    def _found_words(
        self, lexicon_decoder: LexiconDecoder, views: Sequence[NDArray[np.float32]]
    ) -> Reading:
        assert self._sound_decoder is not None
        best = self._readings(self._sound_decoder, views)
        if self.rescorer is not None:
            combine = NBestCombination(self._sound_decoder, self.rescorer, lexicon_decoder.texts)
            best = combine(best, views, include_distant=self.options.n_best > 1)[
                : self.options.n_best
            ]
        said: dict[str, Hypothesis] = {}
        for hypothesis, text in zip(best, lexicon_decoder.texts(best), strict=True):
            said.setdefault(text, hypothesis)  # two ways to say the same are one reading
        best = [replace(hypothesis, text=text) for text, hypothesis in said.items()]
        spans = [
            (word, span.start, span.end, self.calibrated(span.confidence))
            for word, span in zip(
                best[0].text.split(),
                word_spans(views[0], best[0].tokens, lexicon_decoder.phones, timing=self.timing),
                strict=True,
            )
        ]
        alternatives = tuple(Alternative(h.text, round(h.score, 4)) for h in best)
        return best[0].text, spans, alternatives if self.options.n_best > 1 else ()

    def _readings(
        self, decoder: Decoder, views: Sequence[NDArray[np.float32]], before: str | None = None
    ) -> list[Hypothesis]:
        """What the beam finds in a line, best first. Up to :data:`READINGS` may be wanted without
        changing which is the best."""
        wanted = self.options.n_best
        readings = wanted if self.rescorer is None else max(wanted, RESCORED)
        [found] = decode_variants(
            decoder, [views], before=[before], n_best=readings, per_variant=max(READINGS, wanted)
        )
        return found

    def warm_up(self) -> None:
        """Load, and at the first use on a machine compile, what decoding needs, so that no file
        waits for it."""
        if self.lexicon_decoder is not None or self.decoder is not None:
            symbols, sounds = (
                np.full((2, count), -np.log(max(1, count)), np.float32)
                for count in (len(self.config.symbols), len(self.config.sounds or ()))
            )
            for before in (None, self.config.symbols[-1]):
                self.decode(
                    Posteriors(symbols, sounds if self.config.sounds else None), before=before
                )

    def reading_order(self, text: str) -> str:
        """The logical order of a text that the network gives: an image of a right-to-left script is
        read from the left."""
        return to_logical(text) if self.config.modality == "handwriting" else text

    def calibrated(self, confidence: float) -> float:
        """A word's confidence as the share of words that are right, where the model knows it."""
        return confidence if self.config.confidence is None else self.config.confidence(confidence)


def _reloaded(kind: type[Recogniser], place: str | Path, options: Options) -> Recogniser:
    """A recogniser from what it was pickled as."""
    return kind(open_bundle(place), options)


def usable_hotwords(
    bundle: Bundle, hotwords: Mapping[str, float]
) -> tuple[dict[str, float], list[str]]:
    """Hotwords as a model's texts have them, and a sentence for each that it cannot write.

    For a model of lower case, say, ``Mother-in-Law`` is ``mother in law``.
    """
    config = bundle.config
    written, usable, left_out = (
        rule(config.normalise, config.languages),
        dict[str, float](),
        list[str](),
    )
    for phrase, boost in hotwords.items():
        text = " ".join(written(phrase).split())
        shown = to_display(text) if config.modality == "handwriting" else text
        missing = without_symbol(shown, config.symbols[1:])
        if phrase.strip() and not text:
            left_out.append(f"The hotword '{phrase}' is left out: the model writes nothing of it.")
        elif missing is not None:
            left_out.append(
                f"The hotword '{phrase}' is left out: the model has no symbol for '{missing}'."
            )
        else:
            usable[text] = max(boost, usable.get(text, boost))
    return usable, left_out


def make_decoder(bundle: Bundle, options: Options, lm: NGramTrie | None) -> Decoder | None:
    """The beam search that the options ask for, with this language model; None for the best path.

    Raises:
        UsageError: the options do not go together.
    """
    tuned = bundle.config.decoding
    n_best = options.n_best
    wanted = (
        lm is not None or options.hotwords or n_best > 1 or options.rescore not in (None, "none")
    )
    beam = (
        options.beam if options.beam is not None else tuned.beam or (DEFAULT_BEAM if wanted else 0)
    )
    if lm is None and (options.alpha is not None or options.beta is not None):
        raise UsageError(
            "The weights alpha and beta belong to a language model; give one, or leave them out."
        )
    if beam == 0:
        if wanted:
            raise UsageError(
                "A language model, hotwords and alternatives need a beam of at least 1."
            )
        if options.looks == "all" and options.beam == 0:
            raise UsageError(
                "A best path reads the first view alone: to look at all of them takes a beam of at least 1."
            )
        return None
    from recog.decoding.decoder import Decoder

    alpha, beta = options.weights(tuned)
    # the network reads from the left
    in_display = to_display if bundle.config.modality == "handwriting" else str
    return Decoder(
        list(bundle.config.symbols),
        beam_width=max(beam, n_best),
        threads=1,
        lm=lm,
        alpha=alpha,
        beta=beta,
        hotwords={in_display(phrase): boost for phrase, boost in options.hotwords.items()},
        sentence=tuned.sentence,
        unknown_cost=tuned.unknown_cost,
    )


def open_language_models(bundle: Bundle, options: Options) -> list[NGramTrie]:
    """The language models that the options leave in use: the usual one, then those of other
    languages.

    A model with language models of its own uses them, unless a beam of 0 is asked for.

    Raises:
        UserError: one cannot be read, or (UsageError) the model knows nothing of the language.
    """
    if options.language is not None and options.lm is not None:
        raise UsageError(
            "A language chooses among the model's own language models; leave out the one or the other."
        )
    if options.lm is not None:
        paths = [] if str(options.lm) == "none" else [Path(options.lm)]
    else:
        paths = own_language_models(bundle, options)
    if not paths:
        return []
    from recog.lm.binary import load_lm

    return [load_lm(path) for path in paths]


def own_language_models(bundle: Bundle, options: Options) -> list[Path]:
    """The language models of the model's own, where the options leave them in use; the usual one
    first.

    Raises:
        UsageError: the options name a language that the model has nothing to do with.
    """
    usual, others = bundle.config.decoding.lm, bundle.config.decoding.languages
    names = [] if usual is None else [usual, *others.values()]
    if options.language is not None:
        known = dict.fromkeys(bundle.config.languages, usual) | others
        wanted = {name.casefold(): file for name, file in known.items()}
        if options.language.casefold() not in wanted:
            raise UsageError(
                f"The model {bundle.config.name} is for {' and '.join(known) or 'no language that it names'}, "
                f"not for {options.language}."
            )
        names = [name for name in names if name == wanted[options.language.casefold()]]
    return [] if options.beam == 0 else [bundle.file(name) for name in names]


def make_lexicon_decoder(bundle: Bundle, options: Options) -> LexiconDecoder | None:
    """What finds words in the sounds that the model hears; None where it hears none, or there is to
    be no language model of words: then its letters are decoded. A hotword of which nobody knows how
    it is said is left out, with a warning."""
    model = model_of_words(bundle, options)
    if model is None:
        return None
    from recog.decoding.lexicon.lexicon_decoding import LexiconDecoder

    lexicon_decoder = LexiconDecoder(bundle, model, options.hotwords)
    for phrase in lexicon_decoder.unknown:
        logger.warning(
            "The hotword '%s' is left out: the model does not know how it is said.", phrase
        )
    return lexicon_decoder


def model_of_words(bundle: Bundle, options: Options) -> NGramTrie | None:
    """The language model whose words are found in the sounds that the model hears; None where its
    letters are decoded."""
    if not bundle.config.sounds or not bundle.config.decoding.sounds or options.beam == 0:
        return None
    model = next(iter(open_language_models(bundle, options)), None)
    return model if model is not None and model.unit == "word" else None


def make_rescorer(bundle: Bundle, options: Options) -> Rescorer | None:
    """What orders the readings anew, where the options leave it in use.

    Raises:
        UserError: its model cannot be read.
    """
    weight, tuned = options.rescore_weight, bundle.config.decoding.rescoring
    if options.rescore is None and (tuned is None or options.lm is not None or options.beam == 0):
        return None
    if str(options.rescore) == "none" or weight == 0.0:
        return None
    from recog.decoding.rescoring.nbest import Rescorer
    from recog.lm.neural import NeuralLM

    if options.rescore is not None:
        lm = NeuralLM.open(options.rescore).expecting(options.hotwords)
        return Rescorer(lm, RESCORE_WEIGHT if weight is None else weight)
    assert tuned is not None
    lm = NeuralLM.within(bundle, unknown_cost=tuned.unknown_cost).expecting(options.hotwords)
    return Rescorer(lm, tuned.weight if weight is None else weight, tuned.interpolate, tuned.margin)


def tempered(log_probs: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Log-probabilities (frames, symbols) divided by the temperature and normalised again."""
    if temperature == 1.0:
        return log_probs
    scaled = log_probs.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True)), np.float32)


def reorder(spans: list[Span], text: str) -> list[Span]:
    """Give the words of ``text`` (logical order) the places of the displayed words that they are.

    A word that stands there several times takes its places from the right, where such a line
    begins; one whose display alone does not tell it (a number that turned, a bracket) takes the
    rightmost place that no other word has.
    """
    places: dict[str, list[int]] = {}
    for i, span in enumerate(spans):
        places.setdefault(to_logical(span[0]), []).append(i)
    words = text.split()
    found = [places[word].pop() if places.get(word) else None for word in words]
    free = sorted({*range(len(spans))} - {*found})
    order = [free.pop() if i is None and free else i for i in found]
    return [(word, *spans[i][1:]) for word, i in zip(words, order, strict=True) if i is not None]


def make_words(spans: list[Span], seconds: Callable[[float], float]) -> tuple[Word, ...]:
    """Words with times, ``seconds`` giving the time at which a frame begins."""
    return tuple(
        Word(word, round(seconds(a), 3), round(seconds(b), 3), confidence=round(min(1.0, c), 4))
        for word, a, b, c in spans
    )


def line_confidence(spans: list[Span]) -> float | None:
    """Mean confidence of the words, weighted by their length; None without words."""
    if not spans:
        return None
    weights = [len(word) for word, _, _, _ in spans]
    return round(min(1.0, float(np.average([c for _, _, _, c in spans], weights=weights))), 4)
