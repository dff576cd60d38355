"""Load a model by name or folder: the front door of the Python interface."""

from __future__ import annotations

import os
from typing import Any, Literal, Unpack, overload

from recog.errors import UsageError
from recog.model.recogniser_folder import open_recogniser_folder
from recog.recognition.base import Recogniser
from recog.recognition.handwriting import HandwritingRecogniser
from recog.recognition.options import (
    AllKeywords,
    Channels,
    HandwritingKeywords,
    HandwritingOptions,
    Hotwords,
    Layout,
    Looks,
    PathLike,
    SpeechKeywords,
    SpeechOptions,
    Turn,
)
from recog.recognition.speech import SpeechRecogniser


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
def load(
    name: str | os.PathLike[str],
    *,
    beam: int | None = None,
    n_best: int = 1,
    threads: int = 0,
    lm: PathLike | None = None,
    language: str | None = None,
    alpha: float | None = None,
    beta: float | None = None,
    hotwords: Hotwords | None = None,
    rescore: PathLike | None = None,
    rescore_weight: float | None = None,
    looks: Looks | None = None,
    channels: Channels | None = None,
    layout: Layout | None = None,
    turn: Turn | None = None,
    page_model: PathLike | None = None,
    notes: bool | None = None,
) -> Recogniser:
    """Load a model. What is left out is as it was tuned for the model.

    Args:
        name: of a shipped model (see ``recog models``), or the path of a model folder.
        beam: width of the prefix beam search, 1 to 10,000; 0 takes the best path, without a
            language model.
        n_best: alternatives to keep for each line, 1 to 1,000 (more than 1 needs a beam).
        threads: lines, or segments of speech, recognised at the same time, up to 1,024; 0 for every
            core this process may use.
        lm: path of an n-gram model (ARPA or binary) in place of the model's own; "none" for none.
        language: of the text, where the model has language models of several: the one to use. None
            finds out by line, and on a page by the lines around it.
        alpha, beta: weights of the language model, 0 to 100 and -100 to 100; see
            :class:`recog.Decoder`.
        hotwords: phrases to expect, as a list or with their boosts (0 to 50, natural log; 5 of a
            list); in any case and punctuation: the model's own normalisation is applied. One that
            the model cannot write is left out, with a warning in the log.
        rescore: folder of a neural language model that orders the N-best anew, in place of the
            model's own; "none" for none. Needs a beam. With another ``lm`` the model's own is left
            out: it was weighed beside its n-gram model.
        rescore_weight: what ln P of the neural model counts for in the score, 0 to 100; by default
            0.3, of the model's own as tuned.
        looks: which lines, or segments of speech, are taken in all of the model's views: "auto"
            those that are doubtful in the first, "all" every one, "once" none, which is the
            fastest. None is "auto" with a beam and "once" for the best path, which takes the first
            view alone.
        channels: of a recording, for a speech model: their "mix" (None is the same), "each" on its
            own, or one, counted from 1.
        layout: what an image shows, for a handwriting model: a "line", a "page", or "auto" (None is
            the same) to tell by its shape; "table" for a page that is read row by row; "xml" for
            one whose lines a PAGE or ALTO file beside it gives.
        turn: degrees by which pages are turned clockwise before they are read, 0, 90, 180 or 270;
            "auto" (None is the same) finds out.
        page_model: folder of the page model that finds the lines; None for the shipped one.
        notes: whether notes, visas and stamps by others on a page are read too; None is False.

    Returns:
        A :class:`recog.SpeechRecogniser` or a :class:`recog.HandwritingRecogniser`, by the kind of
        the model; their ``transcribe(source)`` gives a :class:`recog.Transcript`.

    Raises:
        UserError: there is no such model, it is damaged, or an option is not allowed (the sentence
            says what is).

    Example:
        >>> import recog
        >>> recog.load("english-speech").transcribe("talk.mp3").text  # doctest: +SKIP
    """
    shared: dict[str, Any] = {
        "beam": beam, "n_best": n_best, "threads": threads, "lm": lm, "language": language, "alpha": alpha, "beta": beta,
        "hotwords": hotwords, "rescore": rescore, "rescore_weight": rescore_weight, "looks": looks,
    }  # fmt: skip
    speech = _given(channels=channels)
    handwriting = _given(layout=layout, turn=turn, page_model=page_model, notes=notes)
    if not isinstance(name, str | os.PathLike):
        raise UsageError(
            f"The model is {name!r}; it must be the name of a shipped model, or the path of a model folder."
        )
    model_folder = open_recogniser_folder(os.fspath(name))
    if model_folder.config.modality == "speech":
        _refuse(handwriting, model_folder.config.name, "handwriting", "speech")
        return SpeechRecogniser(model_folder, SpeechOptions(**shared, **speech))
    _refuse(speech, model_folder.config.name, "speech", "handwriting")
    return HandwritingRecogniser(model_folder, HandwritingOptions(**shared, **handwriting))


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _refuse(options: dict[str, Any], model: str, kind: str, other: str) -> None:
    """Refuse options for the other kind of model.

    Raises:
        UsageError: naming them.
    """
    if options:
        names = " and ".join(options)
        raise UsageError(
            f"{names} {'is' if len(options) == 1 else 'are'} for {kind}, and the model {model} is for {other}."
        )
