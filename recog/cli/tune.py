"""``recog tune``: how a model's outputs are best decoded, written into the model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from recog.model.config import View


def tune(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Name of a shipped model or path of a model folder."),
    ],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="A manifest, a folder or a recipe: its rows of dev, or of no split.",
        ),
    ],
    lm: Annotated[
        Path | None,
        typer.Option("--lm", help="n-gram model (ARPA or .bin) to tune and to put into the model."),
    ] = None,
    lm_for: Annotated[
        list[str] | None,
        typer.Option(
            "--lm-for",
            metavar="LANGUAGE=FILE",
            help="Another, for lines that are likely in this language; may be repeated.",
        ),
    ] = None,
    rescore: Annotated[
        Path | None,
        typer.Option(
            "--rescore",
            metavar="FOLDER",
            help="Neural language model to weigh and to put into the model.",
        ),
    ] = None,
    view: Annotated[
        list[str] | None,
        typer.Option(
            "--view",
            metavar="SLANT,WIDTH",
            help="Take lines leaned by so many columns a row and so many times as wide, speech (no slant) so many times as "
            "slow; another one: beside the first, for what is doubtful. Else as the model has it.",
        ),
    ] = None,
    doubt: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=100,
            help="Take lines or speech in all views where the network is less sure than this: the mean of -ln P of what it "
            "reads. 0 for all of them. Else as the model has it.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for the tuned model; else MODEL itself is changed."
        ),
    ] = None,
    metric: Annotated[
        Literal["wer", "cer"] | None,
        typer.Option(help="What to lower. Default: wer for speech, cer for handwriting."),
    ] = None,
    beam: Annotated[
        int, typer.Option(min=1, max=10_000, help="Width of the beam while searching.")
    ] = 25,
    sentence: Annotated[
        bool, typer.Option("--sentence", help="Each utterance is a sentence, from <s> to </s>.")
    ] = False,
    fixed: Annotated[
        list[str] | None,
        typer.Option(
            "--fix", help="Leave alpha, beta, unknown_cost, temperature, beam or rescoring alone."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, max=1024, help="Threads; 0 for every core.")] = 0,
) -> None:
    """Find the language model's weights, the temperature and the beam that suit a model best, on
    data that it was not trained on, and how sure of its words it may be; all of it goes into the
    model's config."""
    from recog.errors import UsageError
    from recog.model.config import views_fault
    from recog.recognition.load import load
    from recog.training.recogniser.rows import dev_rows
    from recog.tuning.model import TuneOptions, tune_model
    from recog.tuning.search import STEPS

    unknown = set(fixed or []) - {*STEPS, "beam", "rescoring"}
    if unknown:
        raise UsageError(
            f"--fix {sorted(unknown)[0]} is none of {', '.join(STEPS)}, beam and rescoring."
        )
    pairs = [text.partition("=") for text in lm_for or []]
    for text, (language, _, path) in zip(lm_for or [], pairs, strict=True):
        if not language.strip() or not path:
            raise UsageError(
                f"--lm-for {text}: give a language and a file, as in English=english.bin."
            )
    named = [language.strip() for language, _, _ in pairs]
    for language in named:
        if named.count(language) > 1:
            raise UsageError(
                f"--lm-for {language} is there {named.count(language)} times; give one file for a language."
            )
    views = tuple(_view(text) for text in view or [])
    recogniser = load(model, beam=0, looks="auto", threads=threads)
    fault = views_fault(recogniser.config.modality, views) if views else None
    if fault:
        raise UsageError(f"--view: {fault}.")
    if out is None and not Path(model).is_dir():
        raise UsageError(f"{model} is a shipped model; give --out for the tuned one.")
    rows = dev_rows(data)

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    summary = tune_model(
        recogniser,
        rows,
        TuneOptions(
            lm=lm,
            languages={
                language: Path(path) for language, (_, _, path) in zip(named, pairs, strict=True)
            },
            out=out or Path(model),
            what=data.stem,
            metric=metric or ("wer" if recogniser.config.modality == "speech" else "cer"),
            beam=beam,
            sentence=sentence,
            fixed=frozenset(fixed or ()),
            views=views,
            doubt=doubt,
            rescore=rescore,
        ),
        say,
    )
    print(summary)


def _view(text: str) -> View:
    from pydantic import ValidationError

    from recog.errors import UsageError
    from recog.model.config import View

    try:
        slant, width = map(float, text.split(","))
        return View(slant=slant, width=width)
    except (ValueError, ValidationError):
        raise UsageError(
            f"--view {text}: give a slant from -1 to 1 and a width from 0.5 to 2, as in -0.12,1.08."
        ) from None
