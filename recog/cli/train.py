"""``recog train``: a recipe or a bare folder to a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from recog.errors import UsageError, UserError


def train(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="RECIPE.yaml|FOLDER|MANIFEST.jsonl", help="A recipe, or the data itself."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Model folder to write; for a recipe, runs/NAME."),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--from", help="Model to train on from (name or folder).")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the data; else chosen by its size.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Peak learning rate.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, ...; else a GPU where there is one.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 for every core.")] = 0,
    freeze: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of the run for which the convolutions of --from stay as they are.",
        ),
    ] = None,
    lm: Annotated[
        Literal["base", "own"],
        typer.Option(
            help="The language model: that of --from, or one of the texts trained on, mixed with it."
        ),
    ] = "base",
    accumulate: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Batches to an update.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away the progress of an earlier run.")
    ] = False,
) -> None:
    """Train a model: a recogniser, or by a recipe of modality text a neural language model for
    rescoring, of modality page one that finds the lines of pages.

    The same command, given again after an interruption, goes on where it stopped.

    A recogniser on several GPUs: torchrun --nproc_per_node=N -m recog train ...
    """
    if not what.exists():
        raise UserError(f"{what}: there is no such file or folder.")
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"Training needs {error.name or 'torch'}: pip install 'recog[train]'."
        ) from None
    from recog.training.recipe_base import RunOptions, is_recipe

    options = RunOptions(
        epochs, rate, device, threads, freeze, accumulate, own_text=lm == "own", restart=restart
    )
    if is_recipe(what, "text"):
        from recog.training.language_model.run import train_language_model

        if base is not None or freeze is not None or accumulate is not None or lm == "own":
            raise UsageError(
                "--from, --freeze, --lm and --accumulate are for recognisers; this recipe is of a language model."
            )
        _alone("A language model")
        train_language_model(what, out, options)
        return
    from recog.model.page_model import is_page_model

    page_base = base is not None and is_page_model(base)
    if page_base or is_recipe(what, "page"):
        if (
            (base is not None and not page_base)
            or freeze is not None
            or accumulate is not None
            or lm == "own"
        ):
            raise UsageError(
                "--freeze, --lm, --accumulate and --from another kind of model are for recognisers."
            )
        if page_base and is_recipe(what, "page"):
            raise UsageError("A recipe names its base itself: leave out --from.")
        from recog.training.page_model.run import train_page_model

        _alone("A page model")
        train_page_model(what, out, options, base)
        return
    from recog.training.recogniser.run import train_recogniser

    train_recogniser(what, out, base, options)


def _alone(what: str) -> None:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(f"{what} is trained in one process: leave torchrun out.")
