"""A batch of files through a model: what ``recog transcribe`` and ``recog ocr`` do."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from recog.bulk.files import Input, place, sizes, write_text
from recog.bulk.outputs import finished
from recog.errors import UsageError, UserError

if TYPE_CHECKING:
    from recog.bulk.work import Result, Task, Tell

SIZED = 10_000  # files up to which their sizes are looked up, for the time left
HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}  # what fails for one result will fail for all


@dataclass(frozen=True)
class Running:
    """How a batch is run, and nothing that changes a result.

    Attributes:
        skip_existing: leave out inputs whose result is there.
        names: print each file's name and a tab before its text.
        threads: cores to use in all; 0 for every one.
        jobs: files at the same time, which share the cores; 0 for one a core.
        log_probs: folder for the network's outputs.
        failures: file that lists the inputs that failed, and why.
    """

    skip_existing: bool = False
    names: bool = False
    threads: int = 0
    jobs: int = 0
    log_probs: Path | None = None
    failures: Path | None = None


def run_batch(
    modality: str, inputs: list[Input], model: str, format: str, decoding: dict[str, Any], running: Running
) -> None:
    """Recognise every input. One that fails is reported and the others go on; then the exit code is 1."""
    check(decoding)
    hotwords = decoding["hotwords"]
    decoding = {**decoding, "hotwords": {} if hotwords is None else read_hotwords(hotwords)}
    if running.skip_existing:
        inputs = [entry for entry in inputs if finished(entry, format) is None]
        if not inputs:
            return
    keep_references(inputs, format)
    if running.log_probs is not None:
        distinct_stems(inputs, running.log_probs)
    check_model(model, modality, running.log_probs)
    from recog.bulk.work import Task

    jobs, threads = share_cores(running, inputs)
    task = Task(
        model,
        {**decoding, "threads": threads},
        format,
        names=running.names,
        one_line=len(inputs) > 1 or running.names,
        log_probs=None if running.log_probs is None else str(running.log_probs),
        alone=len(inputs) == 1,
    )
    lead(task, inputs, jobs, running.failures)


def check(decoding: dict[str, Any]) -> None:
    """Refuse options that do not go together, before any work.

    Raises:
        UsageError: naming them.
    """
    if decoding["beam"] is not None and decoding["n_best"] > max(1, decoding["beam"]):
        raise UsageError(f"--n-best {decoding['n_best']} needs a --beam of at least as many.")
    if decoding["beam"] == 0 and (decoding["lm"] not in (None, "none") or decoding["hotwords"] or decoding["rescore"]):
        raise UsageError("--beam 0 is the best path, without a language model and hotwords; leave it out.")
    if decoding.get("page_model") is not None:
        from recog.model.page import open_page_bundle

        try:
            open_page_bundle(decoding["page_model"])
        except UserError as error:
            raise UsageError(f"--page-model: {error}") from None


def check_model(model: str, modality: str, log_probs: Path | None) -> None:
    """Refuse a model for something else; write down its symbols where its outputs will be kept.

    Raises:
        UserError: there is no such model.
        UsageError: it is for something else.
    """
    from recog.model.bundle import open_bundle

    config = open_bundle(model).config
    if config.modality != modality:
        raise UsageError(f"The model '{model}' is for {config.modality}, not for {modality}.")
    if log_probs is not None:
        write_text(log_probs / "symbols.json", json.dumps(list(config.symbols), ensure_ascii=False) + "\n")


def share_cores(running: Running, inputs: Sequence[Input]) -> tuple[int, int]:
    """Files at the same time, and threads for each: its segments, or its lines. Standard input is read here, and then one
    file is done after another."""
    from recog.model.runtime import cores

    threads = running.threads or cores()
    jobs = min(running.jobs or threads, len(inputs))
    if any(entry.path is None for entry in inputs):
        jobs = 1
    return jobs, max(1, threads // jobs)


def lead(task: Task, inputs: list[Input], jobs: int, failures: Path | None) -> None:
    """Start the engine, write and print what it gives, tell how it goes.

    Raises:
        typer.Exit: 1, where a file is not whole.
    """
    from recog.bulk.failures import Failures
    from recog.bulk.progress import Progress, shown

    printing = any(entry.target is None for entry in inputs)
    with ExitStack() as resources:
        failed = resources.enter_context(Failures(failures))
        run = start(task, inputs, jobs, printing, resources)
        show = resources.enter_context(shown(printing=printing, log=len(inputs) > 1))
        progress = Progress(sizes(inputs) if len(inputs) <= SIZED else [1] * len(inputs), show)
        try:
            for index, result in run(progress.tell):
                failed.add(inputs[index].name, (*result.complaints, *deliver(inputs[index], result)))
                progress.done(index, result)
        except KeyboardInterrupt:
            print(f"recog: {progress}.", file=sys.stderr)
            raise
    if failed.count and len(inputs) > 1:
        where = f"; {failures} lists them" if failures else ""
        print(f"recog: {failed.count:,} of {len(inputs):,} files failed{where}.", file=sys.stderr)
    if failed.count:
        raise typer.Exit(1)


def start(
    task: Task, inputs: list[Input], jobs: int, ordered: bool, resources: ExitStack
) -> Callable[[Tell], Iterator[tuple[int, Result]]]:
    """Load the model in the engine that suits the inputs; gives what runs it. What it started ends with ``resources``."""
    from recog.bulk.pool import Pool
    from recog.bulk.work import FileRecogniser, one_by_one

    if len(inputs) == 1 or any(entry.path is None for entry in inputs):
        return partial(one_by_one, FileRecogniser(task), inputs)
    return partial(resources.enter_context(Pool(task, jobs, ordered=ordered)).run, inputs)


def deliver(entry: Input, result: Result) -> list[str]:
    """Write and print what came of a file; gives a sentence for what could not be written.

    Raises:
        OSError: nothing more can be written, as on a full disk.
    """
    for path, content in result.files:
        try:
            place(Path(path), content)
        except OSError as error:
            if error.errno in HOPELESS:
                raise
            return [f"{entry.name}: its result {path} cannot be written ({error.strerror or error})."]
    if isinstance(result.printed, Path):
        try:
            with result.printed.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
        finally:
            result.printed.unlink()
    elif result.printed is not None:
        print(result.printed, flush=True)
    return []


def keep_references(inputs: list[Input], format: str) -> None:
    """Refuse to overwrite a text beside its recording or image: it may be the true transcript, and the only one.

    Raises:
        UsageError: naming the first such file.
    """
    for entry in inputs:
        there = finished(entry, format)
        if entry.path is not None and there is not None:
            beside = entry.path.parent.resolve() == there.parent.resolve()
            if beside:
                raise UsageError(
                    f"{there} is there already, beside {entry.path.name}, and may be its true text; "
                    "give another --output, or --skip-existing."
                )


def distinct_stems(inputs: list[Input], folder: Path) -> None:
    """Refuse two inputs whose outputs would be kept in the same file.

    Raises:
        UsageError: naming both.
    """
    owners: dict[str, str] = {}
    for entry in inputs:
        other = owners.setdefault(entry.stem, entry.name)
        if other != entry.name:
            raise UsageError(f"{other} and {entry.name} would both be kept as {folder / entry.stem}.npz; rename one.")


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
