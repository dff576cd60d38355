"""What transcribing sound and reading lines share: a loaded model, and log-probabilities -> a line with its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recog.decoding.best_path import best_path_frames
from recog.model.bundle import Bundle, ModelConfig, open_bundle
from recog.model.runtime import Runtime, cores
from recog.text.alphabet import Alphabet
from recog.text.bidi import to_logical
from recog.transcript import Alternative, Transcript, Word

if TYPE_CHECKING:
    from recog.decoding.decoder import Decoder

Span = tuple[str, int, int, float]  # word, first frame, frame after its last, confidence


@dataclass(frozen=True)
class Options:
    """How to decode.

    Attributes:
        beam: width of the prefix beam search; 0 takes the best path.
        n_best: alternatives to keep for each line (more than 1 needs a beam).
        threads: items recognised at the same time; 0 for every core this process may use.
    """

    beam: int = 0
    n_best: int = 1
    threads: int = 0

    @property
    def workers(self) -> int:
        return self.threads or cores()


@dataclass
class Recogniser:
    """A model ready to use; see :func:`recog.load`. Subclasses know how to open their media."""

    bundle: Bundle
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        self.runtime = Runtime(self.bundle)
        self.alphabet = Alphabet.from_list(self.config.symbols[1:])
        self.decoder: Decoder | None = None
        if self.options.beam:
            from recog.decoding.decoder import Decoder

            self.decoder = Decoder(
                list(self.config.symbols), beam_width=self.options.beam, n_best=self.options.n_best, threads=1
            )

    @property
    def config(self) -> ModelConfig:
        return self.bundle.config

    def transcribe(
        self, source: str | Path | BinaryIO, *, name: str | None = None, advance: Callable[[float], None] | None = None
    ) -> Transcript:
        """Recognise one file; see the subclass."""
        raise NotImplementedError

    def decode(self, log_probs: NDArray[np.float32]) -> tuple[str, list[Span], tuple[Alternative, ...]]:
        """Text in logical order, word spans in frames, and alternatives where asked for, of (frames, symbols)."""
        if self.decoder is None:
            labels, starts = best_path_frames(log_probs)
            ends = run_ends(log_probs, starts)
            peaks = [
                float(np.exp(log_probs[a:b, label].max())) for label, a, b in zip(labels, starts, ends, strict=True)
            ]
            symbols = [self.config.symbols[label] for label in labels]
            display = "".join(symbols)
            alternatives: tuple[Alternative, ...] = ()
        else:
            best = self.decoder.decode([log_probs])[0]
            display = best[0].text
            symbols = [self.config.symbols[token] for token in best[0].tokens]
            starts = list(best[0].timesteps)
            ends = [*starts, len(log_probs)][1:]  # none where nothing was read
            peaks = [
                float(np.exp(log_probs[a : max(b, a + 1), t].max()))
                for t, a, b in zip(best[0].tokens, starts, ends, strict=True)
            ]
            ends = [min(b, a + 3) for a, b in zip(starts, ends, strict=True)]
            alternatives = tuple(Alternative(to_logical(" ".join(h.text.split())), round(h.score, 4)) for h in best)
        display = " ".join(display.split())
        text = to_logical(display)
        spans = word_spans(symbols, starts, ends, peaks)
        if text != display:  # words of a right-to-left line: their order and letters are the text's, not the image's
            spans = reorder(spans, text)
        return text, spans, alternatives if self.options.n_best > 1 else ()


def run_ends(log_probs: NDArray[np.float32], starts: list[int]) -> list[int]:
    """The frame after the last of each best-path run that begins at one of ``starts``."""
    path = log_probs.argmax(axis=1)
    borders = np.append(np.flatnonzero(np.diff(path)) + 1, len(path))
    return borders[np.searchsorted(borders, starts, side="right")].tolist()


def word_spans(symbols: list[str], starts: list[int], ends: list[int], peaks: list[float]) -> list[Span]:
    """Group symbols into words at spaces. A word's confidence is the mean of its symbols' highest posteriors."""
    spans: list[Span] = []
    current: list[int] = []

    def close() -> None:
        if current:
            word = "".join(symbols[i] for i in current)
            spans.append((word, starts[current[0]], ends[current[-1]], float(np.mean([peaks[i] for i in current]))))
            current.clear()

    for i, symbol in enumerate(symbols):
        if symbol == " ":
            close()
        else:
            current.append(i)
    close()
    return spans


def reorder(spans: list[Span], text: str) -> list[Span]:
    """Give the words of ``text`` (logical order) the places of the displayed words that they are.

    A word that stands there several times takes its places from the right, where such a line begins; one whose display
    alone does not tell it (a number that turned, a bracket) takes the rightmost place that no other word has.
    """
    places: dict[str, list[int]] = {}
    for i, span in enumerate(spans):
        places.setdefault(to_logical(span[0]), []).append(i)
    words = text.split()
    found = [places[word].pop() if places.get(word) else None for word in words]
    free = sorted({*range(len(spans))} - {*found})
    order = [free.pop() if i is None and free else i for i in found]
    return [(word, *spans[i][1:]) for word, i in zip(words, order, strict=True) if i is not None]


def make_words(spans: list[Span], seconds: Callable[[int], float]) -> tuple[Word, ...]:
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


def load(name_or_path: str | Path, *, beam: int = 0, n_best: int = 1, threads: int = 0) -> Recogniser:
    """Load a model.

    Args:
        name_or_path: the name of a shipped model (see ``recog models``) or the path of a model folder.
        beam: width of the prefix beam search; 0 takes the best path.
        n_best: alternatives to keep for each line; more than 1 needs a beam of at least as many.
        threads: items recognised at the same time; 0 for every core.

    Returns:
        A recogniser whose ``transcribe(path)`` gives a :class:`recog.transcript.Transcript`.

    Raises:
        UserError: there is no such model, or it is damaged.

    Example:
        >>> import recog
        >>> recog.load("english-speech").transcribe("talk.mp3").text  # doctest: +SKIP
    """
    from recog.ocr import LineReader
    from recog.transcribe import Transcriber

    bundle = open_bundle(name_or_path)
    options = Options(beam=beam, n_best=n_best, threads=threads)
    return (Transcriber if bundle.config.modality == "speech" else LineReader)(bundle, options)
