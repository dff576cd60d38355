"""Lines of a PAGE or ALTO file, in pixels of an image of that page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from recog.errors import UserError
from recog.formats.layout import alto_reader, page
from recog.formats.layout.shapes import parse_size
from recog.formats.layout.xml import Element, children, descendants, local_name, tag_text, text_of
from recog.media.image.exif import upright_point
from recog.media.image.headers import ImageHeader, read_header
from recog.media.image.tiff import HeaderError
from recog.transcript import Line, Point

Size = tuple[int, int]  # width and height
SAME_SHAPE = 0.01  # tolerance of the aspect ratio of two copies of an image
PIXEL = "pixel"
TO_AN_INCH = {"mm10": 254.0, "inch1200": 1200.0}  # ALTO's other units


@dataclass(frozen=True)
class PageLayout:
    """A page as a file describes it.

    Attributes:
        image: name of the page's image, as the file gives it; may be empty.
        lines: in reading order, with polygons and baselines in ``unit``.
        size: (width, height) in ``unit``; None where the file does not say.
        unit: "pixel", or ALTO's "mm10" (0.1 mm) or "inch1200" (1/1200 inch).
    """

    image: str
    lines: tuple[Line, ...]
    size: Size | None
    unit: str = PIXEL


@dataclass(frozen=True)
class ImageSize:
    """Size and orientation of an image.

    Attributes:
        upright: (width, height) after the Exif orientation was applied.
        stored: (width, height) before it; (0, 0) for an image that is not stored but rendered.
        orientation: the Exif orientation.
        dpi: pixels per inch, where known.
    """

    upright: Size
    stored: Size
    orientation: int = 1
    dpi: float | None = None

    @classmethod
    def of_header(cls, header: ImageHeader) -> ImageSize:
        """Return the size of an image with this header."""
        stored = header.width, header.height
        upright = stored[::-1] if header.orientation in (5, 6, 7, 8) else stored
        return cls(upright, stored, header.orientation, header.dpi)


def image_size(image: Path) -> ImageSize | None:
    """Read the size of an image from its header; None where that is not possible."""
    try:
        header = read_header(image.read_bytes()) if image.is_file() else None
    except (OSError, HeaderError):
        return None
    return None if header is None else ImageSize.of_header(header)


def page_layouts(root: Element, name: str) -> list[PageLayout]:
    """Read the pages of a PAGE or ALTO file.

    Args:
        root: the file's root element.
        name: the file's name, for messages.

    Raises:
        UserError: the file is neither.
    """
    if local_name(root) == "PcGts":
        return [
            PageLayout(
                own.get("imageFilename", ""),
                tuple(page.page_lines(own)),
                parse_size(own.get("imageWidth"), own.get("imageHeight")),
            )
            for own in children(root, "Page")
        ]
    if local_name(root) == "alto":
        image, unit = (
            text_of(next(descendants(root, "fileName"), None)),
            alto_reader.measurement_unit(root),
        )
        return [
            PageLayout(image, tuple(lines), parse_size(own.get("WIDTH"), own.get("HEIGHT")), unit)
            for own, lines in zip(
                descendants(root, "Page"), alto_reader.lines_by_page(root), strict=True
            )
        ]
    raise UserError(f"{name} is neither PAGE nor ALTO: its root is {tag_text(root)}.")


def lines_on_image(page: PageLayout, image: ImageSize, *, xml: object, media: object) -> list[Line]:
    """Return the lines of a page in pixels of the upright image, without their words.

    A file may describe the upright image, the image as it is stored before its Exif orientation is
    applied, or a smaller or larger copy of either; the size tells which. Without a size it
    describes the upright image; units other than pixels then need the image's resolution.

    Args:
        image: the size of the image.
        xml, media: names of the file and of the image, for messages.

    Raises:
        UserError: the file describes another image; or its unit is not the pixel, and neither size
            nor resolution is known.
    """
    size = page.size
    lines = [replace(line, words=()) for line in page.lines]
    if size is None and page.unit == PIXEL:
        return lines
    if size is None:
        return _scaled_by_resolution(
            lines, page.unit, image, f"{xml} measures in {page.unit} and gives no size of its page"
        )
    if size == image.upright:
        return lines
    as_stored = size == image.stored or (
        not same_shape(size, image.upright) and same_shape(size, image.stored)
    )
    if not as_stored and not same_shape(size, image.upright):
        unit = page.unit if page.unit != PIXEL else "pixels"
        raise UserError(
            f"{xml} describes an image of {size[0]} x {size[1]} {unit}, and {media} "
            f"has {image.upright[0]} x {image.upright[1]} pixels; give the file of this image."
        )
    target = image.stored if as_stored else image.upright

    def to_image(point: Point) -> Point:
        x, y = point
        if size != target:
            x, y = x * target[0] / size[0], y * target[1] / size[1]
        return _upright((x, y), image) if as_stored else (x, y)

    return _map_points(lines, to_image)


def _scaled_by_resolution(lines: list[Line], unit: str, image: ImageSize, why: str) -> list[Line]:
    """Convert lines from another unit to pixels by the resolution of the image.

    Raises:
        UserError: the resolution is unknown, or wrong, as no line would lie on the image.
    """
    if image.dpi is not None and unit in TO_AN_INCH:
        scale = image.dpi / TO_AN_INCH[unit]
        lines = _map_points(lines, lambda point: (scale * point[0], scale * point[1]))
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


def _map_points(lines: list[Line], function: Callable[[Point], Point]) -> list[Line]:
    return [
        replace(
            line,
            polygon=tuple(map(function, line.polygon)),
            baseline=tuple(map(function, line.baseline)),
        )
        for line in lines
    ]


def same_shape(one: Size, other: Size) -> bool:
    """Whether two images have the same aspect ratio; never for ``other`` of unknown size, 0 x 0."""
    return min(other) > 0 and abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= SAME_SHAPE


def _upright(point: Point, image: ImageSize) -> Point:
    """Move a point of the stored image to the upright image (Exif 2.32, tag 274)."""
    return upright_point(point, image.orientation, (image.upright[0] - 1, image.upright[1] - 1))
