"""Images of handwriting to transcripts: single lines, and whole pages line by line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.errors import UserError
from recog.features.line_strip import to_columns, to_strip, variant
from recog.formats.layout.rotation import rotate_line
from recog.media.document.base import Document
from recog.media.document.reader import open_document
from recog.media.errors import MediaError
from recog.media.image.line_crop import LineCrop, cut_line
from recog.media.source import Source, name_of
from recog.model.config import StripConfig
from recog.model.page_model import DEFAULT as DEFAULT_PAGE_MODEL
from recog.model.page_model import open_page_model_folder
from recog.recognition.base import Recogniser
from recog.recognition.layout_xml import read_segmentation
from recog.recognition.options import HandwritingOptions
from recog.recognition.words import Span, line_confidence
from recog.segment.orientation import find_upright
from recog.segment.polarity import dark_on_light
from recog.text.alphabet import BLANK
from recog.text.bidi import to_display
from recog.transcript import Line, Point, Transcript, Word
from recog.util.parallel import parallel

if TYPE_CHECKING:
    from recog.segment.page_lines import PageSegmenter

NOTHING = -100.0  # log-probability of every symbol but the blank on an empty line
PAGE_HEIGHT = 300  # pixels; a lower image is no page
PAGE_SHAPE = 4.0  # width by height; a wider image is no page
Box = tuple[float, float, float, float]  # left, top, right, bottom
SegmentedLine = tuple[tuple[Point, ...], tuple[Point, ...]]  # baseline and polygon

logger = logging.getLogger("recog")


@dataclass(eq=False, repr=False)
class HandwritingRecogniser(Recogniser):
    """A handwriting model with its decoder, for lines and pages."""

    options: HandwritingOptions = field(default_factory=HandwritingOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.options.page_model is not None:  # reports now what is wrong with it
            open_page_model_folder(self.options.page_model)

    @property
    def features(self) -> StripConfig:
        """How the network's line strips are computed."""
        assert self.config.strip is not None  # the config was validated
        return self.config.strip

    @cached_property
    def segmenter(self) -> PageSegmenter:
        """Segments pages into lines; loaded with the first page."""
        from recog.segment.page_lines import PageSegmenter

        return PageSegmenter(open_page_model_folder(self.options.page_model or DEFAULT_PAGE_MODEL))

    def transcribe(
        self,
        source: Source,
        *,
        name: str | None = None,
        advance: Callable[[float], None] | None = None,
        keep: Callable[[NDArray[np.float32]], None] | None = None,
        on_page: Callable[[Transcript, Document, int], None] | None = None,
    ) -> Transcript:
        """Read a line, a page, or a document (PDF, TIFF) page by page.

        The option ``layout`` says what an image shows. With "xml", the lines come from a PAGE or
        ALTO file beside the image and keep their places and order; see
        :func:`recog.recognition.layout_xml.read_segmentation`.

        Args:
            source: path of the file, its bytes, a binary stream of it, a Pillow image, or an array
                of pixels: grey (height, width), or (height, width, channels) with red, green and
                blue, and alpha after them; uint8, uint16, bool, or floating point from 0 (black) to
                1. OpenCV's order needs ``image[..., ::-1]``.
            name: name of the source in the result; by default its path, the name of a stream, or
                its kind.
            advance: called with the number of lines done so far.
            keep: called with each line's log-probabilities (frames, symbols).
            on_page: called after each page, readable or not, with its transcript, the open document
                and the index of the page.

        Returns:
            A transcript; that of a document has ``pages``. Pages that cannot be read are empty, and
            so are lines to which ``layout="xml"`` gives no place; ``damage`` names them.

        Raises:
            UserError: the file cannot be read, or no page of it.
        """
        name = name or name_of(source)
        pages: list[Transcript] = []
        page_errors: list[str] = []
        unreadable: list[str] = []
        with open_document(source) as document:
            for index in range(len(document)):
                done = sum(len(page.lines) for page in pages)
                progress = None if advance is None else _offset(advance, done)
                try:
                    image = document.grey(index)
                    lines = tuple(
                        self._lines(image, source, document, index, unreadable, progress, keep)
                    )
                    pages.append(Transcript(name, lines, self.config.name, size=image.shape[::-1]))
                except MediaError as error:
                    page_errors.append(str(error))
                    if len(page_errors) == len(document):
                        raise
                    pages.append(Transcript(name, (), self.config.name, size=(1, 1)))
                if on_page is not None:
                    on_page(pages[-1], document, index)
        damage = (*page_errors, *unreadable)
        return Transcript.of_pages(name, pages, damage, damage)

    def stream(self, source: Source) -> Generator[Line, None, None]:
        """The lines of :meth:`transcribe`, each as soon as it is read.

        Warnings are logged, and so are pages that cannot be read. Close the iterator if you leave
        it before its end: ``with contextlib.closing(model.stream(path)) as lines``.

        Args:
            source: as for :meth:`transcribe`.

        Raises:
            UserError: the file cannot be read, or no page of it.
        """
        page_errors = 0
        unreadable: list[str] = []
        with open_document(source) as document:
            for index in range(len(document)):
                try:
                    yield from self._lines(
                        document.grey(index), source, document, index, unreadable
                    )
                except MediaError as error:
                    page_errors += 1
                    if page_errors == len(document):
                        raise
                    logger.warning("%s", error)
        for sentence in unreadable:
            logger.warning("%s", sentence)

    def _lines(
        self,
        image: NDArray[np.uint8],
        source: Source,
        document: Document,
        index: int,
        unreadable: list[str],
        advance: Callable[[float], None] | None = None,
        keep: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> Iterator[Line]:
        """Read the lines of one page of a document, as the layout says.

        Args:
            image: the page in grey.
            unreadable: takes sentences on lines that cannot be read.
        """
        layout = self.options.layout
        if layout == "xml":
            regions, warnings = read_segmentation(
                source, index, image.shape[::-1], *document.stored(index)
            )
            unreadable += warnings
            yield from self._read_lines(image, regions, advance, keep, every=True)
            return
        count = 0
        if layout in ("page", "table") or (layout == "auto" and is_page(image)):
            for line in self._read_page(image, advance, keep):
                count += 1
                yield line
        if layout == "line" or (layout == "auto" and not count and len(image) < 2 * PAGE_HEIGHT):
            yield self._read_line(image, advance, keep)

    def log_probs(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Log-probabilities (frames, symbols) of a grey line image (height, width)."""
        return self._first_variant(to_strip(image, self.features))

    def posteriors(self, image: NDArray[np.uint8]) -> tuple[Posteriors, float]:
        """Posteriors of a grey line image (height, width), and pixels of it to a frame.

        All variants are read where the first is uncertain. Frames are those of the first.
        """
        strip = to_strip(image, self.features)
        log_probs = self._first_variant(strip)
        first, *others = self.config.decoding.views
        columns = strip.shape[1] * first.width
        if not self.needs_augmentation(log_probs):
            others = []
        variants = tuple(
            Posteriors(self.runtime.log_probs(to_columns(variant(strip, view)))) for view in others
        )
        scale = self.config.encoder.subsampling * image.shape[1] / columns
        return Posteriors(log_probs, variants=variants), scale

    def _first_variant(self, strip: NDArray[np.uint8]) -> NDArray[np.float32]:
        log_probs = self.runtime.log_probs(
            to_columns(variant(strip, self.config.decoding.views[0]))
        )
        # an empty image: no training line is empty, so the network would guess
        if not strip.any():
            log_probs = np.full_like(log_probs, NOTHING)
            log_probs[:, BLANK] = 0.0
        return log_probs

    def _read_line(
        self,
        image: NDArray[np.uint8],
        advance: Callable[[float], None] | None,
        keep: Callable[[NDArray[np.float32]], None] | None,
    ) -> Line:
        height, width = image.shape
        posteriors, scale = self.posteriors(image)
        if keep:
            keep(posteriors.log_probs)

        def place(first: float, after: float) -> Box:
            return min(width, first * scale), 0.0, min(width, after * scale), float(height)

        line = self._line(posteriors, None, place, self.line_languages([posteriors.log_probs])[0])
        if advance:
            advance(1.0)
        return line

    def _read_page(
        self,
        image: NDArray[np.uint8],
        advance: Callable[[float], None] | None,
        keep: Callable[[NDArray[np.float32]], None] | None,
    ) -> Iterator[Line]:
        """Read the lines of a page, in reading order."""
        shape = image.shape
        image = dark_on_light(image)
        turns, regions = self.segment(image)
        for line in self._read_lines(
            np.ascontiguousarray(np.rot90(image, turns)), regions, advance, keep
        ):
            yield unrotate_line(line, turns, shape)

    def segment(self, image: NDArray[np.uint8]) -> tuple[int, list[SegmentedLine]]:
        """Segment a page into lines: quarter turns that make it upright, and its lines then.

        Turns are counter-clockwise. The option ``turn`` gives them, or they are detected.
        """
        turn, marginalia = self.options.turn, self.options.notes
        table = True if self.options.layout == "table" else None
        if turn == "auto":
            return find_upright(
                image, self.segmenter, self._symbol_scores, marginalia=marginalia, table=table
            )
        turns = -turn // 90 % 4
        turned = np.ascontiguousarray(np.rot90(image, turns))
        return turns, self.segmenter.lines(turned, marginalia=marginalia, table=table)

    def _read_lines(
        self,
        image: NDArray[np.uint8],
        regions: list[SegmentedLine],
        advance: Callable[[float], None] | None,
        keep: Callable[[NDArray[np.float32]], None] | None,
        *,
        every: bool = False,
    ) -> Iterator[Line]:
        """Read segmented lines.

        The network runs on them in parallel. The language model goes from line to line, once the
        language of each is known.

        Args:
            every: keep lines in which nothing can be read.
        """

        def read(region: SegmentedLine) -> tuple[LineCrop, Posteriors, float] | None:
            try:
                crop = cut_line(image, region[1], region[0] or None)
            except UserError:  # a sliver at the page's edge
                return None
            return crop, *self.posteriors(crop.image)

        count, before = 0, None
        results: Iterable[tuple[LineCrop, Posteriors, float] | None]
        results = parallel(read, regions, self.options.workers)
        languages: Iterator[int] = repeat(0)
        if len(self.decoders) > 1:
            results = list(results)
            languages = iter(
                self.line_languages(
                    [result[1].log_probs for result in results if result is not None]
                )
            )
        for (baseline, polygon), result in zip(regions, results, strict=True):
            if result is None:
                if every:
                    count, before = count + 1, ""
                    yield Line("", baseline=baseline, polygon=polygon)
                continue
            crop, posteriors, scale = result
            line = self._line(
                posteriors, before, _box_mapper(crop, scale), next(languages), baseline, polygon
            )
            if not line.text and not every:
                continue
            count, before = count + 1, to_display(line.text)
            if keep:
                keep(posteriors.log_probs)
            if advance:
                advance(float(count))
            yield line

    def _symbol_scores(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Log-probability of the best symbol of a grey line image, in frames that are no blank."""
        log_probs = self.log_probs(image)
        return np.asarray(log_probs[log_probs.argmax(axis=1) != BLANK].max(axis=1), np.float32)

    def _line(
        self,
        posteriors: Posteriors,
        before: str | None,
        place: Callable[[float, float], Box],
        language: int,
        baseline: tuple[Point, ...] = (),
        polygon: tuple[Point, ...] = (),
    ) -> Line:
        """Decode one line.

        Args:
            before: the preceding line as the network displays it.
            place: maps the frames at which a word starts and ends to its box on the page.
            language: index in :attr:`decoders`.
        """
        text, spans, alternatives = self.decode(posteriors, before=before, language=language)
        words = tuple(_word(span, place) for span in spans)
        return Line(
            text,
            words,
            baseline=baseline,
            polygon=polygon,
            confidence=line_confidence(spans),
            alternatives=alternatives,
        )


def _box_mapper(crop: LineCrop, scale: float) -> Callable[[float, float], Box]:
    return lambda first, after: crop.box(first * scale, after * scale)


def _word(span: Span, place: Callable[[float, float], Box]) -> Word:
    word, first, after, confidence = span
    left, top, right, bottom = place(first, after)
    box = (round(left, 1), round(top, 1), round(right, 1), round(bottom, 1))
    return Word(word, box=box, confidence=round(min(1.0, confidence), 4))


def unrotate_line(line: Line, turns: int, shape: tuple[int, ...]) -> Line:
    """Map a line of a turned page to the original page.

    Args:
        turns: quarter turns, counter-clockwise, that the page was given.
        shape: (height, width) of the original page.
    """
    height, width = shape[0] - 1, shape[1] - 1
    return rotate_line(line, -turns, (width, height) if turns % 2 == 0 else (height, width))


def _offset(advance: Callable[[float], None], lines: int) -> Callable[[float], None]:
    """Report progress on a page of a document, after so many lines of other pages."""
    return lambda done: advance(lines + done)


def is_page(image: NDArray[np.uint8]) -> bool:
    """Whether a grey image is more likely a page than a line, by its shape."""
    height, width = image.shape
    return height >= PAGE_HEIGHT and width <= PAGE_SHAPE * height


LineReader = HandwritingRecogniser  # its former name
