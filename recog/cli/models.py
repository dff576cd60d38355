"""``recog models``: what is shipped."""

from __future__ import annotations

from typing import Annotated

import typer


def models(
    name: Annotated[str | None, typer.Argument(help="A model's name or folder: print its card.")] = None,
) -> None:
    """List the shipped models, or print the card of one."""
    from recog.model.bundle import open_bundle, shipped
    from recog.model.language import is_language_folder, open_language_bundle

    if name is not None:
        typer.echo(open_language_bundle(name).card if is_language_folder(name) else open_bundle(name).card)
        return
    for shipped_name, path in shipped().items():
        config = open_bundle(path).config
        size = sum(file.stat().st_size for file in path.iterdir()) / 1e6
        languages = ", ".join(config.languages)
        rates = [f"dev {key.upper()} {100 * config.dev[key]:.1f} %" for key in ("cer", "wer") if key in config.dev]
        typer.echo(f"{shipped_name}\t{config.modality}\t{languages}\t{size:.1f} MB\t{', '.join(rates)}")
    typer.echo("\n`recog models NAME` prints a model's card.", err=True)
