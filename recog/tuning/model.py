"""Tuning a model: search its decoding, calibrate its confidences, and write its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from recog.corpora.rows import Row
from recog.decoding.lexicon.lexicon_decoding import LexiconDecoder
from recog.decoding.rescoring.nbest import Rescorer
from recog.errors import UserError
from recog.evaluation.confidence import expected_calibration_error, reliability, reliability_svg
from recog.evaluation.score import Result
from recog.lm.neural import NeuralLM
from recog.lm.trie import NGramTrie
from recog.model.config import Calibration, DecodingConfig, Rescoring, View
from recog.model.folder import PRONUNCIATIONS
from recog.model.recogniser_folder import RecogniserFolder, update_recogniser_folder
from recog.recognition.base import Recogniser
from recog.text.normalise import TrackedRule
from recog.text.pronunciations import encode_pronunciations
from recog.tuning.calibration import calibrate_words
from recog.tuning.card import PLOT, decoding_section, summary, with_section
from recog.tuning.data import collect
from recog.tuning.lm_files import (
    language_file_names,
    language_files,
    lm_file_name,
    load_models,
    load_neural,
)
from recog.tuning.rescoring import choose_rescorer
from recog.tuning.search import STEPS, Metric, Search, Setting, evaluate_best_path, rate_of

UNKNOWN_COSTS = (2.0, 2.5, 3.0, 3.5, 4.0)  # to try with a neural language model of words
Say = Callable[[str], None]


@dataclass(frozen=True)
class TuneOptions:
    """Options of :func:`tune_model`.

    Attributes:
        out: the model folder to write.
        what: name of the data.
        metric: the error rate to lower.
        beam: width of the beam in the search.
        sentence: whether an utterance is a sentence; see :class:`recog.decoding.Decoder`.
        fixed: names of weights that keep the model's value; "beam" and "rescoring" are others.
        lm: n-gram model; None keeps the model's.
        languages: n-gram models of other languages, beside ``lm``.
        new_lm: the model's weights belong to another kind of language model. The search then may
            start from the default weights, and may change ``sentence``.
        views: variants of a line for test-time augmentation; none keep the model's.
        doubt: uncertainty above which all variants are used; None keeps the model's.
        rescore: folder of a neural language model; None keeps the model's.
    """

    out: Path
    what: str
    metric: Metric
    beam: int
    sentence: bool
    fixed: frozenset[str]
    lm: Path | None = None
    languages: Mapping[str, Path] = field(default_factory=dict)
    new_lm: bool = False
    views: Sequence[View] = ()
    doubt: float | None = None
    rescore: Path | None = None


def tune_model(recogniser: Recogniser, rows: Sequence[Row], options: TuneOptions, say: Say) -> str:
    """Search the decoding, calibrate the word confidences with it, and write the model.

    Args:
        recogniser: a model loaded with a beam of 0.
        say: takes lines of progress.

    Returns:
        The result in one line.
    """
    recogniser.model_folder = with_views(recogniser.model_folder, options)
    config = recogniser.config
    usual, others = language_files(recogniser.model_folder, options.lm, options.languages)
    models = load_models(usual, others)
    neural, neural_files = load_neural(recogniser.model_folder, options.rescore)
    search = make_search(recogniser, rows, models, options, say)
    baseline = evaluate_best_path(search)
    by_words = search.lexicon_decoder is not None
    search, setting = search_weights(search, config.decoding, baseline, options, say)
    if neural is not None:
        rescorer = _rescorer(search, setting, neural, config.decoding.rescoring, options, say)
        search = replace(search, rescorer=rescorer, results={})
    search.measure(setting)
    best = search.results[setting]
    decoding = DecodingConfig(
        lm=lm_file_name("lm", usual) if usual else None,
        languages=language_file_names(others),
        sounds=not by_words or search.lexicon_decoder is not None,
        beam=setting.beam,
        alpha=setting.alpha,
        beta=setting.beta,
        unknown_cost=setting.unknown_cost,
        sentence=search.sentence,
        temperature=setting.temperature,
        offset=config.decoding.offset,
        views=config.decoding.views,
        doubt=config.decoding.doubt,
        rescoring=_rescoring_config(search.rescorer),
        dev=summary(setting, best, baseline, options.what),
    )
    calibration, confidences, correct = calibrate_words(search, setting)
    error = expected_calibration_error(confidences, correct) if calibration else float("nan")
    files = {decoding.lm: usual.read_bytes()} if usual and decoding.lm else {}
    files |= {decoding.languages[name]: path.read_bytes() for name, path in others.items()}
    if decoding.rescoring is not None:
        files |= neural_files
    if search.lexicon_decoder is not None:  # with the words of the language model
        files[PRONUNCIATIONS] = encode_pronunciations(search.lexicon_decoder.pronunciations)
    if calibration:
        title = f"{config.name}: word confidences on {options.what}"
        files[PLOT] = reliability_svg(reliability(confidences, correct), title=title).encode()
    update = {"decoding": decoding, "confidence": calibration or config.confidence}
    section = decoding_section(
        setting,
        best,
        baseline,
        options.what,
        usual is not None,
        error,
        list(others),
        decoding.views,
        config.modality == "speech",
        decoding.rescoring,
    )
    card = with_section(recogniser.model_folder.card, section)
    update_recogniser_folder(
        recogniser.model_folder, options.out, config.model_copy(update=update), files, card
    )
    return _result_line(options.what, setting, best, baseline, calibration, error)


def _result_line(
    what: str,
    setting: Setting,
    best: Result,
    baseline: Result,
    calibration: Calibration | None,
    error: float,
) -> str:
    calibrated = (
        f"expected calibration error {error:.3f}"
        if calibration
        else "too few words to calibrate confidences on"
    )
    return (
        f"{what}: WER {100 * best.wer.rate:.2f} % (best path {100 * baseline.wer.rate:.2f} %), "
        f"CER {100 * best.cer.rate:.2f} % ({100 * baseline.cer.rate:.2f} %); "
        f"alpha {setting.alpha:g}, beta {setting.beta:g}, unknown_cost {setting.unknown_cost:g}, "
        f"temperature {setting.temperature:g}, beam {setting.beam}; {calibrated}."
    )


def with_views(model_folder: RecogniserFolder, options: TuneOptions) -> RecogniserFolder:
    """The model with the options' variants of a line."""
    update: dict[str, object] = {}
    if options.views:
        update["views"] = tuple(options.views)
    if options.doubt is not None:
        update["doubt"] = options.doubt
    decoding = model_folder.config.decoding.model_copy(update=update)
    return RecogniserFolder(
        model_folder.path, model_folder.config.model_copy(update={"decoding": decoding})
    )


def make_search(
    recogniser: Recogniser,
    rows: Sequence[Row],
    models: Sequence[NGramTrie],
    options: TuneOptions,
    say: Say,
) -> Search:
    """Run the network over the rows, once, and set up the search.

    Raises:
        UserError: the texts have no words.
    """
    config = recogniser.config
    account = TrackedRule(config.normalise, config.languages)
    utterances = list(collect(recogniser, rows, account))
    for note in account.notes("texts"):
        say(note)
    if not any(utterance.text.split() for utterance in utterances):
        raise UserError(
            f"There is not a word in the texts of {options.what}; nothing can be tuned on it."
        )
    say(f"{len(utterances)} utterances; searching.")

    def report(setting: Setting, result: Result) -> None:
        shown = ", ".join(f"{name} {getattr(setting, name):g}" for name in ("beam", *STEPS))
        say(f"{shown}: WER {100 * result.wer.rate:.2f} %, CER {100 * result.cer.rate:.2f} %")

    by_words = bool(config.sounds and models and models[0].unit == "word")
    return Search(
        config.symbols,
        utterances,
        models,
        options.metric,
        config.normalise,
        options.sentence,
        recogniser.options.workers,
        recogniser.logical_text,
        LexiconDecoder(recogniser.model_folder, models[0]) if by_words else None,
        None,
        report,
    )


def search_weights(
    search: Search, decoding: DecodingConfig, baseline: Result, options: TuneOptions, say: Say
) -> tuple[Search, Setting]:
    """Search the weights from the model's on, and the beam.

    A recogniser with phones is searched with the lexicon first. If its letters alone are better,
    the letters are searched, without the lexicon.

    Args:
        decoding: the model's.
        baseline: best path.
    """
    names = [name for name in tuned_weights(search.lms) if name not in options.fixed]
    start = Setting(
        decoding.alpha, decoding.beta, decoding.unknown_cost, decoding.temperature, options.beam
    )
    if options.new_lm:
        search, start = best_start(search, start, names)
    setting = search.run(start, names)
    if "beam" not in options.fixed:
        setting = search.choose_beam(setting)
    if search.lexicon_decoder is None or search.measure(setting) <= rate_of(
        baseline, options.metric
    ):
        return search, setting
    say(
        "Words are found worse in the sounds than the letters alone spell them; "
        "searching in the letters."
    )
    search, start = replace(search, lexicon_decoder=None, results={}), Setting(beam=options.beam)
    if options.new_lm:
        search, _ = best_start(search, start, names)
    setting = search.run(start, names)
    without_lm = replace(setting, alpha=0.0, beta=0.0)
    if search.measure(without_lm) < search.measure(setting):
        setting = without_lm
    return search, setting


def tuned_weights(lms: Sequence[NGramTrie]) -> list[str]:
    """The weights that matter with these language models."""
    if not lms:
        return []
    if lms[0].unit == "word":
        return ["alpha", "beta", "unknown_cost", "temperature"]
    return ["alpha", "beta", "temperature"]


def best_start(search: Search, start: Setting, names: Sequence[str]) -> tuple[Search, Setting]:
    """The best start for a new kind of language model.

    It is with or without ends of sentences, at ``start`` or at the default weights of ``names``.
    """
    default = replace(start, **{name: getattr(Setting(), name) for name in names})
    searches = [search, replace(search, sentence=not search.sentence, results={})]
    return min(
        ((variant, setting) for variant in searches for setting in (start, default)),
        key=lambda pair: pair[0].measure(pair[1]),
    )


def _rescorer(
    search: Search,
    setting: Setting,
    lm: NeuralLM,
    before: Rescoring | None,
    options: TuneOptions,
    say: Say,
) -> Rescorer | None:
    """The neural language model with its best weights, or with those of the model if fixed."""
    if "rescoring" in options.fixed and before is not None:
        lm = lm.with_unknown_cost(before.unknown_cost)
        return Rescorer(lm, before.weight, before.interpolate, before.margin)
    costs = UNKNOWN_COSTS if lm.config.unit == "word" else (lm.unknown_cost,)
    rescorer = choose_rescorer(search, setting, [lm.with_unknown_cost(cost) for cost in costs])
    if rescorer is None:
        say("Rescoring with the neural language model gains nothing.")
    else:
        share = 100 * rescorer.interpolate
        say(
            f"Neural language model: weight {rescorer.weight:g}, {share:.0f} % of the n-gram "
            f"model's taken back, margin {rescorer.margin:g}."
        )
    return rescorer


def _rescoring_config(rescorer: Rescorer | None) -> Rescoring | None:
    if rescorer is None:
        return None
    assert isinstance(rescorer.lm, NeuralLM)
    return Rescoring(
        weight=rescorer.weight,
        interpolate=rescorer.interpolate,
        margin=rescorer.margin,
        unknown_cost=rescorer.lm.unknown_cost,
    )
