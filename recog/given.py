"""The lines that a PAGE or ALTO file gives for an image beside it: what ``layout="xml"`` reads along."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from recog.corpora.manifest import LineShape
from recog.corpora.pages import banded
from recog.errors import UserError
from recog.folders import stored
from recog.formats import alto_reader, page
from recog.formats.shapes import size_of
from recog.formats.xml import Element, children, descendants, local, parse, shown
from recog.transcript import Line, Point

Size = tuple[int, int]  # width and height in pixels
SAME_SHAPE = 0.01  # by how much the ratio of the sides of two copies of an image may differ


def given_lines(
    source: str | Path | BinaryIO, index: int, size: Size, stored: Size, orientation: int
) -> tuple[list[tuple[tuple[Point, ...], tuple[Point, ...]]], list[str]]:
    """Baseline and polygon of each line, in reading order, in pixels of the image as it stands upright; and what there is to
    warn of.

    NAME.xml describes NAME.jpg. Of the pages of a document, NAME-0001.xml describes the first, or the pages of an ALTO file
    called NAME.xml are they. A file may describe the image as a camera stored it, before its orientation was applied, which
    its size then says; or a smaller or larger copy.

    Args:
        source: path of the image.
        index: of the page, from 0.
        size: of the image as it stands upright.
        stored: of the image as it is stored.
        orientation: of Exif, from the one to the other.

    Raises:
        UserError: there is no such file, it is damaged, it describes another image, or has lines and none that can be used.
    """
    if not isinstance(source, str | Path):
        raise UserError("standard input has no PAGE or ALTO file beside it; give a file, or leave out --layout xml.")
    xml, own = _described(Path(source), index)
    lines, declared = own
    shapes = banded([LineShape(line.polygon, line.baseline) for line in lines])

    def placed(points: tuple[Point, ...]) -> tuple[Point, ...]:
        if declared is None or declared == size:
            return points
        if declared == stored:
            return tuple(_turned(point, orientation, size) for point in points)
        return tuple((x * size[0] / declared[0], y * size[1] / declared[1]) for x, y in points)

    if declared not in (None, size, stored):
        ratio = declared[0] * size[1] / (declared[1] * size[0])
        if abs(ratio - 1) > SAME_SHAPE:
            raise UserError(
                f"{xml} describes an image of {declared[0]} x {declared[1]} pixels, and {source} has "
                f"{size[0]} x {size[1]}; give the file of this image."
            )
    found = [(placed(shape.baseline), placed(shape.polygon)) for shape in shapes if shape.polygon]
    read = sum(_touches(polygon, size) for _, polygon in found)
    if lines and not read:
        raise UserError(
            f"{xml}: none of its {len(lines)} lines has a usable outline or baseline in the image; leave out --layout xml."
        )
    if read == len(lines):
        return found, []
    return found, [
        f"{xml}: {len(lines) - read} of its {len(lines)} lines, without a usable outline or baseline, were not read."
    ]


def _touches(polygon: tuple[Point, ...], size: Size) -> bool:
    """Whether something of an outline is in the image."""
    across, down = ([point[k] for point in polygon] for k in (0, 1))
    return min(across) < size[0] and max(across) > 0 and min(down) < size[1] and max(down) > 0


def _described(image: Path, index: int) -> tuple[Path, tuple[list[Line], Size | None]]:
    """The file that describes a page of an image, and what it says of that page."""
    numbered = image.with_name(f"{image.stem}-{index + 1:04d}.xml")
    whole = image.with_suffix(".xml")
    for xml, at in ((stored(numbered), 0), (stored(whole), index)):
        if xml.is_file():
            pages = _pages(parse(xml), xml)
            if at < len(pages):
                return xml, pages[at]
            raise UserError(f"{xml} describes {len(pages)} pages, and {image} has more; give one that has them all.")
    wanted = whole.name if index == 0 else f"{whole.name} or {numbered.name}"
    raise UserError(f"{image}: there is no {wanted} beside it, whose lines --layout xml reads; put it there.")


def _pages(root: Element, xml: Path) -> list[tuple[list[Line], Size | None]]:
    """Lines and size of each page of a PAGE or ALTO file."""
    if local(root) == "PcGts":
        found = list(children(root, "Page"))
        return [(page.lines_of(own), size_of(own.get("imageWidth"), own.get("imageHeight"))) for own in found]
    if local(root) == "alto":
        sizes = [size_of(own.get("WIDTH"), own.get("HEIGHT")) for own in descendants(root, "Page")]
        return list(zip(alto_reader.pages_of(root, str(xml)), sizes, strict=True))
    raise UserError(f"{xml} is neither PAGE nor ALTO: its root is {shown(root)}.")


def _turned(point: Point, orientation: int, size: Size) -> Point:
    """A point of an image as it is stored on the image as it stands upright (Exif 2.32, tag 274)."""
    x, y = point
    if orientation in (5, 6, 7, 8):
        x, y = y, x
    if orientation in (2, 3, 6, 7):
        x = size[0] - 1 - x
    if orientation in (3, 4, 7, 8):
        y = size[1] - 1 - y
    return x, y
