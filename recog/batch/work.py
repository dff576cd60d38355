"""Recognise a file of a batch, the same in every engine."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recog.batch.failures import ESCAPES
from recog.batch.files import Input
from recog.batch.outputs import result_files, spooled_pdf
from recog.errors import UserError
from recog.recognition.load import load

if TYPE_CHECKING:
    from recog.transcript import Transcript

LONG = 4 << 20  # bytes; of larger recordings the duration is read, to show progress


@dataclass(frozen=True)
class Task:
    """What a worker does with each file of a batch.

    Attributes:
        model: name or path.
        options: of :func:`recog.load`.
        format: of the results, see :mod:`recog.formats`.
        names: whether a printed text has the file's name and a tab before it.
        one_line: whether a printed text is joined to one line.
        log_probs: folder for the network's log-probabilities.
        single: whether the batch has one file only; then progress needs its duration.
        remote: whether the worker is on another machine than the results.
    """

    model: str
    options: Mapping[str, Any]
    format: str = "txt"
    names: bool = False
    one_line: bool = True
    log_probs: str | None = None
    single: bool = False
    remote: bool = False

    def with_threads(self, threads: int) -> Task:
        """The same task with this number of threads for the segments or lines of a file."""
        return replace(self, options={**self.options, "threads": threads})


@dataclass(frozen=True)
class Result:
    """The result of a file. A worker makes it, and the main process writes and prints it.

    Attributes:
        files: path (or URL) and content of the files to write, the transcript last: it proves that
            all are written. A path as content is a temporary file to move there.
        stdout: text for standard output, or a temporary file with it.
        errors: sentences on what failed; without any the file is done.
        warnings: other sentences for the user.
        seconds: of sound recognised.
    """

    files: tuple[tuple[str, bytes | Path], ...] = ()
    stdout: str | bytes | Path | None = None
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0

    def in_memory(self) -> Result:
        """The same result with temporary files read into memory, to send to another machine."""
        files = tuple(
            (path, read_and_remove(content) if isinstance(content, Path) else content)
            for path, content in self.files
        )
        stdout = read_and_remove(self.stdout) if isinstance(self.stdout, Path) else self.stdout
        return replace(self, files=files, stdout=stdout)


@dataclass(frozen=True)
class FileProgress:
    """Progress of a recording: seconds done, and its length in seconds if that is known."""

    done: float
    total: float | None = None


ProgressCallback = Callable[[int, FileProgress], None]  # called with an input's number


class FileRecogniser:
    """Recognises files with a loaded model.

    Raises:
        UserError: the model cannot be loaded, or the options do not go together.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._recogniser = load(task.model, **task.options)

    def warm_up(self) -> None:
        """Compile and load what the first file would wait for."""
        self._recogniser.warm_up()

    def __call__(
        self, entry: Input, report: Callable[[FileProgress], None] | None = None
    ) -> Result:
        """Recognise a file. Its errors are in the result."""
        try:
            with entry.open() as source:
                return self._recognise(entry, source, report)
        except UserError as error:
            return Result(errors=(str(error),))
        except MemoryError:
            return Result(errors=(f"{entry.name}: there is not enough memory for it.",))
        except OSError as error:
            return Result(errors=(f"{entry.name}: cannot be read ({error.strerror or error}).",))

    def _recognise(
        self, entry: Input, source: Path | BinaryIO, report: Callable[[FileProgress], None] | None
    ) -> Result:
        # an image has no progress
        report = report if self._recogniser.config.modality == "speech" else None
        total = self._duration(source) if report and isinstance(source, Path) else None
        log_probs: list[NDArray[np.float32]] = []
        transcribe: Callable[..., Transcript] = partial(
            self._recogniser.transcribe,
            source,
            name=entry.name,
            advance=(lambda done: report(FileProgress(done, total))) if report else None,
            keep=log_probs.append if self.task.log_probs else None,
        )
        pdf = None
        if self.task.format == "pdf":
            with spooled_pdf(entry, beside_target=not self.task.remote) as spooled:
                transcript = transcribe(on_page=spooled.add)
            pdf = spooled.path
        else:
            transcript = transcribe()
        # the user does not know the name of a local copy
        if transcript.warnings and str(source) != entry.name:
            warnings, damage = (
                tuple(sentence.replace(str(source), entry.name) for sentence in sentences)
                for sentences in (transcript.warnings, transcript.damage)
            )
            transcript = replace(transcript, warnings=warnings, damage=damage)
        return self._result(entry, transcript, log_probs, pdf)

    def _duration(self, path: Path) -> float | None:
        """The length of a recording in seconds; None for a small file of many."""
        if not self.task.single and path.stat().st_size < LONG:
            return None
        from recog.media.audio.reader import open_sound

        with open_sound(path) as sound:
            return sound.duration

    def _result(
        self,
        entry: Input,
        transcript: Transcript,
        log_probs: list[NDArray[np.float32]],
        pdf: Path | None = None,
    ) -> Result:
        from recog.formats import WRITERS

        files: list[tuple[str, bytes | Path]] = []
        if self.task.log_probs is not None:
            files.append(
                (str(log_probs_path(self.task.log_probs, entry)), pack_log_probs(log_probs))
            )
        stdout: str | Path | None = None
        if pdf is not None and entry.target is not None:
            files.append((entry.target, pdf))
        elif pdf is not None:
            stdout = pdf
        elif entry.target is not None:
            files += result_files(entry, transcript, self.task.format)
        elif self.task.format == "txt":
            text = WRITERS["txt"](transcript).removesuffix("\n")
            text = " ".join(text.split("\n")).replace("\f", "") if self.task.one_line else text
            stdout = f"{entry.name.translate(ESCAPES)}\t{text}" if self.task.names else text
        else:
            stdout = WRITERS[self.task.format](transcript).rstrip("\n")
        warnings = tuple(
            warning for warning in transcript.warnings if warning not in transcript.damage
        )
        return Result(tuple(files), stdout, transcript.damage, warnings, transcript.duration or 0.0)


def read_and_remove(path: Path) -> bytes:
    """The content of a file, which is then removed."""
    content = path.read_bytes()
    path.unlink()
    return content


def log_probs_path(folder: str | Path, entry: Input) -> Path:
    """The file for an input's log-probabilities."""
    return Path(folder) / f"{entry.stem}.npz"


def pack_log_probs(pieces: Sequence[NDArray[np.float32]]) -> bytes:
    """An ``.npz`` of log-probabilities (frames, symbols), an array for each segment or line.

    ``recog decode`` reads it, with the ``symbols.json`` beside it.
    """
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"{i:05d}": piece for i, piece in enumerate(pieces)}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def run_sequentially(
    recognise: FileRecogniser, entries: Sequence[Input], report: ProgressCallback
) -> Iterator[tuple[int, Result]]:
    """The engine without other processes, for a single file or files in this process's memory."""
    for index, entry in enumerate(entries):
        yield index, recognise(entry, partial(report, index))
