"""The command line: ``recog COMMAND``. One module a command.

A command imports the recogniser only when it runs, so that ``recog --help`` is fast.
``options`` holds the options that commands share. ``batch`` and ``live`` are the two ways in which
``transcribe`` runs; ``ocr`` shares the first.
"""

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
from recog.cli.options import Command
from recog.errors import UsageError, UserError, cause, one_line

app = typer.Typer(
    name="recog",
    help="Transcribe speech and read handwriting on your own machine, and train your own models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def with_error_messages(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors into one sentence and an exit code, without a traceback.

    The code is 1 for a user's mistake, 2 for wrong usage, 130 after Ctrl-C.
    """

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except UsageError as error:
            _exit(error, 2)
        except UserError as error:
            _exit(error, 1)
        except KeyboardInterrupt:
            if threading.active_count() > 1:  # Python would wait for the files in progress
                print("recog: interrupted.", file=sys.stderr, flush=True)
                sys.stdout.flush()
                os._exit(130)
            _exit("interrupted.", 130)
        except MemoryError:
            _exit("there is not enough memory for this; try fewer --threads.", 1)
        except BrokenPipeError:  # the reader of our output is gone, as with `| head`
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
    app.command(name, cls=Command)(with_error_messages(command))

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


def _version(value: bool) -> None:
    if value:
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
    """Standard output that names itself in its errors.

    After an error it writes to the null device, so that Python does not fail again as it ends.
    """

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
    """Open closed standard streams on the null device (a daemon has none).

    Else the first file that is opened would take the place of one of them.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
        if getattr(sys, name) is None:
            encoding: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}
            setattr(sys, name, open(number, mode, **encoding, closefd=False))  # noqa: SIM115


def main() -> None:
    """Run the command line.

    Text is UTF-8 whatever the locale is, and file names that are not valid text come out
    unchanged.
    """
    open_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        if not sys.stdout.isatty():
            sys.stdout = io.TextIOWrapper(io.BufferedWriter(StandardOutput()))
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    app()
