"""A model tuned and written: the search, the calibration, the language models and the card put
together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from recog.corpora.rows import Row
from recog.decoding.lexicon.lexicon_decoding import LexiconDecoder
from recog.decoding.rescoring.nbest import Rescorer
from recog.errors import UsageError, UserError
from recog.evaluation.confidence import expected_calibration_error, reliability, reliability_svg
from recog.evaluation.score import Result
from recog.lm.binary import load_lm
from recog.lm.neural import NeuralLM
from recog.lm.trie import NGramTrie
from recog.model.config import DecodingConfig, Rescoring, View
from recog.model.folder import CONFIG, GRAPH, PRONUNCIATIONS, RESCORER, RESCORER_CONFIG
from recog.model.language_model import open_language_bundle
from recog.model.recogniser_folder import Bundle, update_bundle
from recog.recognition.base import Recogniser
from recog.text.normalise import Accounted
from recog.text.pronunciations import pronunciations_bytes
from recog.tuning.calibration import calibrate_words
from recog.tuning.card import PLOT, decoding_section, summary, with_section
from recog.tuning.data import collect
from recog.tuning.rescoring import choose_rescorer
from recog.tuning.search import STEPS, Metric, Search, Setting, best_path_result, rate_of

UNKNOWN_COSTS = (2.0, 2.5, 3.0, 3.5, 4.0)  # of a neural model of words that are tried


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
    doubt: float | None = None,
    rescore: Path | None = None,
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
        anew: the language model is of another kind than the model's weights were for. The search
            then begins at the usual weights where these are better, and an utterance is taken for a
            sentence where that is.
        views: of lines, in place of those that the model has.
        doubt: above which a line is taken in all views; None leaves it as the model has it.
        rescore: folder of a neural language model for it; None weighs the one that it has anew, if
            any, unless "rescoring" is fixed.

    Returns:
        A line that sums up what was reached.
    """
    given = {
        name: value
        for name, value in (("views", tuple(views)), ("doubt", doubt))
        if value not in ((), None)
    }
    decoding = recogniser.config.decoding.model_copy(update=given)
    recogniser.bundle = Bundle(
        recogniser.bundle.path, recogniser.config.model_copy(update={"decoding": decoding})
    )
    config = recogniser.config
    usual, others = language_files(recogniser.bundle, lm, languages or {})
    models = [load_lm(path) for path in (usual, *others.values()) if path is not None]
    if len({model.unit for model in models}) > 1:
        raise UserError(
            "The language models of a recogniser must all be of words, or all of characters."
        )
    neural = _neural(recogniser.bundle, rescore)
    account = Accounted(config.normalise, config.languages)
    utterances = list(collect(recogniser, rows, account))
    for note in account.notes("texts"):
        say(note)
    if not any(utterance.text.split() for utterance in utterances):
        raise UserError(f"There is not a word in the texts of {what}; nothing can be tuned on it.")
    say(f"{len(utterances)} utterances; searching.")

    def report(setting: Setting, result: Result) -> None:
        shown = ", ".join(f"{name} {getattr(setting, name):g}" for name in ("beam", *STEPS))
        say(f"{shown}: WER {100 * result.wer.rate:.2f} %, CER {100 * result.cer.rate:.2f} %")

    search = Search(
        config.symbols, utterances, models, metric, config.normalise, sentence, recogniser.options.workers,
        recogniser.reading_order, _lexicon_decoder(recogniser.bundle, models), None, report,
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
    if search.lexicon_decoder is not None and search.measure(found) > rate_of(baseline, metric):
        say(
            "Words are found worse in the sounds than the letters alone spell them; searching in the letters."
        )
        search, by_letters = replace(search, lexicon_decoder=None, results={}), True
        if anew:
            search, _ = _better_begin(search, Setting(beam=beam), names)
        found = search.run(Setting(beam=beam), names)
        if search.measure(replace(found, alpha=0.0, beta=0.0)) < search.measure(found):
            found = replace(found, alpha=0.0, beta=0.0)
    if neural is not None:
        search = replace(
            search, rescorer=_rescorer(search, found, neural[0], old, fixed, say), results={}
        )
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
        rescoring=_rescoring_of(search.rescorer),
        dev=summary(found, best, baseline, what),
    )
    calibration, fitted, right = calibrate_words(search, found)
    error = expected_calibration_error(fitted, right) if calibration else float("nan")
    files = {decoding.lm: usual.read_bytes()} if usual and decoding.lm else {}
    files |= {decoding.languages[name]: path.read_bytes() for name, path in others.items()}
    if neural is not None and decoding.rescoring is not None:
        files |= neural[1]
    # with what it takes the words of the language model to be said like
    if search.lexicon_decoder is not None:
        files[PRONUNCIATIONS] = pronunciations_bytes(search.lexicon_decoder.pronunciations)
    if calibration:
        table = reliability(fitted, right)
        files[PLOT] = reliability_svg(
            table, title=f"{config.name}: word confidences on {what}"
        ).encode()
    changed = config.model_copy(
        update={"decoding": decoding, "confidence": calibration or config.confidence}
    )
    section = decoding_section(
        found, best, baseline, what, usual is not None, error, list(others), old.views, config.modality == "speech",
        decoding.rescoring,
    )  # fmt: skip
    update_bundle(
        recogniser.bundle, out, changed, files, with_section(recogniser.bundle.card, section)
    )
    return (
        f"{what}: WER {100 * best.wer.rate:.2f} % (best path {100 * baseline.wer.rate:.2f} %), CER "
        f"{100 * best.cer.rate:.2f} % ({100 * baseline.cer.rate:.2f} %); alpha {found.alpha:g}, beta {found.beta:g}, "
        f"unknown_cost {found.unknown_cost:g}, temperature {found.temperature:g}, beam {found.beam}"
        + (
            f"; expected calibration error {error:.3f}."
            if calibration
            else "; too few words to calibrate confidences on."
        )
    )


def _neural(bundle: Bundle, folder: Path | None) -> tuple[NeuralLM, dict[str, bytes]] | None:
    """The neural language model in a folder, else the recogniser's own, and its files as a
    recogniser keeps them."""
    if folder is not None:
        given = open_language_bundle(folder)
        files = {RESCORER: given.file(GRAPH), RESCORER_CONFIG: given.path / CONFIG}
        return NeuralLM(given), {name: path.read_bytes() for name, path in files.items()}
    if bundle.config.decoding.rescoring is None:
        return None
    return NeuralLM.within(bundle), {
        name: bundle.file(name).read_bytes() for name in (RESCORER, RESCORER_CONFIG)
    }


def _rescorer(
    search: Search,
    found: Setting,
    lm: NeuralLM,
    before: DecodingConfig,
    fixed: frozenset[str],
    say: Callable[[str], None],
) -> Rescorer | None:
    """The neural model as it counts best, or as it did before."""
    if "rescoring" in fixed and before.rescoring is not None:
        lm = lm.with_unknown_cost(before.rescoring.unknown_cost)
        return Rescorer(
            lm, before.rescoring.weight, before.rescoring.interpolate, before.rescoring.margin
        )
    costs = UNKNOWN_COSTS if lm.config.unit == "word" else (lm.unknown_cost,)
    rescorer = choose_rescorer(search, found, [lm.with_unknown_cost(cost) for cost in costs])
    if rescorer is None:
        say("Ordering the readings anew by the neural language model gains nothing.")
    else:
        share = 100 * rescorer.interpolate
        say(
            f"Neural language model: weight {rescorer.weight:g}, {share:.0f} % of the n-gram model's taken back, "
            f"margin {rescorer.margin:g}."
        )
    return rescorer


def _rescoring_of(rescorer: Rescorer | None) -> Rescoring | None:
    """How a model's config says it."""
    if rescorer is None:
        return None
    assert isinstance(rescorer.lm, NeuralLM)
    return Rescoring(
        weight=rescorer.weight,
        interpolate=rescorer.interpolate,
        margin=rescorer.margin,
        unknown_cost=rescorer.lm.unknown_cost,
    )


def _better_begin(search: Search, start: Setting, names: Sequence[str]) -> tuple[Search, Setting]:
    """Where to begin with a language model that is new: with or without ends of sentences, at
    ``start`` or at the usual weights of ``names``."""
    usual = replace(start, **{name: getattr(Setting(), name) for name in names})
    searches = [search, replace(search, sentence=not search.sentence, results={})]
    return min(
        ((one, setting) for one in searches for setting in (start, usual)),
        key=lambda pair: pair[0].measure(pair[1]),
    )


def language_files(
    bundle: Bundle, lm: Path | None, languages: Mapping[str, Path]
) -> tuple[Path | None, dict[str, Path]]:
    """The files of the usual language model and of others by language: those that are given, else
    the model's own.

    Raises:
        UsageError: others are given without the usual one.
    """
    own = bundle.config.decoding
    if lm is None and languages:
        raise UsageError(
            "Language models of other languages are beside a usual one; give that with --lm."
        )
    if lm is None and own.lm is not None:
        return bundle.file(own.lm), {
            name: bundle.file(file) for name, file in own.languages.items()
        }
    return lm, dict(languages)


def _kept_as(name: str, path: Path) -> str:
    return f"{name}{path.suffix if path.suffix == '.bin' else '.arpa'}"


def _file_names(languages: Mapping[str, Path]) -> dict[str, str]:
    """Language -> name of its model's file, of lower-case letters of ASCII, digits and hyphens; all
    different."""
    names: dict[str, str] = {}
    for number, (language, path) in enumerate(languages.items(), 2):
        plain = re.sub(r"[^a-z0-9]+", "-", language.casefold()).strip("-")[:40] or str(number)
        name = _kept_as(f"lm-{plain}", path)
        names[language] = (
            name if name not in names.values() else _kept_as(f"lm-{plain}-{number}", path)
        )
    return names


def _lexicon_decoder(bundle: Bundle, lms: Sequence[NGramTrie]) -> LexiconDecoder | None:
    return (
        LexiconDecoder(bundle, lms[0])
        if bundle.config.sounds and lms and lms[0].unit == "word"
        else None
    )


def _searched(lms: Sequence[NGramTrie]) -> list[str]:
    if not lms:
        return []
    return (
        ["alpha", "beta", "unknown_cost", "temperature"]
        if lms[0].unit == "word"
        else ["alpha", "beta", "temperature"]
    )
