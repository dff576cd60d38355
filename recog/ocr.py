"""Images of handwriting -> transcripts: single lines, and whole pages line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recog.decoding.views import Seen
from recog.errors import UserError
from recog.features.strips import to_columns, to_strip, viewed
from recog.formats.turning import turned_line
from recog.given import given_lines
from recog.media.document import Document, open_document
from recog.media.errors import MediaError
from recog.media.lines import LineCrop, cut_line
from recog.model.config import StripConfig
from recog.model.runtime import parallel
from recog.recogniser import Recogniser, Span, line_confidence
from recog.segment.orientation import find_upright
from recog.segment.polarity import dark_on_light
from recog.text.alphabet import BLANK
from recog.text.bidi import to_display
from recog.transcript import Line, Point, Transcript, Word

if TYPE_CHECKING:
    from recog.segment.page import PageSegmenter

NOTHING = -100.0  # log-probability of the symbols that are not there
PAGE_HEIGHT = 300  # pixels from which an image can be a page,
PAGE_SHAPE = 4.0  # and how many times as wide as high it then is at most
Box = tuple[float, float, float, float]  # left, top, right, bottom
Found = tuple[tuple[Point, ...], tuple[Point, ...]]  # baseline and polygon


class LineReader(Recogniser):
    """A handwriting model that reads lines, and pages of lines."""

    @property
    def features(self) -> StripConfig:
        assert self.config.strip is not None  # the config was validated
        return self.config.strip

    @cached_property
    def segmenter(self) -> PageSegmenter:
        """What finds the lines of a page; loaded with the first page."""
        from recog.model.page import DEFAULT, open_page_bundle
        from recog.segment.page import PageSegmenter

        return PageSegmenter(open_page_bundle(self.options.page_model or DEFAULT))

    def transcribe(
        self,
        source: str | Path | BinaryIO,
        *,
        name: str | None = None,
        advance: Callable[[float], None] | None = None,
        keep: Callable[[NDArray[np.float32]], None] | None = None,
        on_page: Callable[[Transcript, Document, int], None] | None = None,
    ) -> Transcript:
        """Read an image, of a line or of a page as the option ``layout`` says, or a document (PDF, TIFF) page by page.

        With the layout "xml", the lines are those that a PAGE or ALTO file beside the image gives; see
        :func:`recog.given.given_lines`. They keep their places and their order.

        Args:
            source: path of the file, or a binary stream.
            name: what to call it in the result; its path unless given.
            advance: called with the number of lines done so far.
            keep: called with each line's log-probabilities (frames, symbols).
            on_page: called after each page, also one that cannot be read, with its transcript, the open document, and its
                index there.

        Returns:
            A transcript; of a document one with ``pages``. A page of it that cannot be read is empty, and a warning.

        Raises:
            UserError: the file cannot be read, or no page of it.
        """
        name = name or str(source)
        pages: list[Transcript] = []
        unread: list[str] = []
        warnings: list[str] = []
        with open_document(source) as document:
            for index in range(len(document)):
                done = sum(len(page.lines) for page in pages)
                told = None if advance is None else partial(_ahead, advance, done)
                try:
                    image = document.grey(index)
                    if self.options.layout == "xml":
                        found, lost = given_lines(source, index, image.shape[::-1], *document.stored(index))
                        warnings += lost
                        lines = self._along(image, found, told, keep, every=True)
                        pages.append(Transcript(name, lines, self.config.name, size=image.shape[::-1]))
                    else:
                        pages.append(self._image(image, name, told, keep))
                except MediaError as error:
                    unread.append(str(error))
                    if len(unread) == len(document):
                        raise
                    pages.append(Transcript(name, (), self.config.name, size=(1, 1)))
                if on_page is not None:
                    on_page(pages[-1], document, index)
        return Transcript.of_pages(name, pages, (*unread, *warnings))

    def _image(
        self,
        image: NDArray[np.uint8],
        name: str,
        advance: Callable[[float], None] | None,
        keep: Callable[[NDArray[np.float32]], None] | None,
    ) -> Transcript:
        """The transcript of a grey image."""
        height, width = image.shape
        told = self.options.layout != "auto"
        lines: tuple[Line, ...] = ()
        if self.options.layout == "page" or (not told and is_page(image)):
            lines = self._page(image, advance, keep)
        if self.options.layout == "line" or (not told and not lines and height < 2 * PAGE_HEIGHT):
            lines = (self._single(image, advance, keep),)
        return Transcript(name, lines, self.config.name, size=(width, height))

    def log_probs(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Log-probabilities (frames, symbols) of a grey line image (height, width)."""
        return self._first(to_strip(image, self.features))

    def look(self, image: NDArray[np.uint8]) -> tuple[Seen, float]:
        """What the network sees in a grey line image (height, width), in one view or, where that is doubtful, in all; and how
        many of the image's pixels a frame of the first is wide."""
        strip = to_strip(image, self.features)
        log_probs = self._first(strip)
        first, *others = self.config.decoding.views
        columns = strip.shape[1] * first.width
        if not self.looks_again(log_probs):
            others = []
        again = tuple(Seen(self.runtime.log_probs(to_columns(viewed(strip, view)))) for view in others)
        return Seen(log_probs, again=again), self.config.encoder.subsampling * image.shape[1] / columns

    def _first(self, strip: NDArray[np.uint8]) -> NDArray[np.float32]:
        log_probs = self.runtime.log_probs(to_columns(viewed(strip, self.config.decoding.views[0])))
        if not strip.any():  # nothing is written there: no training line is so empty, and the network would guess
            log_probs = np.full_like(log_probs, NOTHING)
            log_probs[:, BLANK] = 0.0
        return log_probs

    def _single(
        self,
        image: NDArray[np.uint8],
        advance: Callable[[float], None] | None,
        keep: Callable[[NDArray[np.float32]], None] | None,
    ) -> Line:
        height, width = image.shape
        seen, scale = self.look(image)
        if keep:
            keep(seen.log_probs)

        def place(first: float, after: float) -> Box:
            return min(width, first * scale), 0.0, min(width, after * scale), float(height)

        line = self._line(seen, None, place, self.languages_of([seen.log_probs])[0])
        if advance:
            advance(1.0)
        return line

    def _page(
        self,
        image: NDArray[np.uint8],
        advance: Callable[[float], None] | None,
        keep: Callable[[NDArray[np.float32]], None] | None,
    ) -> tuple[Line, ...]:
        """The lines of a page, in reading order."""
        shape = image.shape
        image = dark_on_light(image)
        turns, found = self.lines_of(image)
        lines = self._along(np.ascontiguousarray(np.rot90(image, turns)), found, advance, keep)
        return tuple(turned_back(line, turns, shape) for line in lines)

    def lines_of(self, image: NDArray[np.uint8]) -> tuple[int, list[Found]]:
        """How often a page must be turned by 90 degrees counter-clockwise, as the option ``turn`` says or as can be read,
        and its lines then."""
        turn, notes = self.options.turn, self.options.notes
        if turn == "auto":
            return find_upright(image, self.segmenter, self._certainty, notes=notes)
        turns = -turn // 90 % 4
        return turns, self.segmenter.lines(np.ascontiguousarray(np.rot90(image, turns)), notes=notes)

    def _along(
        self,
        image: NDArray[np.uint8],
        found: list[Found],
        advance: Callable[[float], None] | None,
        keep: Callable[[NDArray[np.float32]], None] | None,
        *,
        every: bool = False,
    ) -> tuple[Line, ...]:
        """The lines that were found. The network reads them in parallel; the language model goes from line to line, as soon as
        it is known which language each is in.

        Args:
            every: keep those in which nothing can be read.
        """

        def read(found: Found) -> tuple[LineCrop, Seen, float] | None:
            try:
                crop = cut_line(image, found[1], found[0] or None)
            except UserError:  # a sliver at the page's edge
                return None
            return crop, *self.look(crop.image)

        lines: list[Line] = []
        results: Iterable[tuple[LineCrop, Seen, float] | None]
        results = parallel(read, found, self.options.workers)
        languages: Iterator[int] = repeat(0)
        if len(self.decoders) > 1:
            results = list(results)
            languages = iter(self.languages_of([result[1].log_probs for result in results if result is not None]))
        for (baseline, polygon), result in zip(found, results, strict=True):
            if result is None:
                if every:
                    lines.append(Line("", baseline=baseline, polygon=polygon))
                continue
            crop, seen, scale = result
            before = to_display(lines[-1].text) if lines else None
            line = self._line(seen, before, _placer(crop, scale), next(languages), baseline, polygon)
            if not line.text and not every:
                continue
            lines.append(line)
            if keep:
                keep(seen.log_probs)
            if advance:
                advance(float(len(lines)))
        return tuple(lines)

    def _certainty(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """How sure the network is of what it reads in a grey line image: the log-probability of the best symbol, in each
        frame where that is not the blank."""
        log_probs = self.log_probs(image)
        return np.asarray(log_probs[log_probs.argmax(axis=1) != BLANK].max(axis=1), np.float32)

    def _line(
        self,
        seen: Seen,
        before: str | None,
        place: Callable[[float, float], Box],
        language: int,
        baseline: tuple[Point, ...] = (),
        polygon: tuple[Point, ...] = (),
    ) -> Line:
        """
        Args:
            before: the line above, as the network displays it.
            place: from the frames at which a word starts and ends to its box on the page.
            language: which of :attr:`decoders`.
        """
        text, spans, alternatives = self.decode(seen, before=before, language=language)
        words = tuple(_word(span, place) for span in spans)
        return Line(
            text,
            words,
            baseline=baseline,
            polygon=polygon,
            confidence=line_confidence(spans),
            alternatives=alternatives,
        )


def _placer(crop: LineCrop, scale: float) -> Callable[[float, float], Box]:
    return lambda first, after: crop.box(first * scale, after * scale)


def _word(span: Span, place: Callable[[float, float], Box]) -> Word:
    word, first, after, confidence = span
    left, top, right, bottom = place(first, after)
    box = (round(left, 1), round(top, 1), round(right, 1), round(bottom, 1))
    return Word(word, box=box, confidence=round(min(1.0, confidence), 4))


def turned_back(line: Line, turns: int, shape: tuple[int, ...]) -> Line:
    """A line of a page that was turned ``turns`` times by 90 degrees counter-clockwise, on the page as it was.

    Args:
        shape: (height, width) of the page as it was.
    """
    height, width = shape[0] - 1, shape[1] - 1
    return turned_line(line, -turns, (width, height) if turns % 2 == 0 else (height, width))


def _ahead(advance: Callable[[float], None], before: int, lines: float) -> None:
    advance(before + lines)


def is_page(image: NDArray[np.uint8]) -> bool:
    """Whether a grey image is more likely a page than a line, by its shape."""
    height, width = image.shape
    return height >= PAGE_HEIGHT and width <= PAGE_SHAPE * height
