"""Search for the decoding with the lowest error rate: weights, temperature and beam.

The network's outputs are computed once and decoded with each setting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recog.decoding.ctc.word_spans import word_spans
from recog.decoding.decoder import Decoder
from recog.decoding.greedy import best_path
from recog.decoding.hypothesis import Hypothesis
from recog.decoding.lexicon.lexicon_decoding import LexiconDecoder
from recog.decoding.rescoring.combination import NBestCombination
from recog.decoding.rescoring.language_id import identify_languages
from recog.decoding.rescoring.nbest import RESCORED, Rescorer
from recog.decoding.rescoring.test_time_augmentation import Posteriors, decode_variants
from recog.evaluation.counts import Pair
from recog.evaluation.result import Result
from recog.evaluation.score import evaluate
from recog.lm.trie import NGramTrie
from recog.recognition.base import apply_temperature
from recog.recognition.words import Span, reorder_spans

Metric = Literal["wer", "cer"]
STEPS = {"alpha": 0.2, "beta": 0.5, "unknown_cost": 1.0, "temperature": 0.2}
RANGES = {
    "alpha": (0.0, 5.0),
    "beta": (-5.0, 8.0),
    "unknown_cost": (0.0, 10.0),
    "temperature": (0.4, 3.0),
}
ROUNDS = 3  # of ever smaller steps
BEAMS = (8, 16, 25, 50, 100)
GAIN = 0.001  # in the error rate, for a wider beam


@dataclass(frozen=True)
class Utterance:
    """An utterance or line: the network's outputs for its pieces, and its reference text."""

    name: str
    pieces: tuple[Posteriors, ...]
    text: str
    group: str | None


@dataclass(frozen=True)
class Setting:
    """Weights, temperature and beam; see :class:`recog.decoding.Decoder`."""

    alpha: float = 0.5
    beta: float = 0.5
    unknown_cost: float = 2.0
    temperature: float = 1.0
    beam: int = 25


@dataclass
class Search:
    """Error rates by setting, each measured once.

    Args:
        symbols: the model's, the blank first.
        lms: the usual language model, then those of other languages. Each utterance is decoded with
            that of its language.
        metric: the error rate to lower.
        normalise: name of the normalisation of texts.
        sentence: see :class:`recog.decoding.Decoder`.
        in_order: converts the network's order of a text to the logical order.
        lexicon_decoder: the lexicon of a model with phones; the phones are then decoded.
        rescorer: rescores the N-best lists.
        report: called with each setting and its result.
    """

    symbols: Sequence[str]
    utterances: Sequence[Utterance]
    lms: Sequence[NGramTrie]
    metric: Metric
    normalise: str
    sentence: bool = False
    threads: int | None = None
    in_order: Callable[[str], str] = str
    lexicon_decoder: LexiconDecoder | None = None
    rescorer: Rescorer | None = None
    report: Callable[[Setting, Result], None] = lambda setting, result: None
    results: dict[Setting, Result] = field(default_factory=dict)

    def measure(self, setting: Setting) -> float:
        """The error rate of a setting."""
        if setting not in self.results:
            self.results[setting] = evaluate(
                self.pairs(setting), normalise=self.normalise, confusions=0
            )
            self.report(setting, self.results[setting])
        return rate_of(self.results[setting], self.metric)

    def pairs(self, setting: Setting) -> list[Pair]:
        """Decoded texts with their references."""
        return [
            Pair(
                u.name,
                u.text,
                self.in_order(" ".join(" ".join(map(self.transcript, hypotheses)).split())),
                u.group,
            )
            for u, hypotheses in zip(self.utterances, self.hypotheses(setting), strict=True)
        ]

    def hypotheses(self, setting: Setting) -> list[list[Hypothesis]]:
        """The best hypothesis of each piece of each utterance."""
        rescorer = self.rescorer
        if rescorer is None:
            return [[best for best, *_ in pieces] for pieces in self.readings(setting, 1)]
        candidates = self.readings(setting, RESCORED)
        passes = [
            NBestCombination(decoder, rescorer, self.transcripts)
            for decoder in self.decoders(setting)
        ]
        return [
            [
                passes[model](readings, self.views(piece, setting))[0]
                for piece, readings in zip(utterance.pieces, pieces, strict=True)
            ]
            for utterance, pieces, model in zip(
                self.utterances, candidates, self.models, strict=True
            )
        ]

    def readings(self, setting: Setting, n_best: int) -> list[list[list[Hypothesis]]]:
        """N-best lists of each piece of each utterance, without rescoring."""
        hypotheses: list[list[list[Hypothesis]]] = [[] for _ in self.utterances]
        for model, decoder in enumerate(self.decoders(setting)):
            chosen = [i for i, other in enumerate(self.models) if other == model]
            pieces = [
                self.views(piece, setting) for i in chosen for piece in self.utterances[i].pieces
            ]
            best = iter(decode_variants(decoder, pieces, n_best=n_best))
            for i in chosen:
                hypotheses[i] = [next(best) for _ in self.utterances[i].pieces]
        return hypotheses

    def views(self, piece: Posteriors, setting: Setting) -> list[NDArray[np.float32]]:
        """Log-probabilities of a piece's variants, at the setting's temperature."""
        return [
            apply_temperature(self.log_probs(view), setting.temperature)
            for view in (piece, *piece.variants)
        ]

    @cached_property
    def models(self) -> list[int]:
        """Index of each utterance's language model."""
        # phones are decoded with the usual one
        if len(self.lms) < 2 or self.lexicon_decoder is not None:
            return [0] * len(self.utterances)
        scorers = [Decoder(self.symbols, lm=lm, alpha=1.0, beta=0.0) for lm in self.lms]
        texts = [[best_path(piece.log_probs) for piece in u.pieces] for u in self.utterances]
        return [
            identify_languages([[sum(map(scorer.weight, text)) for scorer in scorers]])[0]
            for text in texts
        ]

    def best_path(self, utterance: Utterance) -> str:
        """The text of best path, in the network's order."""
        pieces = (
            "".join(self.symbols[k] for k in best_path(piece.log_probs))
            for piece in utterance.pieces
        )
        return " ".join(" ".join(pieces).split())

    def log_probs(self, piece: Posteriors) -> NDArray[np.float32]:
        """Log-probabilities of one variant: of phones with a lexicon, else of symbols."""
        if self.lexicon_decoder is None:
            return piece.log_probs
        assert piece.phones is not None
        return piece.phones

    def transcript(self, hypothesis: Hypothesis) -> str:
        """The text of a hypothesis."""
        return self.transcripts([hypothesis])[0]

    def transcripts(self, hypotheses: Sequence[Hypothesis]) -> list[str]:
        """The texts of hypotheses."""
        if self.lexicon_decoder is None:
            return [hypothesis.text for hypothesis in hypotheses]
        return self.lexicon_decoder.texts(hypotheses)

    def spans(self, piece: NDArray[np.float32], hypothesis: Hypothesis) -> list[Span]:
        """The words of a decoded piece in logical order, with their raw confidences."""
        symbols = self.symbols if self.lexicon_decoder is None else self.lexicon_decoder.phones
        spans = word_spans(piece, hypothesis.tokens, symbols)
        words = (
            [s.word for s in spans]
            if self.lexicon_decoder is None
            else self.lexicon_decoder.words_of(hypothesis)
        )
        shown = [(word, s.start, s.end, s.confidence) for word, s in zip(words, spans, strict=True)]
        text = self.in_order(" ".join(words))
        return shown if text == " ".join(words) else reorder_spans(shown, text)

    def decoders(self, setting: Setting) -> list[Decoder]:
        """A decoder for each language model."""
        options: dict[str, Any] = {
            "beam_width": setting.beam,
            "threads": self.threads,
            "alpha": setting.alpha,
            "beta": setting.beta,
            "unknown_cost": setting.unknown_cost,
            "sentence": self.sentence,
        }
        if self.lexicon_decoder is not None:
            return [self.lexicon_decoder.make_decoder(**options)]
        return [Decoder(self.symbols, lm=lm, **options) for lm in (self.lms or (None,))]

    def run(self, start: Setting, names: Sequence[str]) -> Setting:
        """Pattern search (Hooke and Jeeves 1961) over ``names``.

        It steps along each coordinate while that helps, then halves the steps.
        """
        best = start
        steps = {name: STEPS[name] for name in names}
        for _ in range(ROUNDS):
            improved = True
            while improved:
                improved = False
                for name in names:
                    candidate = min(_neighbours(best, name, steps[name]), key=self.measure)
                    if self.measure(candidate) < self.measure(best):
                        best, improved = candidate, True
            steps = {name: step / 2 for name, step in steps.items()}
        return best

    def choose_beam(self, setting: Setting, beams: Sequence[int] = BEAMS) -> Setting:
        """The narrowest beam within 0.1 points of the best."""
        candidates = [replace(setting, beam=beam) for beam in sorted({*beams, setting.beam})]
        best = min(map(self.measure, candidates))
        return next(candidate for candidate in candidates if self.measure(candidate) <= best + GAIN)


def rate_of(result: Result, metric: Metric) -> float:
    """The error rate by the metric."""
    return result.wer.rate if metric == "wer" else result.cer.rate


def _neighbours(setting: Setting, name: str, step: float) -> list[Setting]:
    low, high = RANGES[name]
    value = getattr(setting, name)
    moved = [round(min(high, max(low, value + sign * step)), 4) for sign in (-1, 1)]
    return [replace(setting, **{name: other}) for other in moved]


def evaluate_best_path(search: Search) -> Result:
    """Error rates of best path on the same data."""
    pairs = [
        Pair(u.name, u.text, search.in_order(search.best_path(u)), u.group)
        for u in search.utterances
    ]
    return evaluate(pairs, normalise=search.normalise, confusions=0)
