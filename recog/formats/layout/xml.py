"""Safe XML parsing (no entities, DTD or network, bounded sizes), and access by local names."""

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
    """Parse an XML file; return its root element.

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
    """Parse XML that is already decoded, whatever encoding it declares; return its root element.

    Args:
        name: the file's name, for messages.

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
    """Return libxml2's message on one line; it may quote the file."""
    return " ".join((error.msg or "it cannot be parsed").split())[:200]


def tag_text(element: Element) -> str:
    """Return an element's name for messages, as ``<name>``."""
    return f"<{local_name(element)[:40]}>"


def new_root(tag: str, namespace: str) -> Element:
    """Make the root element of a document with one default namespace."""
    return etree.Element(f"{{{namespace}}}{tag}", nsmap={None: namespace})


def add_element(parent: Element, tag: str, **attributes: object) -> Element:
    """Append an element of the parent's namespace; values of attributes become text."""
    name = etree.QName(etree.QName(parent).namespace, tag)
    return etree.SubElement(parent, name, {key: str(value) for key, value in attributes.items()})


def to_xml(root: Element, doctype: str | None = None) -> str:
    """Write a document with its XML declaration, indented."""
    content: bytes = etree.tostring(
        root, xml_declaration=True, encoding="UTF-8", pretty_print=True, doctype=doctype
    )
    return content.decode("utf-8")


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
    """Return an element's name without its namespace; empty for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def children(element: Element, *names: str) -> Iterator[Element]:
    """Yield the direct children with one of ``names``, in any namespace."""
    return (child for child in element if local_name(child) in names)


def child(element: Element, *names: str) -> Element | None:
    """Return the first of :func:`children`, or None."""
    return next(children(element, *names), None)


def descendants(element: Element, *names: str) -> Iterator[Element]:
    """Yield all descendants with one of ``names``, in document order."""
    return (e for e in element.iter() if local_name(e) in names)


def text_of(element: Element | None) -> str:
    """Return the text directly in an element; empty for None."""
    return "" if element is None else (element.text or "")


def parse_number(value: str | None) -> float | None:
    """Parse a finite number within :data:`MAX_COORDINATE`; None for anything else."""
    if value is None or not _NUMBER.fullmatch(value.strip()):
        return None
    x = float(value)
    return x if math.isfinite(x) and abs(x) <= MAX_COORDINATE else None


def parse_points(value: str | None) -> tuple[Point, ...]:
    """Parse ``"10,20 30,40"`` or ``"10 20 30 40"`` into points; empty where that fails."""
    pieces = (value or "").replace(",", " ").split()
    if len(pieces) % 2 or len(pieces) > 2 * MAX_POINTS:
        return ()
    numbers = [parse_number(piece) for piece in pieces]
    if any(x is None for x in numbers):
        return ()
    values = [x for x in numbers if x is not None]
    return tuple(zip(values[::2], values[1::2], strict=True))
