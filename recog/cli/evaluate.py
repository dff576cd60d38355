"""``recog evaluate``: how much of a recognition is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    reference: Annotated[
        Path,
        typer.Argument(
            metavar="REF",
            help="True texts: text, JSONL, trn, a transcript in any format recog writes but pdf, or a folder; "
            "with --model a manifest.",
        ),
    ],
    hypothesis: Annotated[
        Path | None, typer.Argument(metavar="HYP", help="Recognised texts, in any of these forms.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Recognise the data REF with this model (a name or a folder) and score that."
        ),
    ] = None,
    normalise: Annotated[
        str | None,
        typer.Option(
            help="none, basic, collapse, plain, diplomatic, spoken, words, or a file of rules (TSV or YAML). "
            "Default: none; with --model the rule that the model was trained with."
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="HYP2", help="Another system's texts: is the difference more than chance?"
        ),
    ] = None,
    by_group: Annotated[
        bool, typer.Option("--by-group", help="Also a table of speakers or writers.")
    ] = False,
    confusions: Annotated[
        int, typer.Option(min=0, max=10_000, help="Also the N most common confusions.", metavar="N")
    ] = 0,
    split: Annotated[
        list[str] | None,
        typer.Option(
            help="With --model: rows of this split only; may be repeated. Default: dev, test and none."
        ),
    ] = None,
    beam: Annotated[
        int | None, typer.Option(min=0, help="With --model: width of the beam; 0 is the best path.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="With --model: CPU threads.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the JSON to this file, too.")] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also a report to look at: the worst lines with image or sound."
        ),
    ] = None,
    worst: Annotated[
        int, typer.Option(min=0, max=2000, help="With --html: how many lines to show.")
    ] = 50,
) -> None:
    """Word and character error rates of HYP against REF, with 95 % intervals; or of a model on
    data.

    recog evaluate REF HYP scores texts that are there already; recog evaluate --model MODEL DATA
    recognises first; a file that cannot be read counts as deleted, and makes the exit code 1.
    """
    import json
    import sys

    import recog
    from recog.cli.options import refuse_overwrite
    from recog.errors import UsageError
    from recog.evaluation.comparison import compare as compare_results
    from recog.evaluation.inputs.pairs import read_hypotheses, read_pairs
    from recog.evaluation.inputs.recognise import DEFAULT_SPLITS, recognise_pairs
    from recog.evaluation.inputs.rules import normalisation
    from recog.evaluation.reports.terminal import render
    from recog.evaluation.score import evaluate as score
    from recog.model.recogniser_folder import open_bundle
    from recog.util.atomic_files import write_text

    if model is None and hypothesis is None:
        raise UsageError(
            "There is nothing to compare with REF; give HYP, or --model to recognise REF."
        )
    if model is not None and hypothesis is not None:
        raise UsageError("HYP and --model exclude each other; give one of them.")
    if model is None and (split or beam is not None or threads):
        raise UsageError(
            "--split, --beam and --threads belong to --model; give it, or leave them out."
        )

    for option, written in (("--out", out), ("--html", html)):
        refuse_overwrite(option, written, reference, hypothesis, compare)
    if out is not None and html is not None and out.resolve() == html.resolve():
        raise UsageError("--out and --html name the same file; give two.")

    row_of = None
    if model is not None:
        splits = tuple(split) if split else DEFAULT_SPLITS
        if normalise is None:
            config = open_bundle(model).config
            rule = normalisation(config.normalise, config.languages)
        else:
            rule = normalisation(normalise)
        pairs, warnings, row_of = recognise_pairs(
            model, reference, splits=splits, beam=beam, threads=threads
        )
    else:
        assert hypothesis is not None  # by the first check
        given = [path for path in (hypothesis, compare) if path is not None]
        pairs, warnings = read_pairs(reference, hypothesis, leave_out=given)
        rule = normalisation(normalise or "none")
    kept = max(confusions, 20)
    result = score(pairs, normalise=rule, confusions=kept, warnings=warnings)
    warnings = list(result.warnings)
    comparison = None
    if compare is not None:
        others, more = (
            read_hypotheses(pairs, compare)
            if model is not None
            else read_pairs(reference, compare, leave_out=given)
        )
        comparison = compare_results(
            result, score(others, normalise=result.normalisation, confusions=0)
        )
        warnings = [*warnings, *(f"{compare}: {sentence}" for sentence in more)]

    for sentence in warnings:
        typer.echo(f"Warning: {sentence}", err=True)
    document = result.to_json() | (
        {} if comparison is None else {"comparison": comparison.to_json()}
    )
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    if out is not None:
        write_text(out, text)
    if html is not None:
        from recog.evaluation.inputs.media import row_finder
        from recog.evaluation.reports.html import Document, report

        find = row_of.get if row_of is not None else row_finder(reference, pairs)
        title = (
            f"{reference.name or reference}, recognised by {model}"
            if hypothesis is None
            else f"{reference} and {hypothesis}"
        )
        made = Document(title, result, pairs, comparison, worst, find, f"recog {recog.__version__}")
        write_text(html, report(made))
    if as_json:
        typer.echo(text.encode(), nl=False)  # bytes: UTF-8, whatever the terminal's encoding
    else:
        render(result, sys.stdout, comparison=comparison, by_group=by_group, confusions=confusions)
    if model is not None and result.missing:
        raise typer.Exit(1)  # the figures are there, and a file failed
