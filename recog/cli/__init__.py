"""The front door: ``recog COMMAND``. One module a command; each imports what it needs only when it runs."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

import recog
from recog.cli import evaluate, models, prepare, recognise, train
from recog.errors import UsageError, UserError

app = typer.Typer(
    name="recog",
    help="Speech and handwriting to text on your own machine, and the tool to train your own recogniser.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("transcribe")(recognise.transcribe)
app.command("ocr")(recognise.ocr)
app.command("evaluate")(evaluate.evaluate)
app.command("train")(train.train)
app.command("prepare")(prepare.prepare)
app.command("models")(models.models)


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


def main() -> None:
    """Run the command line; a user's mistake gives one sentence and exit code 1, wrong usage 2, never a traceback."""
    from click.exceptions import Abort, ClickException

    try:
        code = app(standalone_mode=False)
    except ClickException as error:
        error.show()
        code = error.exit_code
    except UsageError as error:
        code = _complain(error, 2)
    except UserError as error:
        code = _complain(error, 1)
    except (KeyboardInterrupt, Abort):
        print("recog: interrupted.", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except MemoryError:
        code = _complain("there is not enough memory for this; try fewer --threads.", 1)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        code = _complain(f"{name}{error.strerror or error}.", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: object, code: int) -> int:
    print(f"recog: {message}", file=sys.stderr)
    return code
