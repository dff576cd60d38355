"""Run a model on a batch of files, for ``recog transcribe`` and ``recog ocr``."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from recog.batch.failures import Failures, print_message
from recog.batch.files import Input, sizes, write_result
from recog.batch.interruption import Interruption
from recog.batch.outputs import existing_results
from recog.batch.remote import is_url
from recog.cli.options import BatchOptions
from recog.errors import UsageError, UserError, cause
from recog.util.atomic_files import write_text

if TYPE_CHECKING:
    from recog.batch.work import FileProgress, ProgressCallback, Result, Task
    from recog.model.recogniser_folder import RecogniserFolder

MAX_SIZED_FILES = 10_000  # above, progress counts files and not bytes
# errors that every further file would meet, too
FATAL_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


def run_batch(
    modality: str,
    inputs: list[Input],
    model: str,
    format: str,
    decoding: dict[str, Any],
    options: BatchOptions,
) -> None:
    """Recognise every input.

    An input that fails is reported and the others go on.

    Args:
        decoding: options of :func:`recog.load`, with ``hotwords`` as the path of a file.

    Raises:
        UsageError: options do not go together.
        typer.Exit: with code 1, if an input failed.
    """
    check_options(decoding)
    hotwords = decoding["hotwords"]
    decoding = {**decoding, "hotwords": {} if hotwords is None else read_hotwords(hotwords)}
    existing = existing_results(inputs, format)
    if options.skip_existing:
        inputs = [entry for entry in inputs if entry.target not in existing]
        if not inputs:
            with Failures(options.failures):  # empties the list of an earlier run
                return
    else:
        protect_references(inputs, existing)
    if decoding.get("layout") == "xml" and any(is_url(entry.name) for entry in inputs):
        raise UsageError(
            "--layout xml reads files beside the images, which it cannot by URL; copy both first."
        )
    if options.log_probs is not None:
        check_distinct_stems(inputs, options.log_probs)
    model_folder = check_model(model, modality, decoding.get("language"))
    decoding["hotwords"] = supported_hotwords(model_folder, decoding["hotwords"])
    if options.log_probs is not None:
        write_symbols(model_folder, decoding, options.log_probs)
    from recog.batch.work import Task

    task = Task(
        model,
        decoding,
        format,
        names=options.names,
        one_line=len(inputs) > 1 or options.names,
        log_probs=None if options.log_probs is None else str(options.log_probs),
        single=len(inputs) == 1,
    )
    run_engine(task, inputs, options)


def check_options(decoding: dict[str, Any]) -> None:
    """Check that decoding options go together, before any work.

    Raises:
        UsageError: naming them.
    """
    if decoding["beam"] is not None and decoding["n_best"] > max(1, decoding["beam"]):
        raise UsageError(f"--n-best {decoding['n_best']} needs a --beam of at least as many.")
    if decoding["beam"] == 0 and (
        decoding["lm"] not in (None, "none")
        or decoding["hotwords"]
        or decoding["rescore"] not in (None, "none")
    ):
        raise UsageError(
            "--beam 0 is the best path, without a language model and hotwords; leave it out."
        )
    if decoding.get("language") is not None and (
        decoding["beam"] == 0 or decoding["lm"] is not None
    ):
        raise UsageError(
            "--language chooses among the model's own language models; leave out --lm and --beam 0."
        )
    if decoding.get("page_model") is not None:
        from recog.model.page_model import open_page_model_folder

        try:
            open_page_model_folder(decoding["page_model"])
        except UserError as error:
            raise UsageError(f"--page-model: {error}") from None


def check_model(model: str, modality: str, language: str | None) -> RecogniserFolder:
    """Open a model and check that it is of this modality and knows the language.

    Raises:
        UserError: there is no such model.
        UsageError: it is of another modality, or does not know the language.
    """
    from recog.model.recogniser_folder import open_recogniser_folder

    model_folder = open_recogniser_folder(model)
    config = model_folder.config
    if config.modality != modality:
        raise UsageError(f"The model '{model}' is for {config.modality}, not for {modality}.")
    if language is not None:
        from recog.recognition.decoders import language_model_paths
        from recog.recognition.options import Options

        try:
            language_model_paths(model_folder, Options(language=language))
        except UserError as error:
            raise UsageError(f"--language: {error}") from None
    return model_folder


def supported_hotwords(
    model_folder: RecogniserFolder, hotwords: dict[str, float]
) -> dict[str, float]:
    """The hotwords that the model can write.

    Reports the others here, and not once in each process.
    """
    from recog.recognition.decoders import usable_hotwords

    usable, left_out = usable_hotwords(model_folder, hotwords)
    for sentence in left_out:
        print(f"recog: {sentence}", file=sys.stderr)
    return usable


def write_symbols(model_folder: RecogniserFolder, decoding: dict[str, Any], folder: Path) -> None:
    """Write ``symbols.json``: the symbols that the log-probabilities in ``folder`` are of.

    They are phones where the model decodes words through a lexicon.
    """
    from recog.recognition.decoders import word_language_model
    from recog.recognition.options import Options

    options = Options(beam=decoding["beam"], lm=decoding["lm"], language=decoding.get("language"))
    config = model_folder.config
    symbols = (
        config.symbols
        if word_language_model(model_folder, options) is None
        else config.sounds or ()
    )
    write_text(folder / "symbols.json", json.dumps(list(symbols), ensure_ascii=False) + "\n")


def run_engine(task: Task, inputs: list[Input], options: BatchOptions) -> None:
    """Run the engine, deliver its results and show progress.

    Raises:
        typer.Exit: with code 1, if a file failed or was read in part.
    """
    from recog.batch.progress import Progress, progress_display

    printing = any(entry.target is None for entry in inputs)
    with ExitStack() as resources:
        interruption = resources.enter_context(Interruption())
        failed = resources.enter_context(Failures(options.failures))
        run = start_engine(task, inputs, options, printing, resources)
        show = resources.enter_context(progress_display(printing=printing, log=len(inputs) > 1))
        progress = Progress(
            sizes(inputs) if len(inputs) <= MAX_SIZED_FILES else [1] * len(inputs), show
        )

        def report(index: int, file_progress: FileProgress) -> None:
            interruption.check()
            progress.report(index, file_progress)

        try:
            for index, result in run(report):
                failed.add(
                    inputs[index].name, (*result.errors, *write_outputs(inputs[index], result))
                )
                for warning in result.warnings:
                    print_message(warning)
                progress.done(index, result)
                interruption.check()
        except KeyboardInterrupt:
            print(f"recog: {progress}.", file=sys.stderr)
            raise
    if failed.count and len(inputs) > 1:
        where = f"; {options.failures} lists them" if options.failures else ""
        print(f"recog: {failed.count:,} of {len(inputs):,} files failed{where}.", file=sys.stderr)
    if failed.count:
        raise typer.Exit(1)


def start_engine(
    task: Task, inputs: list[Input], options: BatchOptions, ordered: bool, resources: ExitStack
) -> Callable[[ProgressCallback], Iterator[tuple[int, Result]]]:
    """Load the model in the engine that suits the inputs.

    Args:
        ordered: whether results come in the order of the inputs.
        resources: ends the engine.

    Returns:
        A function that runs the engine: it takes a callback for progress, and yields the number of
        an input and its result.

    Raises:
        UsageError: the engine cannot read an input.
    """
    from recog.batch.pool import Pool
    from recog.batch.work import FileRecogniser, run_sequentially
    from recog.util.parallel import cores

    in_process = next((entry.name for entry in inputs if entry.in_process_only), None)
    if options.engine == "ray":
        from recog.batch.ray_engine import RayCluster

        if in_process:
            raise UsageError(f"{in_process} can be read by this process only, not by --engine ray.")
        cluster = RayCluster(task, options.jobs, options.threads, ordered=ordered)
        return partial(resources.enter_context(cluster).run, inputs)
    threads = options.threads or cores()
    if in_process or len(inputs) == 1:
        return partial(run_sequentially, FileRecogniser(task.with_threads(threads)), inputs)
    jobs = min(options.jobs or threads, len(inputs))
    pool = Pool(task.with_threads(max(1, threads // jobs)), jobs, ordered=ordered)
    return partial(resources.enter_context(pool).run, inputs)


def write_outputs(entry: Input, result: Result) -> list[str]:
    """Write and print the result of a file; returns errors in sentences.

    Raises:
        UserError: no further file can be written either, as on a full disk.
    """
    for path, content in result.files:
        try:
            write_result(path, content)
        except UserError as error:
            return [str(error)]
        except OSError as error:
            reason = f"{path} cannot be written ({cause(error)})"
            if error.errno in FATAL_ERRORS:
                raise UserError(
                    f"{reason}; the batch ends here, and --skip-existing goes on from here."
                ) from None
            return [f"{entry.name}: its result {reason}."]
    if isinstance(result.stdout, Path):
        try:
            with result.stdout.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
        finally:
            result.stdout.unlink()
    elif isinstance(result.stdout, bytes):
        sys.stdout.buffer.write(result.stdout)
        sys.stdout.flush()
    elif result.stdout is not None:
        print(result.stdout, flush=True)
    return []


def protect_references(inputs: Sequence[Input], existing: dict[str, str]) -> None:
    """Refuse to overwrite a text beside its recording or image, which may be the reference.

    Args:
        existing: targets that have a result, and the file that holds it.

    Raises:
        UsageError: naming the first of them.
    """
    for entry in inputs:
        if (
            entry.target is None
            or entry.target not in existing
            or folder_of(entry.name) != folder_of(entry.target)
        ):
            continue
        if (
            is_url(entry.name) == is_url(entry.target)
            and Path(entry.name).name == Path(entry.target).name
        ):
            raise UsageError(
                f"{entry.name} would be overwritten by its own result; give another --output."
            )
        raise UsageError(
            f"{existing[entry.target]} is there already, beside {Path(entry.name).name}, "
            "and may be its true text; give another --output, or --skip-existing."
        )


def folder_of(name: str) -> str | Path:
    """The folder of a path or URL, with links resolved."""
    return name.rpartition("/")[0] if is_url(name) else Path(name).parent.resolve()


def check_distinct_stems(inputs: list[Input], folder: Path) -> None:
    """Refuse two inputs whose log-probabilities would be saved in the same file.

    Raises:
        UsageError: naming both.
    """
    owners: dict[str, str] = {}
    for entry in inputs:
        other = owners.setdefault(entry.stem, entry.name)
        if other != entry.name:
            raise UsageError(
                f"{other} and {entry.name} would both be saved as {folder / entry.stem}.npz; "
                "rename one of them."
            )


def read_hotwords(path: Path) -> dict[str, float]:
    """Read hotwords and their boosts: a phrase a line, optionally with a tab and a boost.

    Raises:
        UserError: the file cannot be read, or a boost is not a number within range.
    """
    from recog.decoding.decoder import HOTWORD_BOOST
    from recog.decoding.validation import MAX_BOOST
    from recog.util.text_files import read_text

    boosts: dict[str, float] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        phrase, tab, boost = line.partition("\t")
        if not phrase.strip():
            continue
        try:
            value = float(boost) if tab else HOTWORD_BOOST
        except ValueError:
            raise UserError(f"{path}, line {number}: '{boost.strip()}' is not a number.") from None
        if not 0.0 <= value <= MAX_BOOST:
            raise UserError(
                f"{path}, line {number}: the boost is {value:g}; "
                f"it must lie between 0 and {MAX_BOOST:g}."
            )
        boosts[phrase.strip()] = value
    return boosts
