"""Helpers for the page formats: detect the format, find the image, walk folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from recog.corpora.files import IMAGE_SUFFIXES, find_media, is_image, walk
from recog.corpora.rows import LineShape, Row, group_by_folder, usable_splits
from recog.errors import UserError
from recog.formats.layout.page_layout import image_size, lines_on_image, page_layouts
from recog.formats.layout.xml import Element, local_name, parse


def page_rows(xml: Path, *, media: Path | None = None, strict: bool = True) -> list[Row]:
    """Read the lines of a PAGE or ALTO file, including lines without text.

    Args:
        xml: the file.
        media: its image; by default the image that :func:`image_of` finds.
        strict: whether XML of another kind is an error; else it has no rows.

    Raises:
        UserError: the file is damaged, of another kind, or describes another image.
    """
    root = parse(xml)
    if not strict and local_name(root) not in ("PcGts", "alto"):
        return []
    return _rows(root, xml, media)


def rows_of(src: Path, root_name: str, layout: str) -> Iterator[Row]:
    """Read the lines of ``src``, or of every XML file below it with root ``root_name``.

    Raises:
        UserError: there is no such file, or a file is damaged or describes another image.
    """
    files = [file for file in walk(src) if file.suffix.lower() == ".xml"] if src.is_dir() else [src]
    found: list[Row] = []
    pages = 0
    for file in files:
        root = parse(file)
        if local_name(root) == root_name:
            pages += 1
            found += _rows(root, file, None)
    if not pages:
        raise UserError(f"{src} has no {layout} file: no XML with the root <{root_name}>.")
    return iter(usable_splits(group_by_folder(found, src if src.is_dir() else src.parent)))


def _rows(root: Element, xml: Path, media: Path | None) -> list[Row]:
    """The rows of a file, with shapes in pixels of its image if the image exists."""
    pages = [page for page in page_layouts(root, str(xml)) if page.lines]
    if local_name(root) == "alto" and len(pages) > 1:
        raise UserError(
            f"{xml} describes {len(pages)} pages, of which it names no more than one image; give a "
            "file a page."
        )
    rows = []
    for page in pages:
        image = media or image_of(xml, page.image)
        size = image_size(image)
        # The validator reports later that an image cannot be read.
        lines = page.lines if size is None else lines_on_image(page, size, xml=xml, media=image)
        rows += [
            Row(image, line.text, line=LineShape(line.polygon, line.baseline)) for line in lines
        ]
    return rows


def image_of(xml: Path, name: str) -> Path:
    """Find the image that ``xml`` describes, beside it or in the folder above.

    The image is found by the name inside the XML, else by the stem of the XML file. Only the last
    part of the name inside counts, so that a file cannot point at other folders. If no image
    exists, its expected path is returned.
    """
    inside = PureWindowsPath(name.strip()).name  # accepts both / and \\
    inside = inside if "\0" not in inside and is_image(Path(inside or "-")) else ""
    for folder in (xml.parent, xml.parent.parent):
        for stem in filter(None, (inside, xml.stem)):
            found = find_media(folder / stem, IMAGE_SUFFIXES)
            if found.is_file() and is_image(found):
                return found
    return xml.with_name(inside or xml.stem + IMAGE_SUFFIXES[0])
