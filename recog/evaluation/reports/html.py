"""Report of an evaluation as a single self-contained HTML file.

It has the figures, the lines that raise the error rate most with their image or sound, confusions
and the calibration of confidences.

Texts and names are untrusted. All of them pass through :func:`escape_text`, and the content
security policy of the page forbids scripts and network access.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from recog.corpora.rows import Row
from recog.errors import UserError
from recog.evaluation.alternates import choose_readings
from recog.evaluation.comparison import Comparison
from recog.evaluation.confidence import reliability_svg
from recog.evaluation.counts import Counts, Pair
from recog.evaluation.reports.analysis import (
    CalibrationReport,
    by_length,
    calibration_report,
    worst_lines,
)
from recog.evaluation.reports.clips import Clip, clip_of
from recog.evaluation.reports.differences import Spans, differences
from recog.evaluation.reports.terminal import verdict, with_interval
from recog.evaluation.result import Confusion, GroupScore, Result, Score
from recog.util.display import percent

MAX_MEDIA = 30 << 20  # bytes of images and sound in a report, which mail and phones still accept
MAX_GROUPS = 500
MAX_NAME = 120  # characters of an id or a group
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
_CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_VISIBLE = {"": "∅", " ": "␣", "\n": "⏎", "\t": "⇥", "\u00a0": "⍽"}


@dataclass(frozen=True)
class Document:
    """Content of a report.

    Attributes:
        title: names of the model and the data.
        result, pairs: the scores and the texts, in the same order.
        comparison: the comparison with another system.
        number: number of lines to show.
        row_of: maps the id of a pair to the row with its sound or image, None where unknown.
        made_by: program and version.
    """

    title: str
    result: Result
    pairs: Sequence[Pair]
    comparison: Comparison | None = None
    number: int = 50
    row_of: Callable[[str], Row | None] = lambda identity: None
    made_by: str = "recog"


def report(document: Document) -> str:
    """Render the report as an HTML document."""
    result = document.result
    document = replace(
        document, pairs=[choose_readings(pair, result.normalisation) for pair in document.pairs]
    )
    sections = [
        ("summary", "Summary", _summary(document)),
        ("lines", "Lines that raise the error rate most", _lines(document)),
        ("confusions", "Confusions", _confusions(result)),
        (
            "confidence",
            "Confidence",
            _confidence(calibration_report(document.pairs, result.normalisation)),
        ),
        ("groups", "By group", _groups(result)),
        ("length", "By length", _lengths(result)),
    ]
    sections = [section for section in sections if section[2]]
    links = "".join(f'<li><a href="#{name}">{heading}</a></li>' for name, heading, _ in sections)
    body = "".join(
        f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{heading}</h2>\n{content}</section>\n'
        for name, heading, content in sections
    )
    style = Path(__file__).with_name("report.css").read_text("utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape_text(document.title, MAX_NAME)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#main">To the results</a>\n'
        f"<header><h1>{escape_text(document.title, MAX_NAME)}</h1>\n"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>\n<main id="main">\n{body}</main>\n'
        f"<footer>Made by {escape_text(document.made_by)}.</footer>\n</body>\n</html>\n"
    )


def escape_text(value: str, limit: int | None = None) -> str:
    """Escape any text for HTML content or an attribute.

    Control characters and halves of surrogate pairs become U+FFFD.
    """
    if limit is not None and len(value) > limit:
        value = value[: limit - 1] + "…"
    return html.escape(_CONTROL.sub("\ufffd", value))


def _summary(document: Document) -> str:
    result = document.result
    figures = [
        ("WER", f"{percent(result.wer.rate)} %", _range(result.wer_interval)),
        ("CER", f"{percent(result.cer.rate)} %", _range(result.cer_interval)),
        (
            "Lines or utterances with an error",
            f"{percent(result.sentence_error_rate)} %",
            f"of {result.n:,}",
        ),
    ]
    cards = "".join(
        f'<div><dt>{name}</dt><dd class="large">{value}</dd><dd class="soft">{beside}</dd></div>'
        for name, value, beside in figures
    )
    rows = [
        [name, with_interval(counts.rate, interval), *_counted(counts)]
        for name, counts, interval in (
            ("Words", result.wer, result.wer_interval),
            ("Characters", result.cer, result.cer_interval),
        )
    ]
    head = [
        "",
        "error rate, % [95 %]",
        "errors",
        "substituted",
        "deleted",
        "inserted",
        "in the reference",
    ]
    missing = (
        [f"{result.missing:,} of them have no hypothesis, and count as deleted."]
        if result.missing
        else []
    )
    notes = [f"Normalisation: {result.normalisation.name} ({result.normalisation.description})."]
    return (
        f'<dl class="figures">{cards}</dl>\n{_table("Errors", head, rows)}'
        + (_compared(document.comparison) if document.comparison else "")
        + "".join(
            f'<p class="warning">{escape_text(note, 500)}</p>'
            for note in [*missing, *result.warnings]
        )
        + "".join(
            f'<p class="soft">{escape_text(note, 500)}</p>' for note in [*notes, *result.notes]
        )
    )


def _range(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"95 %: {100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def _counted(counts: Counts) -> list[str]:
    numbers = (
        counts.errors,
        counts.substitutions,
        counts.deletions,
        counts.insertions,
        counts.reference,
    )
    return [f"{number:,}" for number in numbers]


def _compared(comparison: Comparison) -> str:
    rows = []
    for name, one in (("WER", comparison.wer), ("CER", comparison.cer)):
        points = with_interval(one.difference, one.interval)
        rows.append([name, percent(one.a), percent(one.b), points, verdict(one)])
    return _table(
        "A is this system, B the other", ["", "A %", "B %", "B − A, points [95 %]", ""], rows
    )


def _lines(document: Document) -> str:
    scores = worst_lines(document.result, document.number)
    if not scores:
        return "<p>No line has an error.</p>\n"
    pairs = {pair.id: pair for pair in document.pairs}
    shared = _common_folder_length(list(pairs))
    items, space = [], MAX_MEDIA
    for score in scores:
        row, clip, why = document.row_of(score.id), None, ""
        if row is not None:
            try:
                clip = clip_of(row)
            except UserError as error:
                why = str(error)
            if clip is not None and len(clip.uri) > space:
                clip, why = None, "Left out, so that the report stays small."
            space -= len(clip.uri) if clip is not None else 0
        items.append(_line(score, score.id[shared:], pairs[score.id], document.result, clip, why))
    return (
        f'<p class="soft">{len(items):,} of {document.result.n:,}, those first whose errors are most beyond what the mean rate '
        "gives a line of their length. The texts are shown as they were compared.</p>\n"
        '<p class="key soft"><span>In the reference: <del>word <b>lett</b>er</del> not recognised.</span> '
        "<span>In the recognised text: <ins>word <b>lett</b>er</ins> not in the "
        "reference.</span></p>\n"
        f'<ol class="lines">\n{"".join(items)}</ol>\n'
    )


def _common_folder_length(names: Sequence[str]) -> int:
    """Length of the folder path that all names share, in characters."""
    first, last = min(names).split("/")[:-1], max(names).split("/")[:-1]
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return sum(len(part) + 1 for part, _ in same)


def _line(score: Score, name: str, pair: Pair, result: Result, clip: Clip | None, why: str) -> str:
    rule = result.normalisation
    ours, theirs = differences(rule(pair.reference), rule(pair.hypothesis or ""))
    recognised = _marked(theirs, "ins") or '<span class="soft">(nothing)</span>'
    group = f" · {escape_text(score.group, MAX_NAME)}" if score.group is not None else ""
    return (
        f"<li><h3><bdi>{escape_text(name, MAX_NAME)}</bdi></h3>\n"
        f'<p class="soft">CER {percent(score.cer.rate)} % ({score.cer.errors:,} of {score.cer.reference:,} characters) · '
        f"WER {percent(score.wer.rate)} % ({score.wer.errors:,} of {score.wer.reference:,} "
        f"words){group}</p>\n"
        f"{_media(clip, name, why)}"
        f'<dl class="pair"><dt>Reference</dt><dd dir="auto">{_marked(ours, "del") or "(empty)"}</dd>'
        f'<dt>Recognised</dt><dd dir="auto">{recognised}</dd></dl></li>\n'
    )


def _media(clip: Clip | None, name: str, why: str) -> str:
    if clip is None:
        return f'<p class="soft">{escape_text(why, 300)}</p>\n' if why else ""
    if clip.kind == "image":
        size = f'width="{clip.size[0]}" height="{clip.size[1]}"'
        return f'<figure><img src="{clip.uri}" {size} alt="Image of {escape_text(name, MAX_NAME)}" decoding="async"></figure>\n'
    cut = "<figcaption>The first 30 seconds.</figcaption>" if clip.cut else ""
    label = f"Sound of {escape_text(name, MAX_NAME)}"
    return f'<figure><audio controls preload="none" aria-label="{label}" src="{clip.uri}"></audio>{cut}</figure>\n'


def _marked(spans: Spans, tag: str) -> str:
    """Convert spans to HTML: wrong words in ``tag``, their wrong letters in <b>."""
    parts: list[str] = []
    inside = False
    for span in spans:
        wrong = span.mark in ("word", "letter")
        if wrong != inside:
            parts.append(f"<{tag}>" if wrong else f"</{tag}>")
            inside = wrong
        shown = escape_text(span.text)
        if span.mark == "left out":
            shown = f'<span class="soft">{shown}</span>'
        parts.append(f"<b>{shown}</b>" if span.mark == "letter" else shown)
    return "".join(parts) + (f"</{tag}>" if inside else "")


def _confusions(result: Result) -> str:
    tables = [
        _confused(name, found)
        for name, found in (
            ("Words", result.word_confusions),
            ("Characters", result.character_confusions),
        )
        if found
    ]
    return f'<div class="side">{"".join(tables)}</div>\n' if tables else ""


def _confused(name: str, confusions: Sequence[Confusion]) -> str:
    most = max((confusion.count for confusion in confusions), default=1)
    rows = "".join(
        f'<tr><td class="text">{_token(one.reference)}</td><td class="text">{_token(one.hypothesis)}</td>'
        f"{_bar(f'{one.count:,}', one.count / most)}</tr>\n"
        for one in confusions
    )
    head = '<th scope="col">reference</th><th scope="col" class="text">recognised</th><th scope="col">times</th>'
    return _wide(
        f"{name}: the {len(confusions)} most common",
        f"<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody>",
    )


def _token(token: str) -> str:
    shown = _VISIBLE.get(token)
    if shown is not None:
        names = {
            "": "nothing",
            " ": "space",
            "\n": "line break",
            "\t": "tab",
            "\u00a0": "no-break space",
        }
        return f'<abbr title="{names[token]}">{shown}</abbr>'
    if token.isspace() or not token.isprintable():
        return " ".join(f"U+{ord(c):04X}" for c in token[:8])
    return f"<kbd><bdi>{escape_text(token, 40)}</bdi></kbd>"


def _confidence(found: CalibrationReport | None) -> str:
    if found is None:
        return ""
    lean = found.mean - found.accuracy
    leaning = "about right" if abs(lean) < 0.02 else "too sure" if lean > 0 else "not sure enough"
    rows = [
        [
            f"{100 * b.low:.0f} to {100 * b.high:.0f}",
            f"{b.count:,}",
            f"{100 * b.confidence:.1f}",
            f"{100 * b.accuracy:.1f}",
        ]
        for b in found.table
    ]
    chart = reliability_svg(
        list(found.table), title="Words that are right, by confidence", background="none"
    )
    return (
        f"<p>Over {found.words:,} words the mean confidence is {100 * found.mean:.1f} %, and "
        f"{100 * found.accuracy:.1f} % of "
        f"them are right: on the whole {leaning}.</p>\n"
        '<div class="side"><figure class="chart">'
        f"{chart}<figcaption>Bars on the dashed line are as right as they are sure; strong bars "
        "stand for many "
        "words.</figcaption></figure>\n<div>"
        f'<dl class="figures"><div><dt>Expected calibration error</dt><dd class="large">{found.calibration_error:.3f}</dd>'
        '<dd class="soft">0 is perfect (Guo et al. 2017, 15 bins)</dd></div>'
        f'<div><dt>Normalised cross entropy</dt><dd class="large">{found.cross_entropy:.3f}</dd>'
        '<dd class="soft">1 is perfect, 0 tells nothing (NIST)</dd></div></dl>'
        f"{_table('By confidence', ['confidence, %', 'words', 'mean, %', 'right, %'], rows)}</div></div>\n"
    )


def _groups(result: Result) -> str:
    if not result.groups:
        return ""
    names = sorted(result.groups, key=lambda name: (-result.groups[name].cer.rate, name))
    more = (
        f'<p class="soft">The {MAX_GROUPS} of {len(names):,} with the highest CER.</p>\n'
        if len(names) > MAX_GROUPS
        else ""
    )
    return more + _scores(
        "Groups, the worst first",
        "group",
        [(name, result.groups[name]) for name in names[:MAX_GROUPS]],
    )


def _lengths(result: Result) -> str:
    return _scores("By words of the reference", "words", by_length(result).items())


def _scores(caption: str, first: str, scores: Iterable[tuple[str, GroupScore]]) -> str:
    scores = list(scores)
    finite = [group.cer.rate for _, group in scores if group.cer.reference]
    most = max([*finite, 1e-9])
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in (first, "lines", "CER, %", "characters", "WER, %", "words")
    )
    rows = "".join(
        f'<tr><th scope="row"><bdi>{escape_text(name, MAX_NAME)}</bdi></th><td>{group.n:,}</td>'
        f"{_bar(percent(group.cer.rate), min(1.0, group.cer.rate / most))}<td>{group.cer.reference:,}</td>"
        f"<td>{percent(group.wer.rate)}</td><td>{group.wer.reference:,}</td></tr>\n"
        for name, group in scores
    )
    return _wide(caption, f"<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody>")


def _bar(value: str, share: float) -> str:
    return f'<td class="bar" style="--share:{100 * share:.1f}%">{value}</td>'


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Make an HTML table of texts; the first cell of each row is its heading."""
    columns = "".join(
        f'<th scope="col">{escape_text(name)}</th>' if name else "<td></td>" for name in head
    )
    body = "".join(
        f'<tr><th scope="row">{escape_text(first)}</th>'
        + "".join(f"<td>{escape_text(cell)}</td>" for cell in cells)
        + "</tr>\n"
        for first, *cells in rows
    )
    return _wide(caption, f"<thead><tr>{columns}</tr></thead>\n<tbody>{body}</tbody>")


def _wide(caption: str, content: str) -> str:
    """Wrap a table so that it scrolls in a narrow window, with the keyboard too."""
    label = escape_text(caption)
    return (
        f'<div class="wide" role="region" aria-label="{label}" tabindex="0">'
        f"<table><caption>{label}</caption>\n{content}</table></div>\n"
    )
