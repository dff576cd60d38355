"""The whole transcript as JSON: the one format that loses nothing.

The fields are those of :mod:`recog.transcript` under the same names, beside ``format_version`` and,
for the reader's convenience, the joined ``text``. A field that has its default value is left out.

Numbers are rounded to what they can mean: times to the millisecond, pixels to a hundredth,
confidences and scores to four decimals. A transcript whose numbers are that coarse comes back
equal; any other comes back rounded, once.
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
    """JSON with a line break at the end: :func:`to_dict`."""
    return json.dumps(to_dict(transcript), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def to_dict(transcript: Transcript) -> dict[str, Any]:
    """What stands in the file. Numbers that are not finite are None: JSON has no NaN.

    A document of several pages has ``pages``, each with its ``size`` and ``lines``.
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
    # `lines` stands last, where a person who opens the file has seen the rest; it is kept when
    # empty, like `source`.
    if transcript.pages:
        document["size"] = None
    document = {key: value for key, value in document.items() if value not in (None, [])}
    if transcript.pages:
        document["pages"] = [_page(page) for page in transcript.pages]
    else:
        document["lines"] = [line_fields(line) for line in transcript.lines]
    return document


def read(text: str, *, source: str = "") -> Transcript:
    """The transcript that :func:`write` wrote.

    Args:
        text: the file's content.
        source: the file's name, for messages; the transcript keeps the ``source`` in the file.

    Raises:
        UserError: not JSON, another ``format_version``, or a field of the wrong type.
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
                f"{name} has no format_version: it is no transcript of recog; give one, or plain text."
            )
        raise UserError(
            f"{name} has format_version {version}, not {FORMAT_VERSION}; give a transcript written by this version of "
            "recog."
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
    """A line as it stands in the file."""
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
    """``value`` as a Python float (NumPy's are not JSON), None where it is not finite; never minus
    zero."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), decimals) + 0.0


def _restore_scores(document: dict[str, Any]) -> None:
    """A score of null stood for one that was not finite: log 0."""
    pages = [document, *_objects(document.get("pages"))]
    for line in (line for page in pages for line in _objects(page.get("lines"))):
        for alternative in _objects(line.get("alternatives")):
            if "score" in alternative and alternative["score"] is None:
                alternative["score"] = -math.inf


def _objects(value: object) -> list[dict[str, Any]]:
    """The objects of a JSON array; none where it is something else, which the validation then
    names."""
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
    """Pydantic's first complaint in a few words, without the input: that may be long or hostile."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return "nested too deeply"
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part)[:40] for part in first["loc"]) or "content"
    return f"{place}: {first['msg'][:120]}"
