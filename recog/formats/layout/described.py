"""The pages that a PAGE or ALTO file describes, and their lines on an image of such a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from recog.errors import UserError
from recog.formats.layout import alto_reader, page
from recog.formats.layout.shapes import size_of
from recog.formats.layout.xml import Element, children, descendants, local, shown, text_of
from recog.media.image.exif import upright_point
from recog.media.image.headers import ImageHeader, read_header
from recog.media.image.tiff import HeaderError
from recog.transcript import Line, Point

Size = tuple[int, int]  # width and height
SAME_SHAPE = 0.01  # by how much the ratio of the sides of two copies of an image may differ
PIXEL = "pixel"
TO_AN_INCH = {"mm10": 254.0, "inch1200": 1200.0}  # ALTO's other units


@dataclass(frozen=True)
class DescribedPage:
    """A page as a file describes it.

    Attributes:
        image: name of its image, as the file gives it; may be empty.
        lines: in reading order, with polygons and baselines in ``unit``.
        size: (width, height) in ``unit``; None where the file does not say.
        unit: "pixel", or ALTO's "mm10" (tenths of a millimetre) or "inch1200" (of an inch, 1200
            parts).
    """

    image: str
    lines: tuple[Line, ...]
    size: Size | None
    unit: str = PIXEL


@dataclass(frozen=True)
class ImageSize:
    """An image: (width, height) as it stands upright and as it is stored, (0, 0) where it is not
    stored but drawn, the Exif orientation between the two, and pixels to an inch where they are
    known."""

    upright: Size
    stored: Size
    orientation: int = 1
    dpi: float | None = None

    @classmethod
    def of_header(cls, header: ImageHeader) -> ImageSize:
        """The size of an image with this header."""
        stored = header.width, header.height
        upright = stored[::-1] if header.orientation in (5, 6, 7, 8) else stored
        return cls(upright, stored, header.orientation, header.dpi)


def size_of_file(image: Path) -> ImageSize | None:
    """The size of an image by its header; None where that cannot be read."""
    try:
        header = read_header(image.read_bytes()) if image.is_file() else None
    except (OSError, HeaderError):
        return None
    return None if header is None else ImageSize.of_header(header)


def described_pages(root: Element, name: str) -> list[DescribedPage]:
    """The pages of a PAGE or ALTO file.

    Args:
        root: the file's root element.
        name: of the file, for messages.

    Raises:
        UserError: the file is neither.
    """
    if local(root) == "PcGts":
        return [
            DescribedPage(
                own.get("imageFilename", ""),
                tuple(page.lines_of(own)),
                size_of(own.get("imageWidth"), own.get("imageHeight")),
            )
            for own in children(root, "Page")
        ]
    if local(root) == "alto":
        image, unit = text_of(next(descendants(root, "fileName"), None)), alto_reader.unit_of(root)
        return [
            DescribedPage(image, tuple(lines), size_of(own.get("WIDTH"), own.get("HEIGHT")), unit)
            for own, lines in zip(
                descendants(root, "Page"), alto_reader.pages_of(root), strict=True
            )
        ]
    raise UserError(f"{name} is neither PAGE nor ALTO: its root is {shown(root)}.")


def lines_on(page: DescribedPage, image: ImageSize, *, xml: object, media: object) -> list[Line]:
    """The lines of a page without their words, polygons and baselines in pixels of the upright
    image.

    A file may describe the image as it stands upright, or as a camera stored it, before its
    orientation was applied, which the size tells; and a smaller or larger copy of either. Without a
    size it describes the upright image, in another unit than pixels by the image's resolution.

    Args:
        image: size of the image at hand.
        xml, media: names of the file and of the image, for messages.

    Raises:
        UserError: the file describes another image, or measures in another unit and neither size
            nor resolution is known.
    """
    size = page.size
    lines = [replace(line, words=()) for line in page.lines]
    if size is None and page.unit == PIXEL:
        return lines
    if size is None:
        return _in_pixels(
            lines, page.unit, image, f"{xml} measures in {page.unit} and gives no size of its page"
        )
    if size == image.upright:
        return lines
    turned = size == image.stored or (
        not same_shape(size, image.upright) and same_shape(size, image.stored)
    )
    if not turned and not same_shape(size, image.upright):
        raise UserError(
            f"{xml} describes an image of {size[0]} x {size[1]} {page.unit if page.unit != PIXEL else 'pixels'}, and {media} "
            f"has {image.upright[0]} x {image.upright[1]} pixels; give the file of this image."
        )
    target = image.stored if turned else image.upright

    def placed(point: Point) -> Point:
        x, y = point
        if size != target:
            x, y = x * target[0] / size[0], y * target[1] / size[1]
        return _upright((x, y), image) if turned else (x, y)

    return _moved(lines, placed)


def _in_pixels(lines: list[Line], unit: str, image: ImageSize, why: str) -> list[Line]:
    """Lines in another unit than pixels on an image of known resolution.

    Raises:
        UserError: the resolution is not known, or cannot be right, because no line would lie on the
            image.
    """
    if image.dpi is not None and unit in TO_AN_INCH:
        scale = image.dpi / TO_AN_INCH[unit]
        lines = _moved(lines, lambda point: (scale * point[0], scale * point[1]))
        width, height = image.upright
        if any(
            0 <= x <= width and 0 <= y <= height
            for line in lines
            for x, y in line.polygon + line.baseline
        ):
            return lines
    elif not any(line.polygon or line.baseline for line in lines):
        return lines
    raise UserError(
        f"{why}, so that its lines cannot be found on the image; export it again with pixels."
    )


def _moved(lines: list[Line], placed: Callable[[Point], Point]) -> list[Line]:
    return [
        replace(
            line,
            polygon=tuple(map(placed, line.polygon)),
            baseline=tuple(map(placed, line.baseline)),
        )
        for line in lines
    ]


def same_shape(one: Size, other: Size) -> bool:
    """Whether two images have the same shape; an image of unknown size, 0 x 0, is like none."""
    return min(other) > 0 and abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= SAME_SHAPE


def _upright(point: Point, image: ImageSize) -> Point:
    """A point of an image as it is stored on the image as it stands upright (Exif 2.32, tag
    274)."""
    return upright_point(point, image.orientation, (image.upright[0] - 1, image.upright[1] - 1))
