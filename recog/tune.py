"""How a model's outputs are best decoded, found on data that it was not trained on: weights of the language model,
temperature and beam, by search over log-probabilities that are computed once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recog.corpora.manifest import Row, modality
from recog.decoding.align import spans_of
from recog.decoding.best_path import best_path
from recog.decoding.choice import likeliest_models
from recog.decoding.confidence import (
    calibrate,
    correct_words,
    expected_calibration_error,
    reliability,
    reliability_svg,
)
from recog.decoding.decoder import Decoder, Hypothesis
from recog.decoding.views import Seen, decode_views
from recog.errors import UsageError, UserError
from recog.evaluation.counts import Pair
from recog.evaluation.rules import normalisation
from recog.evaluation.score import Result, evaluate
from recog.lm.binary import load_lm
from recog.lm.trie import NGramTrie
from recog.model.bundle import Bundle, update_bundle
from recog.model.config import Calibration, DecodingConfig, View
from recog.model.folder import PRONUNCIATIONS
from recog.recogniser import Recogniser, Span, reorder, tempered
from recog.runner import pieces_of
from recog.text.bidi import to_logical
from recog.text.normalise import rule
from recog.text.pronunciations import pronunciations_bytes
from recog.word_finder import WordFinder

Metric = Literal["wer", "cer"]
STEPS = {"alpha": 0.2, "beta": 0.5, "unknown_cost": 1.0, "temperature": 0.2}
RANGES = {"alpha": (0.0, 5.0), "beta": (-5.0, 8.0), "unknown_cost": (0.0, 10.0), "temperature": (0.4, 3.0)}
ROUNDS = 3  # times the steps are halved
BEAMS = (8, 16, 25, 50, 100)
MIN_WORDS = 100
PLOT = "reliability.svg"
HEADING = "## Decoding"
GAIN = 0.001  # a wider beam must lower the error rate by so much


@dataclass(frozen=True)
class Utterance:
    """What is decoded again and again: what the network makes of its pieces, and its true text."""

    name: str
    pieces: tuple[Seen, ...]
    text: str
    group: str | None


@dataclass(frozen=True)
class Setting:
    """One way to decode; see :class:`recog.decoding.Decoder`."""

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
        utterances: the data.
        lms: the usual language model, then those of other languages; each utterance is decoded with the one that suits it.
        metric: what is lowered.
        normalise: name of the normalisation of texts.
        sentence: see :class:`recog.decoding.Decoder`.
        in_order: from the order in which the network reads to that of the text.
        word_finder: for a model that hears sounds, with the usual language model; then these are decoded.
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
    word_finder: WordFinder | None = None
    report: Callable[[Setting, Result], None] = lambda setting, result: None
    results: dict[Setting, Result] = field(default_factory=dict)

    def measure(self, setting: Setting) -> float:
        """The error rate of a setting."""
        if setting not in self.results:
            self.results[setting] = evaluate(self.pairs(setting), normalise=self.normalise, confusions=0)
            self.report(setting, self.results[setting])
        return _rate(self.results[setting], self.metric)

    def pairs(self, setting: Setting) -> list[Pair]:
        """Texts as decoded with a setting, beside the true ones."""
        return [
            Pair(u.name, u.text, self.in_order(" ".join(" ".join(map(self.text, found)).split())), u.group)
            for u, found in zip(self.utterances, self.hypotheses(setting), strict=True)
        ]

    def hypotheses(self, setting: Setting) -> list[list[Hypothesis]]:
        """The best of each piece of each utterance."""
        found: list[list[Hypothesis]] = [[] for _ in self.utterances]
        for model, decoder in enumerate(self.decoders(setting)):
            own = [i for i, other in enumerate(self.models) if other == model]
            pieces = [
                [tempered(self.seen(view), setting.temperature) for view in (p, *p.again)]
                for i in own
                for p in self.utterances[i].pieces
            ]
            best = iter(decode_views(decoder, pieces))
            for i in own:
                found[i] = [next(best)[0] for _ in self.utterances[i].pieces]
        return found

    @cached_property
    def models(self) -> list[int]:
        """Which of the language models each utterance is decoded with."""
        if len(self.lms) < 2 or self.word_finder is not None:  # sounds are decoded with the usual one
            return [0] * len(self.utterances)
        scorers = [Decoder(self.symbols, lm=lm, alpha=1.0, beta=0.0) for lm in self.lms]
        texts = [[best_path(piece.log_probs) for piece in u.pieces] for u in self.utterances]
        return [likeliest_models([[sum(map(scorer.weight, text)) for scorer in scorers]])[0] for text in texts]

    def best_path(self, utterance: Utterance) -> str:
        """What the network alone reads, as it displays it."""
        pieces = ("".join(self.symbols[k] for k in best_path(piece.log_probs)) for piece in utterance.pieces)
        return " ".join(" ".join(pieces).split())

    def seen(self, piece: Seen) -> NDArray[np.float32]:
        """What is decoded of a piece."""
        if self.word_finder is None:
            return piece.log_probs
        assert piece.sounds is not None
        return piece.sounds

    def text(self, hypothesis: Hypothesis) -> str:
        """What is written of it."""
        return hypothesis.text if self.word_finder is None else " ".join(self.word_finder.written(hypothesis))

    def spans(self, piece: NDArray[np.float32], hypothesis: Hypothesis) -> list[Span]:
        """The words of a piece that was decoded, in the order of the text, with their raw confidences."""
        symbols = self.symbols if self.word_finder is None else self.word_finder.sounds
        found = spans_of(piece, hypothesis.tokens, symbols)
        words = [s.word for s in found] if self.word_finder is None else self.word_finder.written(hypothesis)
        shown = [(word, s.start, s.end, s.confidence) for word, s in zip(words, found, strict=True)]
        text = self.in_order(" ".join(words))
        return shown if text == " ".join(words) else reorder(shown, text)

    def decoders(self, setting: Setting) -> list[Decoder]:
        """One with each language model."""
        options: dict[str, Any] = {
            "beam_width": setting.beam,
            "threads": self.threads,
            "alpha": setting.alpha,
            "beta": setting.beta,
            "unknown_cost": setting.unknown_cost,
            "sentence": self.sentence,
        }
        if self.word_finder is not None:
            return [self.word_finder.decoder(**options)]
        return [Decoder(self.symbols, lm=lm, **options) for lm in (self.lms or (None,))]

    def run(self, start: Setting, names: Sequence[str]) -> Setting:
        """Pattern search (Hooke and Jeeves 1961): step along each coordinate while that helps, then halve the steps."""
        best = start
        steps = {name: STEPS[name] for name in names}
        for _ in range(ROUNDS):
            improved = True
            while improved:
                improved = False
                for name in names:
                    found = min(_neighbours(best, name, steps[name]), key=self.measure)
                    if self.measure(found) < self.measure(best):
                        best, improved = found, True
            steps = {name: step / 2 for name, step in steps.items()}
        return best

    def choose_beam(self, setting: Setting, beams: Sequence[int] = BEAMS) -> Setting:
        """The narrowest beam that is as good as the best one, but for 0.1 points."""
        candidates = [replace(setting, beam=beam) for beam in sorted({*beams, setting.beam})]
        best = min(map(self.measure, candidates))
        return next(candidate for candidate in candidates if self.measure(candidate) <= best + GAIN)


def _rate(result: Result, metric: Metric) -> float:
    return result.wer.rate if metric == "wer" else result.cer.rate


def _neighbours(setting: Setting, name: str, step: float) -> list[Setting]:
    low, high = RANGES[name]
    value = getattr(setting, name)
    moved = [round(min(high, max(low, value + sign * step)), 4) for sign in (-1, 1)]
    return [replace(setting, **{name: other}) for other in moved]


def collect(recogniser: Recogniser, rows: Sequence[Row], normalise: Callable[[str], str]) -> Iterator[Utterance]:
    """Run the network over each row, once.

    Raises:
        UsageError: the model is for another kind of media.
        UserError: nothing is to be had from any row.
    """
    if modality(rows) != recogniser.config.modality:
        raise UsageError(f"The model is for {recogniser.config.modality}, and the data is {modality(rows)}.")
    count = 0
    for i, row in enumerate(rows):
        try:
            pieces = tuple(pieces_of(recogniser, row))
        except UserError:
            continue
        count += 1
        yield Utterance(f"{row.media.name}#{i}", pieces, normalise(row.text), row.group)
    if count == 0:
        raise UserError("None of the rows could be read.")


def summary(setting: Setting, result: Result, baseline: Result, what: str) -> dict[str, Any]:
    """What the model's config and card say about the tuning."""
    return {
        "data": what,
        "utterances": result.n,
        "wer": round(result.wer.rate, 4),
        "cer": round(result.cer.rate, 4),
        "best_path_wer": round(baseline.wer.rate, 4),
        "best_path_cer": round(baseline.cer.rate, 4),
        "beam": setting.beam,
    }


def best_path_result(search: Search) -> Result:
    """The same data without a beam and a language model."""
    pairs = [Pair(u.name, u.text, search.in_order(search.best_path(u)), u.group) for u in search.utterances]
    return evaluate(pairs, normalise=search.normalise, confusions=0)


def dev_rows(data: Path) -> list[Row]:
    """The rows to tune on: of a manifest or a folder those of no split and of dev, of a recipe its dev rows."""
    if data.suffix.lower() in (".yaml", ".yml"):
        from recog.training.data import load_rows
        from recog.training.recipe import read_recipe

        recipe = read_recipe(data)
        rows = [row for row, _ in load_rows(recipe).rows if row.split == "dev"]
        if recipe.modality == "handwriting":  # they come as the network reads them
            rows = [replace(row, text=to_logical(row.text)) for row in rows]
    else:
        from recog.corpora.manifest import load_data

        rows = [row for row in load_data(data) if row.split in (None, "dev")]
    if not rows:
        raise UserError(f"{data} has no rows of dev; mark some, or give data without splits.")
    return rows


def tune_model(
    recogniser: Recogniser,
    rows: Sequence[Row],
    *,
    lm: Path | None,
    languages: Mapping[str, Path] | None = None,
    out: Path,
    what: str,
    metric: Metric,
    beam: int,
    sentence: bool,
    fixed: frozenset[str],
    say: Callable[[str], None],
    anew: bool = False,
    views: Sequence[View] = (),
) -> str:
    """Search, calibrate the words' confidences at what was found, and write the model.

    Args:
        recogniser: a model loaded with a beam of 0.
        lm: n-gram model for it; None tunes with those that it has, if any.
        languages: those of other languages, beside ``lm``.
        out: the model folder to write.
        what: a name for the data.
        fixed: names that keep the value they have in the model.
        say: takes a line of progress.
        anew: the language model is of another kind than the model's weights were for. The search then begins at the usual
            weights where these are better, and an utterance is taken for a sentence where that is.
        views: of lines, in place of those that the model has.

    Returns:
        A line that sums up what was reached.
    """
    if views:
        decoding = recogniser.config.decoding.model_copy(update={"views": tuple(views)})
        seen = recogniser.config.model_copy(update={"decoding": decoding})
        recogniser.bundle = Bundle(recogniser.bundle.path, seen)
    config = recogniser.config
    usual, others = language_files(recogniser.bundle, lm, languages or {})
    models = [load_lm(path) for path in (usual, *others.values()) if path is not None]
    if len({model.unit for model in models}) > 1:
        raise UserError("The language models of a recogniser must all be of words, or all of characters.")
    utterances = list(collect(recogniser, rows, rule(config.normalise)))
    say(f"{len(utterances)} utterances; searching.")

    def report(setting: Setting, result: Result) -> None:
        shown = ", ".join(f"{name} {getattr(setting, name):g}" for name in ("beam", *STEPS))
        say(f"{shown}: WER {100 * result.wer.rate:.2f} %, CER {100 * result.cer.rate:.2f} %")

    search = Search(
        config.symbols, utterances, models, metric, config.normalise, sentence, recogniser.options.workers,
        recogniser.reading_order, _word_finder(recogniser.bundle, models), report,
    )  # fmt: skip
    old = config.decoding
    start = Setting(old.alpha, old.beta, old.unknown_cost, old.temperature, beam)
    names = [name for name in _searched(models) if name not in fixed]
    if anew:
        search, start = _better_begin(search, start, names)
    found = search.run(start, names)
    if "beam" not in fixed:
        found = search.choose_beam(found)
    baseline = best_path_result(search)
    by_letters = False
    if search.word_finder is not None and search.measure(found) > _rate(baseline, metric):
        say("Words are found worse in the sounds than the letters alone spell them; searching in the letters.")
        search, by_letters = replace(search, word_finder=None, results={}), True
        if anew:
            search, _ = _better_begin(search, Setting(beam=beam), names)
        found = search.run(Setting(beam=beam), names)
        if search.measure(replace(found, alpha=0.0, beta=0.0)) < search.measure(found):
            found = replace(found, alpha=0.0, beta=0.0)
    search.measure(found)
    best = search.results[found]
    decoding = DecodingConfig(
        lm=_kept_as("lm", usual) if usual else None,
        languages=_file_names(others),
        sounds=not by_letters,
        beam=found.beam,
        alpha=found.alpha,
        beta=found.beta,
        unknown_cost=found.unknown_cost,
        sentence=search.sentence,
        temperature=found.temperature,
        offset=old.offset,
        views=old.views,
        doubt=old.doubt,
        dev=summary(found, best, baseline, what),
    )
    calibration, fitted, right = calibrate_words(search, found)
    error = expected_calibration_error(fitted, right) if calibration else float("nan")
    files = {decoding.lm: usual.read_bytes()} if usual and decoding.lm else {}
    files |= {decoding.languages[name]: path.read_bytes() for name, path in others.items()}
    if search.word_finder is not None:  # with what it takes the words of the language model to be said like
        files[PRONUNCIATIONS] = pronunciations_bytes(search.word_finder.pronunciations)
    if calibration:
        table = reliability(fitted, right)
        files[PLOT] = reliability_svg(table, title=f"{config.name}: word confidences on {what}").encode()
    changed = config.model_copy(update={"decoding": decoding, "confidence": calibration or config.confidence})
    section = decoding_section(found, best, baseline, what, usual is not None, error, list(others), old.views)
    update_bundle(recogniser.bundle, out, changed, files, with_section(recogniser.bundle.card, section))
    return (
        f"{what}: WER {100 * best.wer.rate:.2f} % (best path {100 * baseline.wer.rate:.2f} %), CER "
        f"{100 * best.cer.rate:.2f} % ({100 * baseline.cer.rate:.2f} %); alpha {found.alpha:g}, beta {found.beta:g}, "
        f"unknown_cost {found.unknown_cost:g}, temperature {found.temperature:g}, beam {found.beam}; "
        f"expected calibration error {error:.3f}."
    )


def _better_begin(search: Search, start: Setting, names: Sequence[str]) -> tuple[Search, Setting]:
    """Where to begin with a language model that is new: with or without ends of sentences, at ``start`` or at the usual
    weights of ``names``."""
    usual = replace(start, **{name: getattr(Setting(), name) for name in names})
    searches = [search, replace(search, sentence=not search.sentence, results={})]
    return min(
        ((one, setting) for one in searches for setting in (start, usual)), key=lambda pair: pair[0].measure(pair[1])
    )


def language_files(
    bundle: Bundle, lm: Path | None, languages: Mapping[str, Path]
) -> tuple[Path | None, dict[str, Path]]:
    """The files of the usual language model and of others by language: those that are given, else the model's own.

    Raises:
        UsageError: others are given without the usual one.
    """
    own = bundle.config.decoding
    if lm is None and languages:
        raise UsageError("Language models of other languages are beside a usual one; give that with --lm.")
    if lm is None and own.lm is not None:
        return bundle.file(own.lm), {name: bundle.file(file) for name, file in own.languages.items()}
    return lm, dict(languages)


def _kept_as(name: str, path: Path) -> str:
    return f"{name}{path.suffix if path.suffix == '.bin' else '.arpa'}"


def _file_names(languages: Mapping[str, Path]) -> dict[str, str]:
    """Language -> name of its model's file, of lower-case letters of ASCII, digits and hyphens; all different."""
    names: dict[str, str] = {}
    for number, (language, path) in enumerate(languages.items(), 2):
        plain = re.sub(r"[^a-z0-9]+", "-", language.casefold()).strip("-")[:40] or str(number)
        name = _kept_as(f"lm-{plain}", path)
        names[language] = name if name not in names.values() else _kept_as(f"lm-{plain}-{number}", path)
    return names


def _word_finder(bundle: Bundle, lms: Sequence[NGramTrie]) -> WordFinder | None:
    return WordFinder(bundle, lms[0]) if bundle.config.sounds and lms and lms[0].unit == "word" else None


def _searched(lms: Sequence[NGramTrie]) -> list[str]:
    if not lms:
        return []
    return (
        ["alpha", "beta", "unknown_cost", "temperature"] if lms[0].unit == "word" else ["alpha", "beta", "temperature"]
    )


def decoding_section(
    setting: Setting,
    best: Result,
    baseline: Result,
    what: str,
    has_lm: bool,
    calibration_error: float,
    languages: Sequence[str] = (),
    views: Sequence[View] = (),
) -> str:
    """What the card says of the tuning."""
    weights = (
        f"alpha {setting.alpha:g}, beta {setting.beta:g}, unknown_cost {setting.unknown_cost:g}, " if has_lm else ""
    )
    lines = [
        HEADING,
        "",
        f"Tuned on {what} ({best.n} rows): {weights}temperature {setting.temperature:g}, beam {setting.beam}.",
        "",
        "| | CER % | 95 % interval | WER % | 95 % interval |",
        "|---|---|---|---|---|",
    ]
    for name, result in (("best path", baseline), ("with the language model" if has_lm else "beam", best)):
        lines.append(
            f"| {name} | {100 * result.cer.rate:.2f} | {_percents(result.cer_interval)} "
            f"| {100 * result.wer.rate:.2f} | {_percents(result.wer_interval)} |"
        )
    lines += ["", "The figures with the language model are of the data that its weights were tuned on."]
    if languages:
        lines += ["", f"Lines that are likely in another language have a model of it: {', '.join(languages)}."]
    if len(views) > 1:
        shown = "; ".join(f"slant {view.slant:g}, width {view.width:g}" for view in views)
        lines += ["", f"Doubtful lines are looked at in {len(views)} views ({shown}), all others in the first."]
    if not math.isnan(calibration_error):
        lines += [
            "",
            f"Word confidences are calibrated: expected calibration error {calibration_error:.3f}, each half of the rows "
            f"judged by the other's ([plot]({PLOT})).",
        ]
    return "\n".join(lines) + "\n"


def _percents(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}"


def with_section(card: str, section: str) -> str:
    """The card with this section, in the place of an older one or before the epochs."""
    if HEADING in card:
        start = card.index(HEADING)
        end = card.find("\n## ", start + 1)
        card = card[:start] + ("" if end < 0 else card[end + 1 :])
    at = card.find("## Data and licences")
    at = at if at >= 0 else card.find("## Epochs")
    return f"{card.rstrip()}\n\n{section}" if at < 0 else f"{card[:at]}{section}\n{card[at:]}"


def calibrate_words(
    search: Search, setting: Setting
) -> tuple[Calibration | None, NDArray[np.float64], NDArray[np.bool_]]:
    """A calibration of the words' confidences; and to judge it confidences calibrated by halves, each half of the
    utterances by the other's, with which of the words are right. None where there are too few words."""
    raw: list[NDArray[np.float64]] = []
    right: list[NDArray[np.bool_]] = []
    normalise = normalisation(search.normalise)
    for u, found in zip(search.utterances, search.hypotheses(setting), strict=True):
        spans: list[Span] = []
        for piece, hypothesis in zip(u.pieces, found, strict=True):
            spans += search.spans(tempered(search.seen(piece), setting.temperature), hypothesis)
        words = [word for word, *_ in spans]
        raw.append(np.array([confidence for *_, confidence in spans]))
        right.append(np.array(correct_words(normalise(u.text).split(), words), bool))
    if sum(map(len, raw)) < 2 * MIN_WORDS:
        return None, np.zeros(0), np.zeros(0, bool)
    fitted, truth = [], []
    for half in (0, 1):
        own = calibrate(np.concatenate(raw[half::2]), np.concatenate(right[half::2]))
        fitted.append(own.apply(np.concatenate(raw[1 - half :: 2])))
        truth.append(np.concatenate(right[1 - half :: 2]))
    whole = calibrate(np.concatenate(raw), np.concatenate(right))
    return whole, np.concatenate(fitted), np.concatenate(truth)
