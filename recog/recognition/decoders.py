"""Make the beam search, lexicon decoder and rescorer that a recogniser's options ask for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recog.decoding.fusion.hotwords import without_symbol
from recog.errors import UsageError
from recog.model.recogniser_folder import RecogniserFolder
from recog.recognition.options import Options
from recog.text.bidi import to_display
from recog.text.normalise import rule

if TYPE_CHECKING:
    from recog.decoding.decoder import Decoder
    from recog.decoding.lexicon.lexicon_decoding import LexiconDecoder
    from recog.decoding.rescoring.nbest import Rescorer
    from recog.lm.trie import NGramTrie

logger = logging.getLogger(__name__)
DEFAULT_BEAM = 25
RESCORE_WEIGHT = 0.3  # of a rescorer that was not tuned for the model


def make_decoder(
    model_folder: RecogniserFolder, options: Options, lm: NGramTrie | None
) -> Decoder | None:
    """Make the beam search that the options ask for; None for the best path.

    Raises:
        UsageError: some options exclude each other.
    """
    tuned = model_folder.config.decoding
    n_best = options.n_best
    needs_beam = (
        lm is not None or options.hotwords or n_best > 1 or options.rescore not in (None, "none")
    )
    beam = (
        options.beam
        if options.beam is not None
        else tuned.beam or (DEFAULT_BEAM if needs_beam else 0)
    )
    if lm is None and (options.alpha is not None or options.beta is not None):
        raise UsageError(
            "The weights alpha and beta belong to a language model; give one, or leave them out."
        )
    if beam == 0:
        if needs_beam:
            raise UsageError(
                "A language model, hotwords and alternatives need a beam of at least 1."
            )
        if options.looks == "all" and options.beam == 0:
            raise UsageError(
                "The best path uses the first variant alone: reading all variants needs a beam "
                "of at least 1."
            )
        return None
    from recog.decoding.decoder import Decoder

    alpha, beta = options.weights(tuned)
    # the network reads from the left
    in_display = to_display if model_folder.config.modality == "handwriting" else str
    return Decoder(
        list(model_folder.config.symbols),
        beam_width=max(beam, n_best),
        threads=1,
        lm=lm,
        alpha=alpha,
        beta=beta,
        hotwords={in_display(phrase): boost for phrase, boost in options.hotwords.items()},
        sentence=tuned.sentence,
        unknown_cost=tuned.unknown_cost,
    )


def open_language_models(model_folder: RecogniserFolder, options: Options) -> list[NGramTrie]:
    """Open the language models that the options ask for: the default, then other languages.

    A model's language models are used unless the options name another, or a beam of 0.

    Raises:
        UserError: a language model cannot be read, or (UsageError) the recogniser does not know the
            language.
    """
    if options.language is not None and options.lm is not None:
        raise UsageError(
            "A language chooses among the model's own language models; leave out the one or the "
            "other."
        )
    if options.lm is not None:
        paths = [] if str(options.lm) == "none" else [Path(options.lm)]
    else:
        paths = language_model_paths(model_folder, options)
    if not paths:
        return []
    from recog.lm.binary import load_lm

    return [load_lm(path) for path in paths]


def language_model_paths(model_folder: RecogniserFolder, options: Options) -> list[Path]:
    """Paths of the language models in the model's folder that the options keep in use.

    The default language model comes first.

    Raises:
        UsageError: the options name a language that the model does not know.
    """
    default, others = model_folder.config.decoding.lm, model_folder.config.decoding.languages
    names = [] if default is None else [default, *others.values()]
    if options.language is not None:
        known = dict.fromkeys(model_folder.config.languages, default) | others
        files = {name.casefold(): file for name, file in known.items()}
        if options.language.casefold() not in files:
            raise UsageError(
                f"The model {model_folder.config.name} is for "
                f"{' and '.join(known) or 'no language that it names'}, "
                f"not for {options.language}."
            )
        names = [name for name in names if name == files[options.language.casefold()]]
    return [] if options.beam == 0 else [model_folder.file(name) for name in names]


def make_lexicon_decoder(model_folder: RecogniserFolder, options: Options) -> LexiconDecoder | None:
    """Make the lexicon decoder, which finds words in phones; None where letters are decoded.

    It needs a model with phones and a language model of words. A hotword without a known
    pronunciation is left out, with a warning.
    """
    model = word_language_model(model_folder, options)
    if model is None:
        return None
    from recog.decoding.lexicon.lexicon_decoding import LexiconDecoder

    lexicon_decoder = LexiconDecoder(model_folder, model, options.hotwords)
    for phrase in lexicon_decoder.unknown:
        logger.warning(
            "The hotword '%s' is left out: the model does not know how it is pronounced.", phrase
        )
    return lexicon_decoder


def word_language_model(model_folder: RecogniserFolder, options: Options) -> NGramTrie | None:
    """The word language model of a model that decodes phones; None for letters."""
    if (
        not model_folder.config.sounds
        or not model_folder.config.decoding.sounds
        or options.beam == 0
    ):
        return None
    model = next(iter(open_language_models(model_folder, options)), None)
    return model if model is not None and model.unit == "word" else None


def make_rescorer(model_folder: RecogniserFolder, options: Options) -> Rescorer | None:
    """Make the rescorer of the N-best, where the options ask for one.

    Raises:
        UserError: its language model cannot be read.
    """
    weight, tuned = options.rescore_weight, model_folder.config.decoding.rescoring
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
    lm = NeuralLM.within(model_folder, unknown_cost=tuned.unknown_cost).expecting(options.hotwords)
    return Rescorer(lm, tuned.weight if weight is None else weight, tuned.interpolate, tuned.margin)


def usable_hotwords(
    model_folder: RecogniserFolder, hotwords: Mapping[str, float]
) -> tuple[dict[str, float], list[str]]:
    """Normalise hotwords as a model writes them; with a sentence for each that it cannot write.

    For a model of lower case, ``Mother-in-Law`` becomes ``mother in law``.
    """
    config = model_folder.config
    normalise = rule(config.normalise, config.languages)
    usable: dict[str, float] = {}
    left_out: list[str] = []
    for phrase, boost in hotwords.items():
        text = " ".join(normalise(phrase).split())
        displayed = to_display(text) if config.modality == "handwriting" else text
        missing = without_symbol(displayed, config.symbols[1:])
        if phrase.strip() and not text:
            left_out.append(f"The hotword '{phrase}' is left out: the model writes nothing of it.")
        elif missing is not None:
            left_out.append(
                f"The hotword '{phrase}' is left out: the model has no symbol for '{missing}'."
            )
        else:
            usable[text] = max(boost, usable.get(text, boost))
    return usable, left_out
