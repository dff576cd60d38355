"""Options of a recogniser, one checked dataclass a modality.

The dataclasses state names, defaults and limits. :func:`recog.load` takes its keywords from them.
The typed dictionaries repeat the names for editors and type checkers, which cannot read
dataclasses as keywords; a test compares them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, get_args

from recog.decoding.decoder import HOTWORD_BOOST
from recog.decoding.validation import InvalidInputError, as_boosts, real, whole
from recog.model.config import DecodingConfig
from recog.util.parallel import cores

MAX_BEAM, MAX_N_BEST, MAX_THREADS, MAX_CHANNELS = 10_000, 1_000, 1_024, 1_024
MAX_WEIGHT = 100.0
PATHS = ("lm", "rescore", "page_model")  # options that name a file or a folder
PathLike = str | os.PathLike[str]
Looks = Literal["auto", "once", "all"]
Layout = Literal["auto", "line", "page", "table", "xml"]
Turn = Literal["auto", 0, 90, 180, 270]
Channels = Literal["mix", "each"] | int
Hotwords = Mapping[str, float] | list[str] | tuple[str, ...] | set[str] | frozenset[str]
AnyOptions = TypeVar("AnyOptions", bound="Options")


class Keywords(TypedDict, total=False):
    """Keyword arguments of :func:`recog.load` for every model."""

    beam: int | None
    n_best: int
    threads: int
    lm: PathLike | None
    language: str | None
    alpha: float | None
    beta: float | None
    hotwords: Hotwords | None
    rescore: PathLike | None
    rescore_weight: float | None
    looks: Looks | None


class SpeechKeywords(Keywords, total=False):
    """Keyword arguments for a speech model."""

    channels: Channels | None


class HandwritingKeywords(Keywords, total=False):
    """Keyword arguments for a handwriting model."""

    layout: Layout | None
    turn: Turn | None
    page_model: PathLike | None
    notes: bool | None


class AllKeywords(SpeechKeywords, HandwritingKeywords, total=False):
    """Keyword arguments for a model whose modality is not known beforehand."""


@dataclass(frozen=True)
class Options:
    """Options of every model; :func:`recog.load` describes each.

    None stands for the value that was tuned for the model.

    Raises:
        InvalidInputError: a value is not allowed; the sentence says which are.
    """

    beam: int | None = None
    n_best: int = 1
    threads: int = 0
    lm: str | Path | None = None
    language: str | None = None
    alpha: float | None = None
    beta: float | None = None
    hotwords: Mapping[str, float] = field(default_factory=dict)
    rescore: str | Path | None = None
    rescore_weight: float | None = None
    looks: Looks | None = None

    def __post_init__(self) -> None:
        if self.beam is not None:
            whole("beam", self.beam, MAX_BEAM, lowest=0)
        whole("n_best", self.n_best, MAX_N_BEST)
        whole("threads", self.threads, MAX_THREADS, lowest=0)
        for name, lowest in (("alpha", 0.0), ("beta", -MAX_WEIGHT), ("rescore_weight", 0.0)):
            if getattr(self, name) is not None:
                real(name, getattr(self, name), lowest, MAX_WEIGHT)
        for name in PATHS:
            if getattr(self, name, None) is not None:
                object.__setattr__(self, name, as_path(name, getattr(self, name)))
        if self.language is not None and not isinstance(self.language, str):
            raise InvalidInputError(
                f"language is {self.language!r}; it must be the name of a language, such as "
                "'English'."
            )
        if self.looks is not None:
            among("looks", self.looks, get_args(Looks))
        object.__setattr__(self, "hotwords", as_boosts(self.hotwords, HOTWORD_BOOST))

    @property
    def workers(self) -> int:
        """Lines or segments recognised at the same time."""
        return self.threads or cores()

    def weights(self, tuned: DecodingConfig) -> tuple[float, float]:
        """The language model's alpha and beta: from the options, else as tuned."""
        return (
            tuned.alpha if self.alpha is None else self.alpha,
            tuned.beta if self.beta is None else self.beta,
        )


@dataclass(frozen=True)
class SpeechOptions(Options):
    """Options of a speech model."""

    channels: Channels = "mix"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels not in ("mix", "each"):
            try:
                whole("channels", self.channels, MAX_CHANNELS)  # type: ignore[arg-type]
            except InvalidInputError:
                raise InvalidInputError(
                    f"channels is {self.channels!r}; it must be 'mix', 'each' or the number of a "
                    "channel, from 1."
                ) from None


@dataclass(frozen=True)
class HandwritingOptions(Options):
    """Options of a handwriting model."""

    layout: Layout = "auto"
    turn: Turn = "auto"
    page_model: str | Path | None = None
    notes: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        among("layout", self.layout, get_args(Layout))
        if isinstance(self.turn, bool) or self.turn not in get_args(Turn):
            raise InvalidInputError(f"turn is {self.turn!r}; it must be 'auto', 0, 90, 180 or 270.")
        if not isinstance(self.notes, bool):
            raise InvalidInputError(f"notes is {self.notes!r}; it must be True or False.")


def among(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Check a choice.

    Raises:
        InvalidInputError: the value is not among the allowed.
    """
    if not isinstance(value, str) or value not in allowed:
        *others, last = map(repr, allowed)
        raise InvalidInputError(f"{name} is {value!r}; it must be {', '.join(others)} or {last}.")


def as_path(name: str, value: object) -> str | Path:
    """Check a path.

    Raises:
        InvalidInputError: the value is no path.
    """
    if isinstance(value, str | Path):
        return value
    if isinstance(value, os.PathLike):
        return Path(value)
    raise InvalidInputError(f"{name} is {value!r}; it must be a path.")


def with_absolute_paths(options: AnyOptions) -> AnyOptions:
    """The same options with absolute paths, for a process in another folder."""
    paths = {name: getattr(options, name, None) for name in PATHS}
    changed: dict[str, Any] = {  # "none" and names of shipped models are no paths
        name: Path(path).absolute()
        for name, path in paths.items()
        if path not in (None, "none") and Path(path).exists()
    }
    return replace(options, **changed)
