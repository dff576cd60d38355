"""``recog models``: list the shipped models and print their cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from recog.model.folder import ModelFolder


def models(
    name: Annotated[
        str | None, typer.Argument(help="A model's name or folder: print its card.")
    ] = None,
) -> None:
    """List the shipped models, or print the card of one."""
    from recog.model.folder import pretrained
    from recog.model.recogniser_folder import ModelConfig

    if name is not None:
        typer.echo(open_any(name).card)
        return
    for shipped_name, path in pretrained().items():
        config = open_any(shipped_name).config
        size = sum(file.stat().st_size for file in path.iterdir()) / 1e6
        languages = ", ".join(config.languages) or "any language"
        # error rates as tuned, if the model was tuned
        dev = config.dev | (config.decoding.dev if isinstance(config, ModelConfig) else {})
        rates = [
            f"dev {key.upper()} {100 * dev[key]:.1f} %"
            for key in ("cer", "wer", "f1")
            if key in dev
        ]
        typer.echo(
            f"{shipped_name}\t{config.modality}\t{languages}\t{size:.1f} MB\t{', '.join(rates)}"
        )
    typer.echo("\n`recog models NAME` prints a model's card.", err=True)


def open_any(name: str) -> ModelFolder[Any]:
    """Open a model of any kind by name or folder."""
    from recog.model.folder import modality_of, pretrained
    from recog.model.language_model import open_language_model_folder
    from recog.model.page_model import open_page_model_folder
    from recog.model.recogniser_folder import open_recogniser_folder

    path = pretrained().get(name, name)
    openers: dict[str, Callable[[Any], ModelFolder[Any]]] = {
        "text": open_language_model_folder,
        "page": open_page_model_folder,
    }
    return openers.get(modality_of(path) or "", open_recogniser_folder)(path)
