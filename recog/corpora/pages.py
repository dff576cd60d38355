"""What the page formats share: which one a file is, which image it describes, folders of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from statistics import median

from recog.corpora.files import IMAGE_SUFFIXES, find_media, is_image, walk
from recog.corpora.manifest import LineShape, Row, group_by_folder, settle_splits
from recog.errors import UserError
from recog.formats.xml import Element, local, parse, shown
from recog.transcript import Point

Reader = Callable[[Element, Path], list[Row]]
Baseline = tuple[Point, ...]


def page_rows(xml: Path, *, strict: bool = True) -> list[Row]:
    """The lines of a PAGE or ALTO file, those without text included.

    Args:
        xml: the file.
        strict: whether XML of another kind is an error; else it has no rows.

    Raises:
        UserError: the file is damaged, or of another kind.
    """
    from recog.corpora import alto, page

    root = parse(xml)
    readers: dict[str, Reader] = {"PcGts": page.page_lines, "alto": alto.page_lines}
    reader = readers.get(local(root))
    if reader is None:
        if strict:
            raise UserError(f"{xml} is neither PAGE nor ALTO: its root is {shown(root)}.")
        return []
    return with_bands(reader(root, xml))


def rows_of(src: Path, root_name: str, reader: Reader, layout: str) -> Iterator[Row]:
    """The lines of ``src``, or of every XML file beneath it whose root is ``root_name``.

    Raises:
        UserError: there is none, or one is damaged.
    """
    files = [file for file in walk(src) if file.suffix.lower() == ".xml"] if src.is_dir() else [src]
    found: list[Row] = []
    pages = 0
    for file in files:
        root = parse(file)
        if local(root) == root_name:
            pages += 1
            found += with_bands(reader(root, file))
    if not pages:
        raise UserError(f"{src} has no {layout} file: no XML with the root <{root_name}>.")
    return iter(settle_splits(group_by_folder(found, src if src.is_dir() else src.parent)))


def with_bands(rows: list[Row]) -> list[Row]:
    """The rows of a page; a line with a baseline alone gets a band around it as its polygon."""
    shapes = banded([row.line or LineShape() for row in rows])
    return [row if row.line is None else replace(row, line=shape) for row, shape in zip(rows, shapes, strict=True)]


def banded(shapes: list[LineShape]) -> list[LineShape]:
    """The lines of a page; one with a baseline alone gets a band around it as its polygon.

    The band reaches 0.75 of the page's line spacing above the baseline and 0.3 below, the spacing being the median
    distance between neighbouring baselines (a tenth of the line's length where there is only one). Lines that run down
    or up the page have a spacing of their own.
    """
    baselines = [shape.baseline for shape in shapes if shape.baseline]
    spacing = {steep: _spacing([line for line in baselines if _is_steep(line) == steep]) for steep in (False, True)}
    return [
        LineShape(_band(shape.baseline, spacing[_is_steep(shape.baseline)]), shape.baseline)
        if shape.baseline and not shape.polygon
        else shape
        for shape in shapes
    ]


def _is_steep(baseline: Baseline) -> bool:
    (x0, y0), (x1, y1) = baseline[0], baseline[-1]
    return abs(y1 - y0) > abs(x1 - x0)


def _spacing(baselines: list[Baseline]) -> float:
    """The distance between lines that run the same way; 0 where there is one line alone."""
    levels = sorted(median(point[not _is_steep(line)] for point in line) for line in baselines)
    steps = [b - a for a, b in pairwise(levels) if b - a > 5]
    return median(steps) if steps else 0.0


def _band(baseline: Baseline, spacing: float) -> Baseline:
    (x0, y0), (x1, y1) = baseline[0], baseline[-1]
    spacing = spacing or max(10.0, max(abs(x1 - x0), abs(y1 - y0)) / 10)
    up = (0.0, -spacing)
    if _is_steep(baseline):  # letters stand to the left of a line that runs up, and to the right of one that runs down
        up = (spacing, 0.0) if y1 > y0 else (-spacing, 0.0)
    above = tuple((x + 0.75 * up[0], y + 0.75 * up[1]) for x, y in baseline)
    below = tuple((x - 0.3 * up[0], y - 0.3 * up[1]) for x, y in reversed(baseline))
    return above + below


def image_of(xml: Path, name: str) -> Path:
    """The image that ``xml`` describes: by the name inside, else by its own stem, beside it or in the folder above.

    Of the name inside only the last part counts, so that a file can point at nothing elsewhere. Where there is no
    image, the name it would have comes back.
    """
    inside = PureWindowsPath(name.strip()).name  # takes / and \\ alike
    inside = inside if "\0" not in inside and is_image(Path(inside or "-")) else ""
    for folder in (xml.parent, xml.parent.parent):
        for stem in filter(None, (inside, xml.stem)):
            found = find_media(folder / stem, IMAGE_SUFFIXES)
            if found.is_file() and is_image(found):
                return found
    return xml.with_name(inside or xml.stem + IMAGE_SUFFIXES[0])
