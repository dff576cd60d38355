"""One hardened way to read XML: no entities, no DTD, no network, bounded sizes; elements by local
name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from lxml import etree

from recog.errors import UserError
from recog.transcript import Point

MAX_XML_BYTES = 256 << 20
MAX_POINTS = 100_000
MAX_COORDINATE = 1e6  # pixels; no scan is larger

Element: TypeAlias = etree._Element
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def parse(path: Path) -> Element:
    """The root element of an XML file.

    Raises:
        UserError: the file cannot be read, is too large, is not well-formed, or declares entities.
    """
    try:
        if path.stat().st_size > MAX_XML_BYTES:
            raise UserError(f"{path} is larger than {MAX_XML_BYTES >> 20} MiB; split it.")
        return _without_entities(etree.parse(str(path), _parser()), str(path))
    except OSError as error:
        why = (
            error.strerror or "its bytes are not of the encoding that it declares"
        )  # libxml2's, as an error of reading
        raise UserError(f"{path} cannot be read: {why}.") from None
    except etree.XMLSyntaxError as error:
        raise UserError(f"{path} is not well-formed XML: {_error_text(error)}.") from None


def parse_text(text: str, name: str) -> Element:
    """The root element of XML that was read already, whatever encoding it declares.

    Args:
        name: what messages call it.

    Raises:
        UserError: as :func:`parse`.
    """
    content = text.encode("utf-8", errors="surrogatepass")
    if len(content) > MAX_XML_BYTES:
        raise UserError(f"{name} is larger than {MAX_XML_BYTES >> 20} MiB; split it.")
    try:
        return _without_entities(
            etree.ElementTree(etree.fromstring(content, _parser("utf-8"))), name
        )
    except etree.XMLSyntaxError as error:
        raise UserError(f"{name} is not well-formed XML: {_error_text(error)}.") from None


def _error_text(error: etree.XMLSyntaxError) -> str:
    """libxml2's complaint on one line; it may quote the file."""
    return " ".join((error.msg or "it cannot be parsed").split())[:200]


def tag_text(element: Element) -> str:
    """An element's name for messages."""
    return f"<{local_name(element)[:40]}>"


def _parser(encoding: str | None = None) -> etree.XMLParser:
    return etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _without_entities(tree: etree._ElementTree, name: str) -> Element:
    dtd = tree.docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise UserError(f"{name} declares XML entities, which are not accepted; save it without.")
    return tree.getroot()


def local_name(element: Element) -> str:
    """The element's name without its namespace; empty for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def children(element: Element, *names: str) -> Iterator[Element]:
    """The direct children with one of ``names``, whatever their namespace."""
    return (child for child in element if local_name(child) in names)


def child(element: Element, *names: str) -> Element | None:
    """The first such child, or None."""
    return next(children(element, *names), None)


def descendants(element: Element, *names: str) -> Iterator[Element]:
    """All descendants with one of ``names``, in document order."""
    return (e for e in element.iter() if local_name(e) in names)


def text_of(element: Element | None) -> str:
    """The text directly in the element, or an empty string."""
    return "" if element is None else (element.text or "")


def parse_number(value: str | None) -> float | None:
    """A finite number within any scan's size, or None."""
    if value is None or not _NUMBER.fullmatch(value.strip()):
        return None
    x = float(value)
    return x if math.isfinite(x) and abs(x) <= MAX_COORDINATE else None


def parse_points(value: str | None) -> tuple[Point, ...]:
    """``"10,20 30,40"`` or ``"10 20 30 40"`` -> points in pixels; empty when it is neither, or
    absurd."""
    pieces = (value or "").replace(",", " ").split()
    if len(pieces) % 2 or len(pieces) > 2 * MAX_POINTS:
        return ()
    numbers = [parse_number(piece) for piece in pieces]
    if any(x is None for x in numbers):
        return ()
    values = [x for x in numbers if x is not None]
    return tuple(zip(values[::2], values[1::2], strict=True))
