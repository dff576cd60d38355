"""A batch of files through a model: what ``recog transcribe`` and ``recog ocr`` do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from recog.cli.files import Input, write_bytes, write_text
from recog.cli.progress import progress_bar
from recog.errors import UsageError, UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recog.recogniser import Recogniser
    from recog.transcript import Transcript


def run_batch(
    modality: str,
    inputs: list[Input],
    model: str,
    format: str,
    decoding: dict[str, Any],
    skip_existing: bool,
    names: bool,
    threads: int,
    log_probs: Path | None,
) -> None:
    """Recognise every input. One that fails is reported and the others go on; then the exit code is 1."""
    if decoding["beam"] is not None and decoding["n_best"] > max(1, decoding["beam"]):
        raise UsageError(f"--n-best {decoding['n_best']} needs a --beam of at least as many.")
    if decoding["beam"] == 0 and (decoding["lm"] not in (None, "none") or decoding["hotwords"] or decoding["rescore"]):
        raise UsageError("--beam 0 is the best path, without a language model and hotwords; leave it out.")
    if decoding["hotwords"] is not None:
        decoding = {**decoding, "hotwords": read_hotwords(decoding["hotwords"])}
    else:
        decoding = {**decoding, "hotwords": {}}
    if skip_existing:
        inputs = [entry for entry in inputs if entry.output is None or not entry.output.exists()]
        if not inputs:
            return
    keep_references(inputs)
    if log_probs is not None:
        distinct_stems(inputs, log_probs)
    from recog.model.runtime import cores, parallel
    from recog.recogniser import load

    workers = threads or cores()
    many = len(inputs) > 1  # several files share the cores; a single one has its segments on them
    recogniser = load(model, threads=1 if many else workers, **decoding)
    if recogniser.config.modality != modality:
        raise UsageError(f"The model '{model}' is for {recogniser.config.modality}, not for {modality}.")
    if log_probs is not None:
        symbols = json.dumps(list(recogniser.config.symbols), ensure_ascii=False)
        write_text(log_probs / "symbols.json", symbols + "\n")
    failed = 0
    with progress_bar(len(inputs), printing=any(entry.output is None for entry in inputs)) as (advance, heard):
        told = None if many else heard
        work = parallel(lambda entry: attempt(recogniser, entry, log_probs, told), inputs, workers if many else 1)
        for entry, result in zip(inputs, work, strict=True):
            if isinstance(result, str):
                failed += 1
                print(f"recog: {result}", file=sys.stderr)
            else:
                failed += bool(result.warnings)
                for warning in result.warnings:
                    print(f"recog: {warning}", file=sys.stderr)
                deliver(entry, result, format, names, many)
            advance()
    if failed:
        raise typer.Exit(1)


def keep_references(inputs: list[Input]) -> None:
    """Refuse to overwrite a text beside its recording or image: it may be the true transcript, and the only one.

    Raises:
        UsageError: naming the first such file.
    """
    for entry in inputs:
        if entry.path is not None and entry.output is not None and entry.output.exists():
            beside = entry.path.parent.resolve() == entry.output.parent.resolve()
            if beside:
                raise UsageError(
                    f"{entry.output} is there already, beside {entry.path.name}, and may be its true text; "
                    "give another --output, or --skip-existing."
                )


def attempt(
    recogniser: Recogniser,
    entry: Input,
    log_probs: Path | None = None,
    advance: Callable[[float], None] | None = None,
) -> Transcript | str:
    """The transcript of one input, or the sentence that says why there is none.

    Args:
        log_probs: folder for the network's outputs.
        advance: called with the seconds done.
    """
    try:
        if entry.path is not None and not entry.path.exists():
            return f"{entry.path}: there is no such file."
        if log_probs is None:
            return recogniser.transcribe(entry.source, name=entry.name, advance=advance)
        kept: list[NDArray[np.float32]] = []
        transcript = recogniser.transcribe(entry.source, name=entry.name, advance=advance, keep=kept.append)
        write_log_probs(log_probs / f"{stem_of(entry)}.npz", kept)
        return transcript
    except UserError as error:
        return str(error)
    except MemoryError:
        return f"{entry.name}: there is not enough memory for it."
    except OSError as error:
        failed_to = "read" if log_probs is None else "read, or its outputs not kept"
        return f"{entry.name}: cannot be {failed_to} ({error.strerror or error})."


def stem_of(entry: Input) -> str:
    """What an input's kept outputs are called."""
    return "stdin" if entry.path is None else entry.path.stem


def distinct_stems(inputs: list[Input], folder: Path) -> None:
    """Refuse two inputs whose outputs would be kept in the same file.

    Raises:
        UsageError: naming both.
    """
    owners: dict[str, str] = {}
    for entry in inputs:
        other = owners.setdefault(stem_of(entry), entry.name)
        if other != entry.name:
            raise UsageError(
                f"{other} and {entry.name} would both be kept as {folder / stem_of(entry)}.npz; rename one."
            )


def write_log_probs(path: Path, pieces: list[NDArray[np.float32]]) -> None:
    """Keep a file's log-probabilities, an array (frames, symbols) for each segment or line: what ``recog decode`` reads,
    with the ``symbols.json`` beside it."""
    import io

    import numpy as np

    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"{i:05d}": piece for i, piece in enumerate(pieces)}
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def read_hotwords(path: Path) -> dict[str, float]:
    """Phrases and boosts: a phrase a line, after it a tab and its boost where it is not the usual one.

    Raises:
        UserError: the file cannot be read, or a boost is no number.
    """
    from recog.decoding.decoder import HOTWORD_BOOST
    from recog.evaluation.text_files import read_text

    boosts: dict[str, float] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        phrase, tab, boost = line.partition("\t")
        if not phrase.strip():
            continue
        try:
            boosts[phrase.strip()] = float(boost) if tab else HOTWORD_BOOST
        except ValueError:
            raise UserError(f"{path}, line {number}: '{boost.strip()}' is not a number.") from None
    return boosts


def deliver(entry: Input, transcript: Transcript, format: str, names: bool, many: bool) -> None:
    """Write a transcript to its file, or to standard output: text as it is, or on one line where it is one of many."""
    from recog.formats import WRITERS

    if entry.output is not None:
        write_text(entry.output, WRITERS[format](transcript))
    elif format == "txt":
        text = transcript.text.replace("\n", " ") if many or names else transcript.text
        print(f"{entry.name}\t{text}" if names else text, flush=True)
    else:
        print(WRITERS[format](transcript).rstrip("\n"), flush=True)
