"""``recog evaluate``: word and character error rates."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import recog
from recog.cli.options import refuse_overwrite, with_option_groups
from recog.errors import UsageError

if TYPE_CHECKING:
    from recog.corpora.rows import Row
    from recog.evaluation.comparison import Comparison
    from recog.evaluation.counts import Pair
    from recog.evaluation.inputs.normalisation import Normalisation
    from recog.evaluation.score import Result

MIN_CONFUSIONS = 20  # that JSON and HTML hold


@dataclass(frozen=True)
class RecognitionOptions:
    """How REF is recognised with --model."""

    split: Annotated[
        list[str] | None,
        typer.Option(
            help="With --model: rows of this split; may be repeated. Default: dev, test and none."
        ),
    ] = None
    beam: Annotated[
        int | None,
        typer.Option(min=0, help="With --model: beam width; 0 is greedy decoding (best path)."),
    ] = None
    threads: Annotated[int | None, typer.Option(min=1, help="With --model: CPU threads.")] = None


@dataclass(frozen=True)
class ReportOptions:
    """What is printed and written."""

    by_group: Annotated[
        bool, typer.Option("--by-group", help="Also print a table of speakers or writers.")
    ] = False
    confusions: Annotated[
        int,
        typer.Option(min=0, max=10_000, metavar="N", help="Also print the N commonest confusions."),
    ] = 0
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False
    out: Annotated[Path | None, typer.Option(help="Also write the JSON to this file.")] = None
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write an HTML report: the worst lines with image or sound."
        ),
    ] = None
    worst: Annotated[
        int, typer.Option(min=0, max=2000, help="With --html: number of lines to show.")
    ] = 50


@dataclass(frozen=True)
class Texts:
    """Pairs to score, and how.

    Attributes:
        warnings: sentences for the user.
        find_media: gives what finds the image or sound of a pair by the pair's id.
        compared: references with the texts of the other system; its warnings.
    """

    pairs: list[Pair]
    rule: Normalisation
    warnings: list[str]
    find_media: Callable[[], Callable[[str], Row | None]]
    compared: tuple[list[Pair], list[str]] | None


@with_option_groups
def evaluate(
    reference: Annotated[
        Path,
        typer.Argument(
            metavar="REF",
            help="Reference texts: text, JSONL, trn, a transcript in any format recog writes but "
            "pdf, or a folder. With --model: a manifest or a folder of data.",
        ),
    ],
    hypothesis: Annotated[
        Path | None, typer.Argument(metavar="HYP", help="Recognised texts, in any of these forms.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Recognise REF with this model (name or folder) and score the result."),
    ] = None,
    normalise: Annotated[
        str | None,
        typer.Option(
            help="Text normalisation: none, basic, collapse, plain, diplomatic, spoken, words, or "
            "a file of rules (TSV or YAML). Default: none; with --model as in training."
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="HYP2", help="Texts of another system: is the difference significant?"
        ),
    ] = None,
    recognition: RecognitionOptions = RecognitionOptions(),
    options: ReportOptions = ReportOptions(),
) -> None:
    """Word and character error rates (WER, CER) with 95 % intervals, of texts or of a model.

    recog evaluate REF HYP scores texts. recog evaluate --model MODEL DATA recognises DATA first; a
    file that cannot be read counts as deleted, and the exit code is then 1.
    """
    from recog.evaluation.comparison import compare as compare_results
    from recog.evaluation.score import evaluate as score

    _check(reference, hypothesis, model, compare, recognition, options)
    texts = (
        _read(reference, hypothesis, compare, normalise)
        if hypothesis is not None
        else _recognise(str(model), reference, compare, normalise, recognition)
    )
    result = score(
        texts.pairs,
        normalise=texts.rule,
        confusions=max(options.confusions, MIN_CONFUSIONS),
        warnings=texts.warnings,
    )
    warnings, comparison = list(result.warnings), None
    if texts.compared is not None:
        others, more_warnings = texts.compared
        other = score(others, normalise=result.normalisation, confusions=0)
        comparison = compare_results(result, other)
        warnings += [f"{compare}: {sentence}" for sentence in more_warnings]
    for sentence in warnings:
        typer.echo(f"Warning: {sentence}", err=True)
    title = (
        f"{reference.name or reference}, recognised by {model}"
        if hypothesis is None
        else f"{reference} and {hypothesis}"
    )
    _report(title, texts, result, comparison, options)
    if model is not None and result.missing:
        raise typer.Exit(1)  # the figures are there, but a file failed


def _check(
    reference: Path,
    hypothesis: Path | None,
    model: str | None,
    compare: Path | None,
    recognition: RecognitionOptions,
    options: ReportOptions,
) -> None:
    """Refuse arguments that do not go together.

    Raises:
        UsageError: naming them.
    """
    if model is None and hypothesis is None:
        raise UsageError(
            "There is nothing to compare with REF; give HYP, or --model to recognise REF."
        )
    if model is not None and hypothesis is not None:
        raise UsageError("HYP and --model exclude each other; give one of them.")
    if model is None and (recognition.split or recognition.beam is not None or recognition.threads):
        raise UsageError(
            "--split, --beam and --threads belong to --model; give it, or leave them out."
        )
    out, html = options.out, options.html
    for option, output in (("--out", out), ("--html", html)):
        refuse_overwrite(option, output, reference, hypothesis, compare)
    if out is not None and html is not None and out.resolve() == html.resolve():
        raise UsageError("--out and --html name the same file; give two.")


def _read(reference: Path, hypothesis: Path, compare: Path | None, normalise: str | None) -> Texts:
    """Texts that are there already."""
    from recog.evaluation.inputs.media import media_finder
    from recog.evaluation.inputs.normalisation import normalisation
    from recog.evaluation.inputs.pairs import read_pairs

    hypotheses = [path for path in (hypothesis, compare) if path is not None]
    pairs, warnings = read_pairs(reference, hypothesis, leave_out=hypotheses)
    rule = normalisation(normalise or "none")
    compared = None if compare is None else read_pairs(reference, compare, leave_out=hypotheses)
    return Texts(pairs, rule, warnings, partial(media_finder, reference, pairs), compared)


def _recognise(
    model: str,
    reference: Path,
    compare: Path | None,
    normalise: str | None,
    options: RecognitionOptions,
) -> Texts:
    """What a model reads in the data."""
    from recog.evaluation.inputs.normalisation import normalisation
    from recog.evaluation.inputs.pairs import read_hypotheses
    from recog.evaluation.inputs.recognise import DEFAULT_SPLITS, recognise_pairs
    from recog.model.recogniser_folder import open_recogniser_folder

    if normalise is None:
        config = open_recogniser_folder(model).config
        rule = normalisation(config.normalise, config.languages)
    else:
        rule = normalisation(normalise)
    pairs, warnings, row_of = recognise_pairs(
        model,
        reference,
        splits=tuple(options.split) if options.split else DEFAULT_SPLITS,
        beam=options.beam,
        threads=options.threads,
    )
    compared = None if compare is None else read_hypotheses(pairs, compare)
    return Texts(pairs, rule, warnings, lambda: row_of.get, compared)


def _report(
    title: str, texts: Texts, result: Result, comparison: Comparison | None, options: ReportOptions
) -> None:
    """Write and print the results."""
    from recog.evaluation.reports.terminal import render
    from recog.util.atomic_files import write_text

    document = result.to_json()
    if comparison is not None:
        document |= {"comparison": comparison.to_json()}
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    if options.out is not None:
        write_text(options.out, text)
    if options.html is not None:
        from recog.evaluation.reports.html import Document, report

        page = Document(
            title,
            result,
            texts.pairs,
            comparison,
            options.worst,
            texts.find_media(),
            f"recog {recog.__version__}",
        )
        write_text(options.html, report(page))
    if options.as_json:
        typer.echo(text.encode(), nl=False)  # bytes: UTF-8, whatever the terminal's encoding
        return
    render(
        result,
        sys.stdout,
        comparison=comparison,
        by_group=options.by_group,
        confusions=options.confusions,
    )
