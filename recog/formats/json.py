"""JSON with everything that a transcript holds.

The fields have the names of :mod:`recog.transcript`; ``format_version`` and the joined ``text`` are
added. A field with its default value is left out. Times are rounded to the millisecond, pixels to a
hundredth, confidences and scores to four decimals.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from recog.errors import UserError
from recog.transcript import Alternative, Line, Point, Transcript, Word

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT_VERSION = 1
_SECONDS, _PIXELS, _SCORE = 3, 2, 4  # decimals


def write(transcript: Transcript) -> str:
    """Write JSON (:func:`to_dict`) with a line break at the end."""
    return json.dumps(to_dict(transcript), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def to_dict(transcript: Transcript) -> dict[str, Any]:
    """Return the content of the file as a dictionary.

    Numbers that are not finite are None, as JSON has no NaN. A document of several pages has
    ``pages``, each with a ``size`` and ``lines``.
    """
    document = {
        "format_version": FORMAT_VERSION,
        "source": transcript.source,
        "model": transcript.model or None,
        "duration": _rounded(transcript.duration, _SECONDS),
        "size": None if transcript.size is None else [int(side) for side in transcript.size],
        "warnings": list(transcript.warnings),
        "damage": list(transcript.damage),
        "text": transcript.text,
    }
    if transcript.pages:
        document["size"] = None
    document = {key: value for key, value in document.items() if value not in (None, [])}
    # the longest part comes last, for people who open the file; it is written even if empty
    if transcript.pages:
        document["pages"] = [_page(page) for page in transcript.pages]
    else:
        document["lines"] = [line_fields(line) for line in transcript.lines]
    return document


def read(text: str, *, source: str = "") -> Transcript:
    """Read what :func:`write` wrote.

    Args:
        text: the file's content.
        source: the file's name, for messages; the transcript has the ``source`` in the file.

    Raises:
        UserError: the text is not JSON, has another ``format_version``, or a field of a wrong type.
    """
    from pydantic import ValidationError

    name = source or "The text"
    try:
        document = json.loads(
            text.removeprefix("\ufeff"), parse_constant=_reject_constant, parse_float=_finite_float
        )
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{name} is not valid JSON ({_error_text(error)}); give a transcript written by recog."
        ) from None
    version = document.get("format_version") if isinstance(document, dict) else None
    if isinstance(version, bool) or version != FORMAT_VERSION:
        if not isinstance(version, int):
            raise UserError(
                f"{name} has no format_version: it is no transcript of recog; "
                "give one, or plain text."
            )
        raise UserError(
            f"{name} has format_version {version}, not {FORMAT_VERSION}; "
            "give a transcript written by this version of recog."
        )
    _restore_scores(document)
    try:
        transcript = _adapter().validate_json(json.dumps(document), strict=True)
    except (ValidationError, RecursionError) as error:
        raise UserError(
            f"{name} is not a transcript ({_validation_message(error)}); give one written by recog."
        ) from None
    if not transcript.pages:
        return transcript
    pages = [replace(page, model=transcript.model) for page in transcript.pages]
    return Transcript.of_pages(transcript.source, pages, transcript.warnings, transcript.damage)


def _page(page: Transcript) -> dict[str, Any]:
    return {
        "source": page.source,
        "size": None if page.size is None else [int(side) for side in page.size],
        "lines": [line_fields(line) for line in page.lines],
    }


def line_fields(line: Line) -> dict[str, Any]:
    """Return the fields of a line as they are written, without those at their default."""
    fields = {
        "text": line.text,
        "start": _rounded(line.start, _SECONDS),
        "end": _rounded(line.end, _SECONDS),
        "polygon": _points(line.polygon),
        "baseline": _points(line.baseline),
        "confidence": _rounded(line.confidence, _SCORE),
        "channel": line.channel,
        "words": [_word(word) for word in line.words],
        "alternatives": [_alternative(alternative) for alternative in line.alternatives],
    }
    return {key: value for key, value in fields.items() if value not in (None, [])}


def _word(word: Word) -> dict[str, Any]:
    fields = {
        "text": word.text,
        "start": _rounded(word.start, _SECONDS),
        "end": _rounded(word.end, _SECONDS),
        "box": None if word.box is None else [_rounded(side, _PIXELS) for side in word.box],
        "confidence": _rounded(word.confidence, _SCORE),
    }
    return {key: value for key, value in fields.items() if value is not None}


def _alternative(alternative: Alternative) -> dict[str, Any]:
    return {"text": alternative.text, "score": _rounded(alternative.score, _SCORE)}


def _points(points: Iterable[Point]) -> list[list[float | None]]:
    return [[_rounded(x, _PIXELS), _rounded(y, _PIXELS)] for x, y in points]


def _rounded(value: float | None, decimals: int) -> float | None:
    """Round to a Python float (NumPy's are not JSON), without minus zero; None if not finite."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), decimals) + 0.0


def _restore_scores(document: dict[str, Any]) -> None:
    """Replace scores of null, which stand for log 0, by minus infinity."""
    pages = [document, *_objects(document.get("pages"))]
    for line in (line for page in pages for line in _objects(page.get("lines"))):
        for alternative in _objects(line.get("alternatives")):
            if "score" in alternative and alternative["score"] is None:
                alternative["score"] = -math.inf


def _objects(value: object) -> list[dict[str, Any]]:
    """Return the objects in a JSON array; empty for any other value, which validation reports."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


@cache
def _adapter() -> TypeAdapter[Transcript]:
    from pydantic import TypeAdapter

    return TypeAdapter(Transcript)


def _reject_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    return value


def _error_text(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _validation_message(error: Exception) -> str:
    """Return pydantic's first message without the input, which may be long or hostile."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return "nested too deeply"
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part)[:40] for part in first["loc"]) or "content"
    return f"{place}: {first['msg'][:120]}"
