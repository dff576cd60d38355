"""The result of every recogniser: a transcript of lines of words.

Imports nothing of recog at run time except the formats, when a transcript is saved.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recog.media.source import Source

SHOWN = 40  # characters of a text in a representation
Point = tuple[float, float]


@dataclass(frozen=True)
class Word:
    """A recognised word.

    Attributes:
        text: the word, in logical order.
        start, end: seconds from the start of the recording; None for images.
        box: (left, top, right, bottom) in pixels of the original image; None for sound.
        confidence: 0 to 1, or None where the decoder gave none.
    """

    text: str
    start: float | None = None
    end: float | None = None
    box: tuple[float, float, float, float] | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Alternative:
    """An N-best reading of a line, with its score (natural log, higher is better)."""

    text: str
    score: float


@dataclass(frozen=True, repr=False)
class Line:
    """A line of writing or a segment of speech.

    Attributes:
        text: the line, in logical order.
        words: its words, in order; may be empty where no times or boxes were requested.
        start, end: seconds; None for images.
        polygon, baseline: in pixels of the original image; empty for sound.
        confidence: 0 to 1, or None.
        alternatives: the N-best list, best first, including this reading; empty unless requested.
        channel: of the recording, counted from 1; None where its channels were mixed.
    """

    text: str
    words: tuple[Word, ...] = ()
    start: float | None = None
    end: float | None = None
    polygon: tuple[Point, ...] = ()
    baseline: tuple[Point, ...] = ()
    confidence: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    channel: int | None = None

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        about = [abbreviate(self.text)]
        if self.start is not None and self.end is not None:
            about.insert(0, f"{self.start:.2f} to {self.end:.2f} s")
        if self.channel is not None:
            about.insert(0, f"channel {self.channel}")
        about += [f"{len(self.words)} words"]
        about += [] if self.confidence is None else [f"confidence {self.confidence:.2f}"]
        return f"<Line {', '.join(about)}>"


@dataclass(frozen=True, repr=False)
class Transcript:
    """The transcript of a file.

    Attributes:
        source: the file's name as it was given.
        lines: in reading order or in order of time.
        model: name of the model.
        duration: seconds of sound; None for images.
        size: (width, height) of the image in pixels; None for sound.
        warnings: sentences for the user, for instance that a channel was left out.
        damage: the warnings about parts of the file that are missing from the transcript, for
            instance a truncated file or an unreadable page. Empty where all of the file was read.
        pages: the transcript of each page, in order, for a document of several pages; else empty.
            ``lines`` then holds the lines of all pages, each in pixels of its page, and ``size`` is
            that of the first page.
    """

    source: str
    lines: tuple[Line, ...] = ()
    model: str = ""
    duration: float | None = None
    size: tuple[int, int] | None = None
    warnings: tuple[str, ...] = field(default_factory=tuple)
    pages: tuple[Transcript, ...] = ()
    damage: tuple[str, ...] = ()

    @classmethod
    def of_pages(
        cls,
        source: str,
        pages: Sequence[Transcript],
        warnings: tuple[str, ...] = (),
        damage: tuple[str, ...] = (),
    ) -> Transcript:
        """Join the transcripts of pages into the transcript of a document.

        There must be at least one page. A single page is returned as it is, with ``source`` as its
        name. The warnings and damage of the pages are added to the given ones.
        """
        warnings += tuple(warning for page in pages for warning in page.warnings)
        damage += tuple(sentence for page in pages for sentence in page.damage)
        if len(pages) == 1:
            return replace(pages[0], source=source, warnings=warnings, damage=damage)
        lines = tuple(line for page in pages for line in page.lines)
        return cls(
            source,
            lines,
            pages[0].model,
            size=pages[0].size,
            warnings=warnings,
            pages=tuple(pages),
            damage=damage,
        )

    @property
    def text(self) -> str:
        """The non-empty lines, joined by line breaks for a page and by spaces for a recording.

        A line break and a form feed separate the pages of a document.
        """
        if self.pages:
            return "\n\f".join(page.text for page in self.pages)
        joiner = "\n" if self.size is not None else " "
        return joiner.join(line.text for line in self.lines if line.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        about = [f"{len(self.pages)} pages"] if self.pages else []
        about += [f"{len(self.lines)} line{'' if len(self.lines) == 1 else 's'}"]
        about += [] if self.duration is None else [f"{self.duration:.1f} s"]
        about += (
            [f"{len(self.warnings)} warning{'' if len(self.warnings) == 1 else 's'}"]
            if self.warnings
            else []
        )
        return f"<Transcript of {self.source!r}: {', '.join(about)}, {abbreviate(self.text)}>"

    def to_dict(self) -> dict[str, Any]:
        """Convert to the content of the JSON format.

        ``json.dumps`` of the result is the content of ``save("x.json")``.
        """
        from recog.formats.json import to_dict

        return to_dict(self)

    def save(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        *,
        image: Source | None = None,
    ) -> None:
        """Write the transcript to a file atomically; missing folders are made.

        Args:
            path: of the file.
            format: "txt" or "json"; for sound also "srt", "vtt", "tsv", "ctm", "textgrid"; for
                images also "page", "alto", "hocr", "pdf" (the picture with searchable text). By
                default the suffix decides. In PAGE, each page of a document becomes a separate
                file, NAME-0001.xml and so on.
            image: for a PDF the picture of the transcript, as
                :meth:`recog.HandwritingRecogniser.transcribe` takes it; by default the file from
                which the transcript was read.

        Raises:
            UserError: the format is unknown, is not for this kind of transcript, or the file cannot
                be written.
        """
        from recog.formats.saving import save

        save(self, path, format, image)


def abbreviate(value: object) -> str:
    """Shorten the ``repr`` of a value, on one line.

    For a text, the text is cut before ``repr`` is taken.
    """
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN else value[: SHOWN - 1] + "…")
    shown = repr(value)
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
