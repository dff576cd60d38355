"""``recog tune``: decoding weights that suit a model, written into the model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recog.cli.options import Threads
from recog.errors import UsageError

if TYPE_CHECKING:
    from recog.model.config import View


def tune(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Name of a shipped model, or path of a model folder."),
    ],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Manifest, folder or recipe: its rows of the dev split, or of no split.",
        ),
    ],
    lm: Annotated[
        Path | None,
        typer.Option(help="n-gram language model (ARPA or .bin) to tune and add to the model."),
    ] = None,
    lm_for: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LANGUAGE=FILE",
            help="Another n-gram model, for lines in this language; may be repeated.",
        ),
    ] = None,
    rescore: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Neural language model for rescoring, to tune and add."
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SLANT,WIDTH",
            help="Test-time augmentation: slant lines by so many columns a row, and stretch lines "
            "or speech (slant 0) by this factor. The first variant is always read, further ones if "
            "the line is doubtful. Default: as in the model.",
        ),
    ] = None,
    uncertainty: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=100,
            hidden=True,
            help="Uncertainty (mean of -ln P along the best path) above which the further variants "
            "are read; 0 for every line. Default: as in the model.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for the tuned model. Default: change MODEL itself."
        ),
    ] = None,
    metric: Annotated[
        Literal["wer", "cer"] | None,
        typer.Option(help="Error rate to minimise. Default: wer for speech, cer for handwriting."),
    ] = None,
    beam: Annotated[int, typer.Option(min=1, max=10_000, help="Beam width of the search.")] = 25,
    sentence: Annotated[
        bool, typer.Option("--sentence", help="Score each utterance as a sentence, <s> to </s>.")
    ] = False,
    fixed: Annotated[
        list[str] | None,
        typer.Option(
            "--fix",
            hidden=True,
            help="Keep alpha, beta, unknown_cost, temperature, beam or rescoring as in the model.",
        ),
    ] = None,
    threads: Threads = 0,
) -> None:
    """Tune decoding on data that the model was not trained on.

    Finds the weights of the language models, the temperature, the beam width and the calibration of
    the confidences, and writes them into the model's config.
    """
    from recog.model.config import views_fault
    from recog.recognition.load import load
    from recog.training.recogniser.rows import dev_rows
    from recog.tuning.model import TuneOptions, tune_model

    _check_fixed(fixed or [])
    languages = _language_models(lm_for or [])
    variants = tuple(map(_variant, variant or []))
    recogniser = load(model, beam=0, looks="auto", threads=threads)
    fault = views_fault(recogniser.config.modality, variants) if variants else None
    if fault:
        raise UsageError(f"--variant: {fault}.")
    if out is None and not Path(model).is_dir():
        raise UsageError(f"{model} is a shipped model; give --out for the tuned one.")
    options = TuneOptions(
        out=out or Path(model),
        what=data.stem,
        metric=metric or ("wer" if recogniser.config.modality == "speech" else "cer"),
        beam=beam,
        sentence=sentence,
        fixed=frozenset(fixed or ()),
        lm=lm,
        languages=languages,
        views=variants,
        doubt=uncertainty,
        rescore=rescore,
    )
    summary = tune_model(recogniser, dev_rows(data), options, _print_progress)
    print(summary)


def _print_progress(text: str) -> None:
    print(text, file=sys.stderr)


def _check_fixed(names: Sequence[str]) -> None:
    """Refuse unknown names of ``--fix``."""
    from recog.tuning.search import STEPS

    unknown = sorted(set(names) - {*STEPS, "beam", "rescoring"})
    if unknown:
        raise UsageError(f"--fix {unknown[0]} is none of {', '.join(STEPS)}, beam and rescoring.")


def _language_models(arguments: Sequence[str]) -> dict[str, Path]:
    """The files of ``--lm-for``, by language."""
    paths: dict[str, Path] = {}
    for argument in arguments:
        language, _, path = argument.partition("=")
        language = language.strip()
        if not language or not path:
            raise UsageError(
                f"--lm-for {argument}: give a language and a file, as in English=english.bin."
            )
        if language in paths:
            raise UsageError(f"--lm-for {language} is given twice; give one file for a language.")
        paths[language] = Path(path)
    return paths


def _variant(text: str) -> View:
    """The variant that a ``--variant`` describes."""
    from pydantic import ValidationError

    from recog.model.config import View

    try:
        slant, width = map(float, text.split(","))
        return View(slant=slant, width=width)
    except (ValueError, ValidationError):
        raise UsageError(
            f"--variant {text}: give a slant from -1 to 1 and a width from 0.5 to 2, "
            "as in -0.12,1.08."
        ) from None
