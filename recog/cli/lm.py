"""``recog lm``: train, prune, mix and measure n-gram language models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from recog.lm.tables import NGrams

SUFFIXES = (".arpa", ".arpa.gz", ".arpa.xz", ".bin")
DEFAULT_ORDER = {"word": 3, "character": 6}


Out = Annotated[
    Path, typer.Option("--out", "-o", help="Model to write: .arpa, .arpa.gz, .arpa.xz or .bin.")
]
Quantise = Annotated[
    bool, typer.Option("--quantise", help="Quantise a .bin: half the size, slightly less exact.")
]
PruneTo = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Prune by entropy to N n-grams of all orders together."),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Prune by entropy: remove n-grams that change perplexity by less (relative, 1e-8).",
    ),
]
Normalise = Annotated[
    str,
    typer.Option(
        help="Text normalisation: none, basic, collapse, plain, diplomatic, spoken or words."
    ),
]
Display = Annotated[
    bool,
    typer.Option(
        "--display",
        help="Right-to-left texts in display order (visual order), for handwriting models.",
    ),
]


def train(
    text: Annotated[
        list[Path], typer.Argument(help="Texts in UTF-8, one sentence a line; .gz and .xz too.")
    ],
    out: Out,
    order: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=16,
            help="Order: length of the longest n-gram. Default: 3 for words, 6 for characters.",
        ),
    ] = None,
    unit: Annotated[
        Literal["word", "character"], typer.Option(help="Unit of the n-grams.")
    ] = "word",
    prune_counts: Annotated[
        str,
        typer.Option(
            metavar="0,1,...",
            help="Count cutoffs by order: leave out n-grams as rare; the last goes on.",
        ),
    ] = "0",
    vocabulary: Annotated[
        str | None,
        typer.Option(
            metavar="N|FILE", help="Only the N most frequent words, or those of a file, one a line."
        ),
    ] = None,
    prune_to: PruneTo = None,
    threshold: Threshold = None,
    normalise: Normalise = "none",
    display: Display = False,
    quantise: Quantise = False,
    memory: Annotated[
        int,
        typer.Option(
            min=16, metavar="MIB", help="Memory for counts; more goes to temporary files."
        ),
    ] = 1024,
    workdir: Annotated[Path | None, typer.Option(help="Folder for temporary files.")] = None,
) -> None:
    """Estimate an n-gram model from text: interpolated modified Kneser-Ney, as lmplz does it."""
    from recog.lm.estimation.kneser_ney import estimate

    _check(out, quantise, text, prune_to, threshold)
    ngrams: NGrams = estimate(
        _lines(text, normalise, display),
        unit=unit,
        order=order or DEFAULT_ORDER[unit],
        cutoffs=[int(count) for count in _numbers("--prune-counts", prune_counts, whole=True)],
        vocabulary=_vocabulary(vocabulary),
        memory=memory << 20,
        workdir=workdir,
    )
    _write(_pruned(ngrams, prune_to, threshold), out, quantise)


def prune(
    model: Annotated[Path, typer.Argument(help="Model: ARPA (plain, .gz, .xz) or .bin.")],
    out: Annotated[Path, typer.Argument(help="Model to write: .arpa, .arpa.gz, .arpa.xz or .bin.")],
    prune_to: PruneTo = None,
    threshold: Threshold = None,
    quantise: Quantise = False,
) -> None:
    """Make a model smaller by entropy pruning.

    If you have the text, use recog lm train --prune-to: it weighs histories by their counts, which
    a model file does not hold. With neither --prune-to nor --threshold the model is only converted.
    """
    _check(out, quantise, [model], prune_to, threshold)
    _write(_pruned(_read(model), prune_to, threshold), out, quantise)


def mix(
    models: Annotated[list[Path], typer.Argument(help="Two or more models.")],
    out: Out,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="W,W,...", help="Weights of the models, such as 0.7,0.3; scaled to sum to 1."
        ),
    ] = None,
    tune: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="TEXT", help="Find the weights that suit this text best; may be repeated."
        ),
    ] = None,
    normalise: Normalise = "none",
    display: Display = False,
    quantise: Quantise = False,
) -> None:
    """Interpolate models of the same unit into one."""
    from recog.errors import UsageError
    from recog.lm.estimation.mix import mix as interpolate
    from recog.lm.estimation.mix import tune_weights

    if len(models) < 2:
        raise UsageError("There is nothing to mix in one model; name two or more.")
    if (weights is None) == (not tune):
        raise UsageError(
            "Give either --weights or --tune, so that it is known how much of each model to take."
        )
    _check(out, quantise, models)
    shares = _numbers("--weights", weights) if weights is not None else []
    if shares and (len(shares) != len(models) or min(shares) < 0 or sum(shares) <= 0):
        raise UsageError(
            f"--weights {weights}: {len(models)} models need {len(models)} weights "
            "of 0 or more, not all 0."
        )
    loaded = [_read(model) for model in models]
    if tune:
        shares = list(tune_weights(loaded, list(_lines(tune, normalise, display))))
        chosen = ", ".join(
            f"{share:.4f} {model}" for share, model in zip(shares, models, strict=True)
        )
        typer.echo(f"Weights: {chosen}", err=True)
    _write(interpolate(loaded, [share / sum(shares) for share in shares]), out, quantise)


def perplexity(
    model: Annotated[Path, typer.Argument(help="Model: ARPA (plain, .gz, .xz) or .bin.")],
    text: Annotated[
        list[Path], typer.Argument(help="Texts in UTF-8, one sentence a line; .gz and .xz too.")
    ],
    normalise: Normalise = "none",
    display: Display = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a model's perplexity on a text, with and without out-of-vocabulary words."""
    import dataclasses
    import json

    from recog.lm.perplexity import perplexity as measure

    result = measure(_read(model), _lines(text, normalise, display))
    if as_json:
        values = {
            key: value if abs(value) < float("inf") else None
            for key, value in dataclasses.asdict(result).items()
        }
        typer.echo(json.dumps(values, indent=1, allow_nan=False))
        return
    typer.echo(
        f"perplexity  {result.including_unknown:.2f}  "
        f"({result.tokens} tokens, ends of lines among them)"
    )
    typer.echo(f"without unknown  {result.excluding_unknown:.2f}  ({result.unknown} unknown)")
    typer.echo(f"log10 probability  {result.log10:.4f}")


def _check(
    out: Path,
    quantise: bool,
    inputs: Iterable[Path],
    prune_to: int | None = None,
    threshold: float | None = None,
) -> None:
    """Check the options before the work.

    Raises:
        UsageError: they do not go together, or the model cannot be written there.
    """
    from recog.errors import UsageError

    if not out.name.lower().endswith(SUFFIXES):
        raise UsageError(f"{out}: a model's name ends in {', '.join(SUFFIXES)}.")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent}: there is no such folder; make it first.")
    if quantise and out.suffix.lower() != ".bin":
        raise UsageError(
            f"{out}: only .bin files can be quantised; change the name or leave --quantise out."
        )
    if prune_to is not None and threshold is not None:
        raise UsageError("--prune-to and --threshold exclude each other; give one of them.")
    if any(path.resolve() == out.resolve() for path in inputs):
        raise UsageError(f"{out}: this would overwrite what is read; give another name.")


def _lines(paths: Iterable[Path], normalise: str, display: bool) -> Iterator[str]:
    from recog.lm.text import read_text
    from recog.text.bidi import to_display
    from recog.text.normalise import TrackedRule

    account = TrackedRule(normalise)
    for text in read_text(paths):
        line = account(text)
        yield to_display(line) if display else line
    for note in account.notes("lines"):
        typer.echo(f"Warning: {note}", err=True)


def _numbers(option: str, text: str, *, whole: bool = False) -> list[float]:
    from recog.errors import UsageError

    try:
        numbers = [
            float(int(part)) if whole else float(part) for part in text.replace(",", " ").split()
        ]
    except ValueError:
        numbers = []
    if not numbers or not all(abs(number) < 1e15 for number in numbers):
        raise UsageError(
            f"{option} {text}: give {'whole numbers' if whole else 'numbers'} "
            "with commas between them."
        )
    return numbers


def _vocabulary(value: str | None) -> int | set[str] | None:
    from recog.lm.text import read_text

    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return int(value)
    return {line.strip() or " " for line in read_text([value]) if line}


def _pruned(ngrams: NGrams, size: int | None, threshold: float | None) -> NGrams:
    from recog.lm.estimation import prune as pruning

    if size is not None:
        return pruning.prune_to(ngrams, size)
    return ngrams if threshold is None else pruning.prune(ngrams, threshold)


def _read(path: Path) -> NGrams:
    from recog.lm.arpa import read_arpa
    from recog.lm.binary import read_binary

    return read_binary(path) if path.suffix.lower() == ".bin" else read_arpa(path)


def _write(ngrams: NGrams, path: Path, quantise: bool) -> None:
    if path.suffix.lower() == ".bin":
        from recog.lm.binary import write_binary

        write_binary(ngrams, path, quantise=quantise)
    else:
        from recog.lm.arpa import write_arpa

        write_arpa(ngrams, path)
    sizes = ", ".join(str(len(level)) for level in ngrams.levels)
    typer.echo(f"{path}: {sizes} n-grams of order 1 to {ngrams.order}", err=True)
