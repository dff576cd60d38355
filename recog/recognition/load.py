"""Load a model by name or folder: the entry to the Python interface."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, Unpack, get_type_hints, overload

from recog.errors import UsageError
from recog.model.recogniser_folder import open_recogniser_folder
from recog.recognition.base import Recogniser
from recog.recognition.handwriting import HandwritingRecogniser
from recog.recognition.options import (
    AllKeywords,
    HandwritingKeywords,
    HandwritingOptions,
    Options,
    SpeechKeywords,
    SpeechOptions,
)
from recog.recognition.speech import SpeechRecogniser

OPTIONS: dict[str, type[Options]] = {"speech": SpeechOptions, "handwriting": HandwritingOptions}


@overload
def load(
    name: Literal["english-speech"], **options: Unpack[SpeechKeywords]
) -> SpeechRecogniser: ...
@overload
def load(
    name: Literal["latin-handwriting"], **options: Unpack[HandwritingKeywords]
) -> HandwritingRecogniser: ...
@overload
def load(name: str | os.PathLike[str], **options: Unpack[AllKeywords]) -> Recogniser: ...
def load(name: str | os.PathLike[str], **options: Any) -> Recogniser:
    """Load a model. Options that are left out keep the values tuned for the model.

    Args:
        name: of a shipped model (see ``recog models``), or the path of a model folder.
        beam: width of the prefix beam search, 1 to 10,000; 0 takes the best path, without a
            language model.
        n_best: alternatives to keep for each line, 1 to 1,000 (more than 1 needs a beam).
        threads: lines, or segments of speech, recognised at the same time, up to 1,024; 0 for every
            core this process may use.
        lm: path of an n-gram model (ARPA or binary) in place of the model's; "none" for none.
        language: name of the language, for a model with language models of several. None identifies
            it line by line, on a page with the help of neighbouring lines.
        alpha, beta: weights of the language model, 0 to 100 and -100 to 100; see
            :class:`recog.Decoder`.
        hotwords: phrases to expect, as a list or with their boosts (0 to 50, natural log; 5 in a
            list). Case and punctuation do not matter, for the model's normalisation is applied. A
            phrase that the model cannot write is left out, with a warning in the log.
        rescore: folder of a neural language model that rescores the N-best, in place of the
            model's; "none" for none. Needs a beam. With another ``lm`` the model's rescorer is not
            used, for its weight was tuned beside the model's n-gram model.
        rescore_weight: weight of the neural model's ln P in the score, 0 to 100; by default as
            tuned, or 0.3 for another neural model.
        looks: test-time augmentation: which lines, or segments of speech, the network reads in all
            variants: "auto" the uncertain ones, "all" every one, "once" none, which is fastest.
            None is "auto" with a beam, and "once" for the best path.
        channels: channels of a recording, for a speech model: the "mix" (also None), "each" by
            itself, or the number of a channel, from 1.
        layout: what an image shows, for a handwriting model: a "line", a "page", or "auto" (also
            None) to decide by its shape; "table" for a page read row by row; "xml" for a page whose
            lines are in a PAGE or ALTO file beside it.
        turn: degrees by which to turn pages clockwise before reading, 0, 90, 180 or 270; "auto"
            (also None) detects the orientation.
        page_model: folder of the page model that segments pages into lines; None for the shipped.
        notes: also read marginalia: notes, visas and stamps by other hands. None is False.

    Returns:
        A :class:`recog.SpeechRecogniser` or a :class:`recog.HandwritingRecogniser`, by the
        modality of the model; ``transcribe(source)`` gives a :class:`recog.Transcript`.

    Raises:
        UserError: there is no such model, it is damaged, or an option has a value that is not
            allowed; the sentence says which are.

    Example:
        >>> import recog
        >>> recog.load("english-speech").transcribe("talk.mp3").text  # doctest: +SKIP
    """
    _check_names(options)
    if not isinstance(name, str | os.PathLike):
        raise UsageError(
            f"The model is {name!r}; it must be the name of a shipped model, or the path of a "
            "model folder."
        )
    model_folder = open_recogniser_folder(os.fspath(name))
    modality = model_folder.config.modality
    _refuse_other_modality(options, model_folder.config.name, modality)
    values = {
        option: value
        for option, value in options.items()
        if value is not None or option in names_of(Options)
    }
    if modality == "speech":
        return SpeechRecogniser(model_folder, SpeechOptions(**values))
    return HandwritingRecogniser(model_folder, HandwritingOptions(**values))


def names_of(options: type[Options]) -> list[str]:
    """Names of the options in a dataclass, in its order."""
    return [field.name for field in fields(options)]


def _signature() -> inspect.Signature:
    """The signature of :func:`load` with every option, for help and editors."""
    types = get_type_hints(AllKeywords)
    defaults = {field.name: field.default for field in fields(Options)} | {"hotwords": None}
    names = dict.fromkeys(option for kind in OPTIONS.values() for option in names_of(kind))
    name = inspect.Parameter(
        "name", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=str | os.PathLike[str]
    )
    keywords = [
        inspect.Parameter(
            option,
            inspect.Parameter.KEYWORD_ONLY,
            default=defaults.get(option),
            annotation=types[option],
        )
        for option in names
    ]
    return inspect.Signature([name, *keywords], return_annotation=Recogniser)


load.__signature__ = _signature()  # type: ignore[attr-defined]


def _check_names(options: Mapping[str, Any]) -> None:
    """Refuse keywords that are options of no modality.

    Raises:
        TypeError: naming the first, as Python does.
    """
    for option in options:
        if not any(option in names_of(kind) for kind in OPTIONS.values()):
            raise TypeError(f"load() got an unexpected keyword argument {option!r}")


def _refuse_other_modality(options: Mapping[str, Any], model: str, modality: str) -> None:
    """Refuse options that only models of the other modality have.

    Raises:
        UsageError: naming them.
    """
    for other, kind in OPTIONS.items():
        misplaced = [
            option
            for option in names_of(kind)
            if options.get(option) is not None and option not in names_of(OPTIONS[modality])
        ]
        if misplaced:
            raise UsageError(
                f"{' and '.join(misplaced)} {'is' if len(misplaced) == 1 else 'are'} for {other}, "
                f"and the model {model} is for {modality}."
            )
