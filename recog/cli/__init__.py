"""The front door: ``recog COMMAND``. One module a command; each imports what it needs only when it
runs."""

from __future__ import annotations

import functools
import io
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Any

import typer

import recog
from recog.cli import (
    align,
    decode,
    evaluate,
    lm,
    models,
    ocr,
    prepare,
    show,
    train,
    transcribe,
    tune,
)
from recog.errors import UsageError, UserError, cause, one_line

app = typer.Typer(
    name="recog",
    help="Speech and handwriting to text on your own machine, and the tool to train your own recogniser.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def with_error_messages(command: Callable[..., None]) -> Callable[..., None]:
    """A user's mistake gives one sentence and exit code 1, wrong usage 2, an interruption 130;
    never a traceback."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except UsageError as error:
            _exit(error, 2)
        except UserError as error:
            _exit(error, 1)
        except KeyboardInterrupt:
            if threading.active_count() > 1:  # files in work: Python would wait for them
                print("recog: interrupted.", file=sys.stderr, flush=True)
                sys.stdout.flush()
                os._exit(130)
            _exit("interrupted.", 130)
        except MemoryError:
            _exit("there is not enough memory for this; try fewer --threads.", 1)
        except BrokenPipeError:  # the reader of our output left, as `| head` does
            raise typer.Exit(141) from None
        except OSError as error:
            _exit(_os_error_message(error), 1)

    return run


def _os_error_message(error: OSError) -> str:
    if not error.filename:
        return f"{error.strerror or error}."
    name = str(error.filename).removesuffix(".part")  # the name that the user gave
    return f"{name}: {cause(error)}."


def _exit(message: object, code: int) -> None:
    print(f"recog: {one_line(message)}", file=sys.stderr)
    raise typer.Exit(code) from None


for name, command in (
    ("transcribe", transcribe.transcribe),
    ("ocr", ocr.ocr),
    ("decode", decode.decode),
    ("align", align.align),
    ("evaluate", evaluate.evaluate),
    ("show", show.show),
    ("train", train.train),
    ("tune", tune.tune),
    ("prepare", prepare.prepare),
    ("models", models.models),
):
    app.command(name)(with_error_messages(command))

lm_app = typer.Typer(
    help="Train, prune, mix and measure n-gram language models.", no_args_is_help=True
)
for lm_name, lm_command in (
    ("train", lm.train),
    ("prune", lm.prune),
    ("mix", lm.mix),
    ("perplexity", lm.perplexity),
):
    lm_app.command(lm_name)(with_error_messages(lm_command))
app.add_typer(lm_app, name="lm")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"recog {recog.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)


class StandardOutput(io.FileIO):
    """Standard output whose errors say what could not be written; after one it is given up, and
    Python does not try again as it ends."""

    def __init__(self) -> None:
        super().__init__(sys.stdout.fileno(), "w", closefd=False)

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            error.filename = "standard output"
            raise


def open_streams() -> None:
    """Give what was closed of standard input, output and error (a daemon has none) to the null
    device, so that no file is opened in its place."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def main() -> None:
    """Run the command line. Text is UTF-8 whatever the locale, and a file name's odd bytes come out
    as they went in."""
    open_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        if not sys.stdout.isatty():
            sys.stdout = io.TextIOWrapper(io.BufferedWriter(StandardOutput()))
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    app()
