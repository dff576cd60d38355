"""The pages that a PAGE or ALTO file describes, and their lines on an image of such a page."""

from __future__ import annotations

from dataclasses import dataclass, replace

from recog.errors import UserError
from recog.formats import alto_reader, page
from recog.formats.shapes import size_of
from recog.formats.xml import Element, children, descendants, local, shown, text_of
from recog.transcript import Line, Point

Size = tuple[int, int]  # width and height
SAME_SHAPE = 0.01  # by how much the ratio of the sides of two copies of an image may differ
PIXEL = "pixel"


@dataclass(frozen=True)
class DescribedPage:
    """A page as a file describes it.

    Attributes:
        image: name of its image, as the file gives it; may be empty.
        lines: in reading order, with polygons and baselines in ``unit``.
        size: (width, height) in ``unit``; None where the file does not say.
        unit: "pixel", or ALTO's "mm10" (tenths of a millimetre) or "inch1200" (of an inch, 1200 parts).
    """

    image: str
    lines: tuple[Line, ...]
    size: Size | None
    unit: str = PIXEL


@dataclass(frozen=True)
class ImageSize:
    """An image: (width, height) as it stands upright and as it is stored, (0, 0) where it is not stored but drawn, and the
    Exif orientation between the two."""

    upright: Size
    stored: Size
    orientation: int = 1

    @classmethod
    def of_stored(cls, stored: Size, orientation: int) -> ImageSize:
        """The size of an image that is stored so."""
        return cls(stored[::-1] if orientation in (5, 6, 7, 8) else stored, stored, orientation)


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
            for own, lines in zip(descendants(root, "Page"), alto_reader.pages_of(root), strict=True)
        ]
    raise UserError(f"{name} is neither PAGE nor ALTO: its root is {shown(root)}.")


def lines_on(page: DescribedPage, image: ImageSize, *, xml: object, media: object) -> list[Line]:
    """The lines of a page without their words, polygons and baselines in pixels of the upright image.

    A file may describe the image as it stands upright, or as a camera stored it, before its orientation was applied, which
    the size tells; and a smaller or larger copy of either. Without a size it describes the upright image.

    Args:
        image: size of the image at hand.
        xml, media: names of the file and of the image, for messages.

    Raises:
        UserError: the file describes another image, or does not measure in pixels and gives no size.
    """
    size = page.size
    lines = [replace(line, words=()) for line in page.lines]
    if size is None:
        if page.unit != PIXEL and any(line.polygon or line.baseline for line in lines):
            raise UserError(
                f"{xml} measures in {page.unit} and gives no size of its page, so that its lines cannot be found on {media}; "
                "export it again with pixels."
            )
        return lines
    if size == image.upright:
        return lines
    turned = size == image.stored or (not _alike(size, image.upright) and _alike(size, image.stored))
    if not turned and not _alike(size, image.upright):
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

    return [
        replace(line, polygon=tuple(map(placed, line.polygon)), baseline=tuple(map(placed, line.baseline)))
        for line in lines
    ]


def _alike(one: Size, other: Size) -> bool:
    """Whether two images have the same shape; an image of unknown size, 0 x 0, is like none."""
    return min(other) > 0 and abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= SAME_SHAPE


def _upright(point: Point, image: ImageSize) -> Point:
    """A point of an image as it is stored on the image as it stands upright (Exif 2.32, tag 274)."""
    x, y = point
    if image.orientation in (5, 6, 7, 8):
        x, y = y, x
    if image.orientation in (2, 3, 6, 7):
        x = image.upright[0] - 1 - x
    if image.orientation in (3, 4, 7, 8):
        y = image.upright[1] - 1 - y
    return x, y
