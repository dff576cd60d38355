"""``recog train``: a recipe or a folder of data to a model."""

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
            metavar="RECIPE.yaml|FOLDER|MANIFEST.jsonl", help="A recipe, or the training data."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Model folder to write. Default of a recipe: runs/NAME."),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--from", help="Model to fine-tune (name or folder).")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Number of epochs. Default: by the amount of data.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Peak learning rate.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, ... Default: a GPU if there is one.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 for every core.")] = 0,
    freeze: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Fine-tuning: share of the run in which the convolutional layers are frozen.",
        ),
    ] = None,
    lm: Annotated[
        Literal["base", "adapt"],
        typer.Option(
            help="Fine-tuning: keep the language model of --from, or adapt it: mix it with a model "
            "of the training texts."
        ),
    ] = "base",
    accumulate: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Gradient accumulation: batches for one update."),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard the progress of an earlier run.")
    ] = False,
) -> None:
    """Train or fine-tune a model.

    A recipe of modality text trains a neural language model for rescoring, of modality page a model
    that detects the lines of pages; anything else a recogniser.

    The same command resumes after an interruption.

    A recogniser on several GPUs: torchrun --nproc_per_node=N -m recog train ...
    """
    if not what.exists():
        raise UserError(f"{what}: there is no such file or folder.")
    _check_installed()
    from recog.model.page_model import is_page_model
    from recog.training.recipe_base import RunOptions, is_recipe

    options = RunOptions(
        epochs, rate, device, threads, freeze, accumulate, own_text=lm == "adapt", restart=restart
    )
    for_recognisers = freeze is not None or accumulate is not None or lm == "adapt"
    if is_recipe(what, "text"):
        from recog.training.language_model.run import train_language_model

        if base is not None or for_recognisers:
            raise UsageError(
                "--from, --freeze, --lm and --accumulate are for recognisers; "
                "this recipe is of a language model."
            )
        _check_single_process("A language model")
        train_language_model(what, out, options)
        return
    page_base = base is not None and is_page_model(base)
    if page_base or is_recipe(what, "page"):
        from recog.training.page_model.run import train_page_model

        if (base is not None and not page_base) or for_recognisers:
            raise UsageError(
                "--freeze, --lm, --accumulate and --from another kind of model are for recognisers."
            )
        if page_base and is_recipe(what, "page"):
            raise UsageError("A recipe names its base itself: leave out --from.")
        _check_single_process("A page model")
        train_page_model(what, out, options, base)
        return
    from recog.training.recogniser.run import train_recogniser

    train_recogniser(what, out, base, options)


def _check_installed() -> None:
    """Check that the extra ``train`` is installed.

    Raises:
        UserError: it is not.
    """
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"Training needs {error.name or 'torch'}: pip install 'recog[train]'."
        ) from None


def _check_single_process(what: str) -> None:
    """Refuse torchrun for models that are trained in one process."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(f"{what} is trained in one process: leave torchrun out.")
