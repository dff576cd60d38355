"""The engine of one machine: a pool of processes, each with a loaded model, each at work on one
file.

Processes and not threads, though a model costs each of them 150 MB (speech) to 210 MB (pages):
files from strangers go through libraries in C, and one that brings such a library down must cost
the batch one file and not all. What a process read when it died is reported, another takes its
place. The first one starts alone, as it may have to compile the decoder for all.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import TracebackType

from recog.batch.files import Input
from recog.batch.outputs import spool_of
from recog.batch.work import FileProgress, FileRecogniser, ProgressCallback, Result, Task
from recog.errors import UserError

REPORT_INTERVAL = 0.5  # seconds
# files for each worker that may be done before an earlier one is, where results are in order
AHEAD = 8
READY = "ready"


class Worker:
    """A process that recognises one file at a time."""

    def __init__(self, task: Task) -> None:
        # for its temporary files: it may have no time to remove them
        self.folder = tempfile.mkdtemp(prefix="recog-")
        # the same everywhere, and nothing half-inherited
        context = multiprocessing.get_context("spawn")
        self.pipe, child_pipe = context.Pipe()
        self.process = context.Process(
            target=worker_main, args=(child_pipe, task, self.folder), daemon=True
        )
        with sigint_blocked():
            self.process.start()
        child_pipe.close()  # so that its death is the pipe's end
        self.ready = False
        self.index: int | None = None  # of the file in work
        self.entry: Input | None = None  # that file

    def assign(self, index: int, entry: Input) -> None:
        """Have it recognise a file."""
        self.index, self.entry = index, entry
        with suppress(OSError):  # it is dead, as the next look at its pipe will find
            self.pipe.send((index, entry))

    def end(self) -> None:
        """End it at once, if it lives, and remove what it leaves."""
        self.process.kill()
        self.process.join()
        self.pipe.close()
        spool = None if self.entry is None else spool_of(self.entry)
        with suppress(OSError):
            if spool is not None:
                spool.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def exit_reason(self) -> str:
        """How it ended, for a sentence."""
        self.process.join(timeout=5)
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return (
            f"was killed ({name}), perhaps for want of memory"
            if name == "SIGKILL"
            else f"crashed ({name})"
        )


class Pool:
    """Workers for a batch. A context manager; when it is entered, a first worker has loaded the
    model.

    Args:
        jobs: files at the same time.
        ordered: give results in the order of the inputs, instead of as they come.

    Raises:
        UserError: when entered: the model cannot be loaded.
    """

    def __init__(self, task: Task, jobs: int, *, ordered: bool) -> None:
        self._task = task
        self._jobs = jobs
        self._ordered = ordered
        self._workers: list[Worker] = []

    def __enter__(self) -> Pool:
        try:
            worker = self._start()
            while not worker.ready:
                self._receive(worker)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._workers:
            self._workers.pop().end()

    def run(
        self, entries: Sequence[Input], report: ProgressCallback
    ) -> Iterator[tuple[int, Result]]:
        """Recognise each input; gives its number and what came of it.

        Args:
            tell: called, about twice a second, with the number of an input in work and how far it
                is.

        Raises:
            UserError: no worker can be started any more.
        """
        results = self._unordered(entries, report)
        return in_order(results) if self._ordered else results

    def _unordered(
        self, entries: Sequence[Input], report: ProgressCallback
    ) -> Iterator[tuple[int, Result]]:
        next_index = 0  # the next input to hand out
        while True:
            in_progress = [worker.index for worker in self._workers if worker.index is not None]
            unfinished = len(entries) - next_index + len(in_progress)
            if not unfinished:
                return
            while len(self._workers) < min(self._jobs, unfinished):
                self._start()
            limit = len(entries)
            if self._ordered:
                limit = min(limit, min(in_progress, default=next_index) + AHEAD * self._jobs)
            for worker in self._workers:
                if worker.ready and worker.index is None and next_index < limit:
                    worker.assign(next_index, entries[next_index])
                    next_index += 1
            for worker in self._readable_workers():
                index = worker.index
                message = self._receive(worker)
                if index is None:
                    continue
                if message is None:
                    yield (
                        index,
                        Result(
                            errors=(
                                f"{entries[index].name}: the process that read it {worker.exit_reason()}.",
                            )
                        ),
                    )
                elif isinstance(message, Result):
                    worker.index = worker.entry = None
                    yield index, message
                else:
                    report(index, message)

    def _start(self) -> Worker:
        worker = Worker(self._task)
        self._workers.append(worker)
        return worker

    def _readable_workers(self) -> list[Worker]:
        ready = set(wait([worker.pipe for worker in self._workers]))
        return [worker for worker in self._workers if worker.pipe in ready]

    def _receive(self, worker: Worker) -> Result | FileProgress | None:
        """What a worker has to say; None where it has become ready, or has died.

        Raises:
            UserError: it could not be started, and it was the only one.
        """
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            message = None
        if isinstance(message, Result | FileProgress):
            return message
        if message == READY:
            worker.ready = True
            return None
        self._workers.remove(worker)
        exit_reason = worker.exit_reason()
        worker.end()
        if not worker.ready:
            self._jobs = len(self._workers)  # the others go on without it
            if not self._workers:
                raise message or UserError(
                    f"The process that loads the model {exit_reason}; try fewer --jobs."
                )
        return None


def in_order(results: Iterator[tuple[int, Result]]) -> Iterator[tuple[int, Result]]:
    """The same in the order of their numbers, which begin at 0."""
    waiting: dict[int, Result] = {}
    next_index = 0
    for index, result in results:
        waiting[index] = result
        while next_index in waiting:
            yield next_index, waiting.pop(next_index)
            next_index += 1


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Ctrl-C goes to every process, and one that is just starting would say much about it: what
    starts in here never sees it. Here it waits for the end of the context."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # which would take the block away when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def worker_main(pipe: Connection, task: Task, folder: str) -> None:
    """A worker's life: load the model, recognise what comes through the pipe until it closes.

    Args:
        folder: for temporary files.
    """
    tempfile.tempdir = folder
    # Ctrl-C goes to all; who leads the batch ends the others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, args=(folder,), daemon=True).start()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        recognise = FileRecogniser(task)
        recognise.warm_up()  # before the others start: they find what this one compiled
    except UserError as error:
        pipe.send(error)
        return
    except OSError as error:
        pipe.send(
            UserError(f"{error.filename}: {error.strerror}." if error.filename else f"{error}.")
        )
        return
    except MemoryError:
        pipe.send(UserError("There is not enough memory for the model; try fewer --jobs."))
        return
    pipe.send(READY)
    # who leads the batch is gone, and this process goes, too
    with suppress(EOFError, ConnectionError):
        while True:
            _, entry = pipe.recv()
            pipe.send(recognise_safely(recognise, entry, throttled(pipe.send)))


def recognise_safely(
    recognise: FileRecogniser, entry: Input, report: Callable[[FileProgress], None]
) -> Result:
    """What comes of a file; a fault of recog's own is told in the result, too, and must not end a
    batch."""
    try:
        return recognise(entry, report)
    except Exception as error:
        traceback.print_exc()
        return Result(
            errors=(f"{entry.name}: recog itself failed on it ({type(error).__name__}: {error}).",)
        )


def throttled(send: Callable[[FileProgress], None]) -> Callable[[FileProgress], None]:
    """How far a file is, told at most twice a second and not after each of a thousand segments."""
    last = time.monotonic()

    def report(file_progress: FileProgress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_INTERVAL:
            last = now
            send(file_progress)

    return report


def _exit_with_parent(folder: str) -> None:
    """End when the process that leads the batch has ended, even by kill -9, so that a batch begun
    again is alone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)
