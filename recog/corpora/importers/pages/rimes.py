"""Import RIMES 2011 (Grosicki and El Abed 2011): pages with line boxes, or line images.

For pages as in the ICDAR competition, ``training_2011.xml`` and ``eval_2011_annotated.xml`` hold

    <DocumentList><SinglePage FileName="images_gray/train2011-0.png"><Paragraph ...>
        <Line Bottom="..." Left="..." Right="..." Top="..." Value="the text"/>

and the images are anywhere below SRC. Of a doubtful reading ``¤{one/other}¤`` the first is taken.
The files do not name the writers, so there is no group, and a split keeps pages whole. Split: a
file called ``eval*`` or ``test*`` is the test.

For line images, as in RIMES-2011-Lines, images and texts have the same names, in the same folder or
in two. Lists give the names in each split (``TrainLines.txt``, ``ValidationLines.txt``,
``TestLines.txt``). Without lists, ``eval*`` is the test. ``train2011-12_000003`` is a line of the
letter ``train2011-12``, which is its group.

The complete RIMES of 2024 has texts for boxes of several lines, not for lines; it is refused.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from recog.corpora.files import is_image, read_split_lists, read_text, split_from_name, walk
from recog.corpora.rows import LineShape, Row, usable_splits
from recog.errors import UserError
from recog.formats.layout.xml import Element, children, descendants, local_name, parse, parse_number
from recog.util.folders import nfc

_DOUBTFUL = re.compile(r"¤\{([^¤{}/|]*)(?:[/|][^¤{}]*)?\}¤")


def rows(src: Path) -> Iterator[Row]:
    """Import the lines of the RIMES files in ``src``, or of the file ``src``.

    Raises:
        UserError: there is no RIMES file, or a file is damaged or from the complete RIMES.
    """
    folder = src if src.is_dir() else src.parent
    images: dict[str, Path] = {}
    files = []
    for file in walk(folder):
        if is_image(file):
            images.setdefault(nfc(file.name), file)
        elif file.suffix.lower() == ".xml" and src in (folder, file):
            files.append(file)
    found: list[Row] = []
    for file in files:
        root = parse(file)
        if local_name(root) == "document" and any(True for _ in descendants(root, "box")):
            raise UserError(
                f"{file} is of the complete RIMES, whose texts are those of boxes; take the lines "
                "of RIMES 2011."
            )
        if local_name(root) == "DocumentList":
            found += _pages(root, file, images)
    if not found and src.is_dir():
        found = list(_lines(src, images))
    if not found:
        raise UserError(
            f"{src} does not look like RIMES 2011: there is no XML with <DocumentList> and lines "
            "in it, and no image of a line "
            "with a text of its name."
        )
    return iter(usable_splits(found))


def _lines(src: Path, images: dict[str, Path]) -> Iterator[Row]:
    texts = {nfc(file.stem): file for file in walk(src) if file.suffix.lower() == ".txt"}
    splits = read_split_lists(src)
    for image in sorted(images.values()):
        name = nfc(image.stem)
        split = splits.get(name) or (
            "test" if name.lower().startswith(("eval", "test")) else "train"
        )
        if name in texts and (not splits or name in splits):
            letter = name.rpartition("_")[0] or name
            yield Row(image, _text(read_text(texts[name])), group=letter, split=split)


def _pages(root: Element, xml: Path, images: dict[str, Path]) -> Iterator[Row]:
    split = split_from_name(xml.stem)
    for page in children(root, "SinglePage"):
        name = PureWindowsPath(page.get("FileName", "").replace("\0", "")).name
        media = images.get(nfc(name)) or xml.with_name(name or "unnamed")
        for line in descendants(page, "Line"):
            yield Row(media, _text(line.get("Value", "")), line=_shape(line), split=split)


def _text(value: str) -> str:
    return " ".join(_DOUBTFUL.sub(r"\1", html.unescape(value)).replace("\\n", " ").split())


def _shape(line: Element) -> LineShape:
    """The box as a polygon, with coordinates slightly below 0 moved to the edge."""
    left, top, right, bottom = (
        parse_number(line.get(key)) for key in ("Left", "Top", "Right", "Bottom")
    )
    if left is None or top is None or right is None or bottom is None:
        return LineShape()
    left, top = max(left, 0.0), max(top, 0.0)
    if right <= left or bottom <= top:
        return LineShape()
    return LineShape(((left, top), (right, top), (right, bottom), (left, bottom)))
