"""Options that several commands share, each stated once, and the old spellings of options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer
from typer.core import TyperCommand

from recog.errors import UsageError

TEXT_SUFFIXES = (".txt", ".json", ".jsonl", ".srt", ".vtt")  # texts that are read in a folder
# `looks` of recog.load, which --augment sets
LOOKS: dict[str, Literal["auto", "once", "all"]] = {
    "doubtful": "auto",
    "never": "once",
    "always": "all",
}
# by command: old option -> new option, and old value -> new value
ALIASES: dict[str, dict[str, tuple[str, dict[str, str]]]] = {
    "transcribe": {"--looks": ("--augment", {value: name for name, value in LOOKS.items()})},
    "ocr": {"--looks": ("--augment", {value: name for name, value in LOOKS.items()})},
    "tune": {"--view": ("--variant", {}), "--doubt": ("--uncertainty", {})},
    "train": {"--lm": ("--lm", {"own": "adapt"})},
}

Model = Annotated[
    str, typer.Option("--model", "-m", help="Name of a shipped model, or path of a model folder.")
]
OptionalModel = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Name of a shipped model, or path of a model folder."),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FOLDER",
        help="Folder (or URL) for the results, a file for each input. Default: standard output.",
    ),
]  # fmt: skip
Language = Annotated[
    str | None,
    typer.Option(
        help="Language of the text, where the model knows several. Default: detected line by line."
    ),
]
Hotwords = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Words and phrases to boost, one a line, optionally with a tab and a boost (5).",
    ),
]
Names = Annotated[bool, typer.Option("--names", help="Print each name and a tab before its text.")]
Threads = Annotated[int, typer.Option(min=0, max=1024, help="CPU threads; 0 for every core.")]


@dataclass(frozen=True)
class DecodingOptions:
    """How text is decoded from a model's outputs: options of :func:`recog.load`."""

    beam: Annotated[
        int | None,
        typer.Option(
            min=0, max=10_000,
            help="Beam width; 0 is greedy decoding (best path), without a language model.",
        ),
    ] = None  # fmt: skip
    n_best: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of alternatives (N-best) in JSON.")
    ] = 1
    lm: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|none",
            help="n-gram language model (ARPA or .bin) in place of the model's.",
        ),
    ] = None
    rescore: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|none",
            help="Neural language model that rescores the N-best list, in place of the model's.",
        ),
    ] = None
    hotwords: Hotwords = None
    augment: Annotated[
        Literal["doubtful", "never", "always"] | None,
        typer.Option(
            help="Test-time augmentation: recognise lines or speech segments again in variants "
            "(slanted, stretched) if they are doubtful, never (fastest), or always. "
            "Default: doubtful; with --beam 0 never."
        ),
    ] = None
    alpha: Annotated[
        float | None,
        typer.Option(min=0.0, max=100.0, hidden=True, help="Weight of the language model."),
    ] = None
    beta: Annotated[
        float | None,
        typer.Option(min=-100.0, max=100.0, hidden=True, help="Bonus of a word (or character)."),
    ] = None

    def keywords(self) -> dict[str, Any]:
        """Keyword arguments of :func:`recog.load`; ``hotwords`` is still a path."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        augment = values.pop("augment")
        return {**values, "looks": None if augment is None else LOOKS[augment]}


@dataclass(frozen=True)
class BatchOptions:
    """How a batch of files is run. None of them changes a result."""

    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Skip files that have a result: resumes a batch."),
    ] = False
    names: Names = False
    threads: Threads = 0
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", min=0, max=1024,
            help="Files processed in parallel, which share --threads. Each needs some 200 MB of "
            "memory, for speech 500. 0 for one a core.",
        ),
    ] = 0  # fmt: skip
    log_probs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Also save the network's log-probabilities, for recog decode."
        ),
    ] = None
    failures: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save a list of failed files: path, tab, reason."),
    ] = None
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Run on this machine, or on the Ray cluster of RAY_ADDRESS (extra ray)."),
    ] = "local"


class Command(TyperCommand):
    """A command that also accepts the old spellings of its options (:data:`ALIASES`)."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, new_spellings(args, ALIASES.get(self.name or "", {})))


def new_spellings(
    arguments: Sequence[str], aliases: dict[str, tuple[str, dict[str, str]]]
) -> list[str]:
    """Arguments with old options and their old values in the new spelling, up to ``--``."""
    result: list[str] = []
    values: dict[str, str] = {}  # of the option just before
    for number, argument in enumerate(arguments):
        if argument == "--":
            return [*result, *arguments[number:]]
        name, equals, value = argument.partition("=")
        if name in aliases:
            option, values = aliases[name]
            result.append(f"{option}={values.get(value, value)}" if equals else option)
            values = {} if equals else values
        else:
            result.append(values.get(argument, argument))
            values = {}
    return result


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter that is a dataclass by the fields of the dataclass, as options.

    The fields are annotated as options of typer are, and all have defaults. The command gets the
    dataclass made from what the user gave.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name not in groups:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(kind=kind, annotation=hints[name]))
            continue
        kinds = get_type_hints(groups[name], include_extras=True)
        for field in fields(groups[name]):
            assert field.default is not MISSING
            parameters.append(
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=field.default,
                    annotation=kinds[field.name],
                )
            )

    @functools.wraps(command)
    def run(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def refuse_overwrite(option: str, output: Path | None, *inputs: Path | None) -> None:
    """Refuse to write over an input: one of these files, or a text in one of these folders.

    Raises:
        UsageError: naming the option.
    """
    if output is None or not output.exists():
        return
    for source in inputs:
        if source is None or not source.exists():
            continue
        inside = source.is_dir() and output.resolve().is_relative_to(source.resolve())
        if output.samefile(source) or (inside and output.suffix.lower() in TEXT_SUFFIXES):
            raise UsageError(f"{option} {output} is among the inputs; give another.")
