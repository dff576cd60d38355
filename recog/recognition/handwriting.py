"""Images of handwriting -> transcripts: single lines, and whole pages line by line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.errors import UserError
from recog.features.line_strip import to_columns, to_strip, viewed
from recog.formats.layout.turning import turned_line
from recog.media.document.base import Document
from recog.media.document.reader import open_document
from recog.media.errors import MediaError
from recog.media.image.line_crop import LineCrop, cut_line
from recog.media.source import Source, name_of
from recog.model.config import StripConfig
from recog.model.page_model import DEFAULT as DEFAULT_PAGE_MODEL
from recog.model.page_model import open_page_bundle
from recog.recognition.base import Recogniser, Span, line_confidence
from recog.recognition.layout_xml import given_lines
from recog.recognition.options import HandwritingOptions
from recog.segment.orientation import find_upright
from recog.segment.polarity import dark_on_light
from recog.text.alphabet import BLANK
from recog.text.bidi import to_display
from recog.transcript import Line, Point, Transcript, Word
from recog.util.parallel import parallel

if TYPE_CHECKING:
    from recog.segment.page_lines import PageSegmenter

NOTHING = -100.0  # log-probability of the symbols that are not there
PAGE_HEIGHT = 300  # pixels from which an image can be a page,
PAGE_SHAPE = 4.0  # and how many times as wide as high it then is at most
Box = tuple[float, float, float, float]  # left, top, right, bottom
Found = tuple[tuple[Point, ...], tuple[Point, ...]]  # baseline and polygon

logger = logging.getLogger("recog")


@dataclass(eq=False, repr=False)
class HandwritingRecogniser(Recogniser):
    """A handwriting model that reads lines, and pages of lines."""

    options: HandwritingOptions = field(default_factory=HandwritingOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.options.page_model is not None:  # says now what is wrong with it
            open_page_bundle(self.options.page_model)

    @property
    def features(self) -> StripConfig:
        assert self.config.strip is not None  # the config was validated
        return self.config.strip

    @cached_property
    def segmenter(self) -> PageSegmenter:
        """What finds the lines of a page; loaded with the first page."""
        from recog.segment.page_lines import PageSegmenter

        return PageSegmenter(open_page_bundle(self.options.page_model or DEFAULT_PAGE_MODEL))

    def transcribe(
        self,
        source: Source,
        *,
        name: str | None = None,
        advance: Callable[[float], None] | None = None,
        keep: Callable[[NDArray[np.float32]], None] | None = None,
        on_page: Callable[[Transcript, Document, int], None] | None = None,
    ) -> Transcript:
        """Read an image, of a line or of a page as the option ``layout`` says, or a document (PDF,
        TIFF) page by page.

        With the layout "xml", the lines are those that a PAGE or ALTO file beside the image gives;
        see :func:`recog.recognition.layout_xml.given_lines`. They keep their places and their
        order.

        Args:
            source: path of the file, its bytes, a binary stream of it, a Pillow image, or an array
                of pixels: grey (height, width), or (height, width, channels) with red, green and
                blue, and alpha after them; uint8, uint16, bool, or floating point from 0 (black) to
                1. OpenCV's order needs ``image[..., ::-1]``.
            name: what to call it in the result; its path unless given, or the name of a stream, or
                what it is.
            advance: called with the number of lines done so far.
            keep: called with each line's log-probabilities (frames, symbols).
            on_page: called after each page, also one that cannot be read, with its transcript, the
                open document, and its index there.

        Returns:
            A transcript; of a document one with ``pages``. A page of it that cannot be read is
            empty, and so are lines that ``layout="xml"`` gives no place; ``damage`` names them.

        Raises:
            UserError: the file cannot be read, or no page of it.
        """
        name = name or name_of(source)
        pages: list[Transcript] = []
        unread: list[str] = []
        lost: list[str] = []
        with open_document(source) as document:
            for index in range(len(document)):
                done = sum(len(page.lines) for page in pages)
                told = None if advance is None else partial(_ahead, advance, done)
                try:
                    image = document.grey(index)
                    lines = tuple(self._lines(image, source, document, index, lost, told, keep))
                    pages.append(Transcript(name, lines, self.config.name, size=image.shape[::-1]))
                except MediaError as error:
                    unread.append(str(error))
                    if len(unread) == len(document):
                        raise
                    pages.append(Transcript(name, (), self.config.name, size=(1, 1)))
                if on_page is not None:
                    on_page(pages[-1], document, index)
        damage = (*unread, *lost)
        return Transcript.of_pages(name, pages, damage, damage)

    def stream(self, source: Source) -> Generator[Line, None, None]:
        """The lines of an image or a document as they are read: those of :meth:`transcribe`.

        Warnings are logged, and so are pages that cannot be read. Where the iterator is left before
        its end, it is best closed: ``with contextlib.closing(model.stream(path)) as lines``.

        Args:
            source: as for :meth:`transcribe`.

        Raises:
            UserError: the file cannot be read, or no page of it.
        """
        unread = 0
        lost: list[str] = []
        with open_document(source) as document:
            for index in range(len(document)):
                try:
                    yield from self._lines(document.grey(index), source, document, index, lost)
                except MediaError as error:
                    unread += 1
                    if unread == len(document):
                        raise
                    logger.warning("%s", error)
        for sentence in lost:
            logger.warning("%s", sentence)

    def _lines(
        self,
        image: NDArray[np.uint8],
        source: Source,
        document: Document,
        index: int,
        lost: list[str],
        advance: Callable[[float], None] | None = None,
        keep: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> Iterator[Line]:
        """The lines of a page of a document, as the layout says; ``image`` is its grey picture.
        What of its lines cannot be read goes to ``lost``."""
        layout = self.options.layout
        if layout == "xml":
            found, told = given_lines(source, index, image.shape[::-1], *document.stored(index))
            lost += told
            yield from self._along(image, found, advance, keep, every=True)
            return
        count = 0
        if layout in ("page", "table") or (layout == "auto" and is_page(image)):
            for line in self._page(image, advance, keep):
                count += 1
                yield line
        if layout == "line" or (layout == "auto" and not count and len(image) < 2 * PAGE_HEIGHT):
            yield self._single(image, advance, keep)

    def log_probs(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Log-probabilities (frames, symbols) of a grey line image (height, width)."""
        return self._first(to_strip(image, self.features))

    def look(self, image: NDArray[np.uint8]) -> tuple[Posteriors, float]:
        """What the network sees in a grey line image (height, width), in one view or, where that is
        doubtful, in all; and how many of the image's pixels a frame of the first is wide."""
        strip = to_strip(image, self.features)
        log_probs = self._first(strip)
        first, *others = self.config.decoding.views
        columns = strip.shape[1] * first.width
        if not self.looks_again(log_probs):
            others = []
        again = tuple(
            Posteriors(self.runtime.log_probs(to_columns(viewed(strip, view)))) for view in others
        )
        return Posteriors(log_probs, variants=again), self.config.encoder.subsampling * image.shape[
            1
        ] / columns

    def _first(self, strip: NDArray[np.uint8]) -> NDArray[np.float32]:
        log_probs = self.runtime.log_probs(to_columns(viewed(strip, self.config.decoding.views[0])))
        # nothing is written there: no training line is so empty, and the network would guess
        if not strip.any():
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
    ) -> Iterator[Line]:
        """The lines of a page, in reading order."""
        shape = image.shape
        image = dark_on_light(image)
        turns, found = self.lines_of(image)
        for line in self._along(np.ascontiguousarray(np.rot90(image, turns)), found, advance, keep):
            yield turned_back(line, turns, shape)

    def lines_of(self, image: NDArray[np.uint8]) -> tuple[int, list[Found]]:
        """How often a page must be turned by 90 degrees counter-clockwise, as the option ``turn``
        says or as can be read, and its lines then."""
        turn, notes = self.options.turn, self.options.notes
        table = True if self.options.layout == "table" else None
        if turn == "auto":
            return find_upright(image, self.segmenter, self._certainty, notes=notes, table=table)
        turns = -turn // 90 % 4
        turned = np.ascontiguousarray(np.rot90(image, turns))
        return turns, self.segmenter.lines(turned, notes=notes, table=table)

    def _along(
        self,
        image: NDArray[np.uint8],
        found: list[Found],
        advance: Callable[[float], None] | None,
        keep: Callable[[NDArray[np.float32]], None] | None,
        *,
        every: bool = False,
    ) -> Iterator[Line]:
        """The lines that were found. The network reads them in parallel; the language model goes
        from line to line, as soon as it is known which language each is in.

        Args:
            every: keep those in which nothing can be read.
        """

        def read(found: Found) -> tuple[LineCrop, Posteriors, float] | None:
            try:
                crop = cut_line(image, found[1], found[0] or None)
            except UserError:  # a sliver at the page's edge
                return None
            return crop, *self.look(crop.image)

        count, before = 0, None
        results: Iterable[tuple[LineCrop, Posteriors, float] | None]
        results = parallel(read, found, self.options.workers)
        languages: Iterator[int] = repeat(0)
        if len(self.decoders) > 1:
            results = list(results)
            languages = iter(
                self.languages_of([result[1].log_probs for result in results if result is not None])
            )
        for (baseline, polygon), result in zip(found, results, strict=True):
            if result is None:
                if every:
                    count, before = count + 1, ""
                    yield Line("", baseline=baseline, polygon=polygon)
                continue
            crop, seen, scale = result
            line = self._line(
                seen, before, _placer(crop, scale), next(languages), baseline, polygon
            )
            if not line.text and not every:
                continue
            count, before = count + 1, to_display(line.text)
            if keep:
                keep(seen.log_probs)
            if advance:
                advance(float(count))
            yield line

    def _certainty(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """How sure the network is of what it reads in a grey line image: the log-probability of the
        best symbol, in each frame where that is not the blank."""
        log_probs = self.log_probs(image)
        return np.asarray(log_probs[log_probs.argmax(axis=1) != BLANK].max(axis=1), np.float32)

    def _line(
        self,
        seen: Posteriors,
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
    """A line of a page that was turned ``turns`` times by 90 degrees counter-clockwise, on the page
    as it was.

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


LineReader = HandwritingRecogniser  # its former name
