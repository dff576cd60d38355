"""The lines of an image from the PAGE or ALTO file beside it, for ``layout="xml"``."""

from __future__ import annotations

import os
from pathlib import Path

from recog.errors import UserError
from recog.formats.layout.page_layout import (
    PIXEL,
    ImageSize,
    PageLayout,
    Size,
    image_size,
    lines_on_image,
    page_layouts,
)
from recog.formats.layout.xml import parse
from recog.media.source import Source, name_of
from recog.transcript import Point
from recog.util.folders import existing_path


def read_segmentation(
    source: Source, index: int, size: Size, stored: Size, orientation: int
) -> tuple[list[tuple[tuple[Point, ...], tuple[Point, ...]]], list[str]]:
    """Read the segmentation of an image: baseline and polygon of each line, in reading order.

    Coordinates are pixels of the upright image. The second value is a sentence on the lines that
    cannot be read, if there are such lines.

    NAME.xml describes NAME.jpg. For a document, NAME-0001.xml describes the first page, or an ALTO
    file NAME.xml describes all pages. A file may describe the image as stored, before its
    orientation was applied (its size tells), or a smaller or larger copy.

    Args:
        source: path of the image.
        index: number of the page, from 0.
        size: width and height of the upright image.
        stored: width and height of the image as stored.
        orientation: Exif orientation from stored to upright.

    Raises:
        UserError: there is no such file, it is damaged, it describes another image, or none of its
            lines can be used.
    """
    if not isinstance(source, str | os.PathLike):
        name = name_of(source)
        name = "standard input" if name == "<stdin>" else name
        raise UserError(
            f"{name} has no PAGE or ALTO file beside it; give a file, or leave out --layout xml."
        )
    xml, page = _described(Path(source), index)
    file = image_size(Path(source)) if page.size is None and page.unit != PIXEL else None
    image = ImageSize(size, stored, orientation, file.dpi if file else None)
    lines = lines_on_image(page, image, xml=xml, media=source)
    regions = [(line.baseline, line.polygon) for line in lines if line.polygon]
    usable = sum(_touches(polygon, size) for _, polygon in regions)
    if lines and not usable:
        raise UserError(
            f"{xml}: none of its {len(lines)} lines has a usable outline or baseline in the image; "
            "leave out --layout xml."
        )
    if usable == len(lines):
        return regions, []
    return regions, [
        f"{xml}: {len(lines) - usable} of its {len(lines)} lines, without a usable outline or "
        "baseline, were not read."
    ]


def _touches(polygon: tuple[Point, ...], size: Size) -> bool:
    """Whether a part of a polygon lies in the image."""
    across, down = ([point[k] for point in polygon] for k in (0, 1))
    return min(across) < size[0] and max(across) > 0 and min(down) < size[1] and max(down) > 0


def _described(image: Path, index: int) -> tuple[Path, PageLayout]:
    """The file that describes a page of an image, and its description of that page."""
    numbered = image.with_name(f"{image.stem}-{index + 1:04d}.xml")
    whole = image.with_suffix(".xml")
    for xml, at in ((existing_path(numbered), 0), (existing_path(whole), index)):
        if xml.is_file():
            pages = page_layouts(parse(xml), str(xml))
            if at < len(pages):
                return xml, pages[at]
            raise UserError(
                f"{xml} describes {len(pages)} pages, and {image} has more; give one that has "
                "them all."
            )
    expected = whole.name if index == 0 else f"{whole.name} or {numbered.name}"
    raise UserError(
        f"{image}: there is no {expected} beside it, whose lines --layout xml reads; put it there."
    )
