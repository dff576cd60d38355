"""The engine of one machine: a pool of processes, each with a model and a file in progress.

It uses processes and not threads, though a model costs each of them 150 MB (speech) to 210 MB
(pages). Untrusted files go through C libraries, and a file that crashes such a library must cost
the batch that file only. The file is reported, and a new process replaces the dead one. The first
process starts alone, because it may have to compile the decoder for all.
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
# files for each worker that may be finished before an earlier one, if results are in order
AHEAD = 8
READY = "ready"


class Worker:
    """A process that recognises one file at a time."""

    def __init__(self, task: Task) -> None:
        # for temporary files, which a killed worker leaves behind
        self.folder = tempfile.mkdtemp(prefix="recog-")
        # not "fork": works on every system, and inherits no locks
        context = multiprocessing.get_context("spawn")
        self.pipe, child_pipe = context.Pipe()
        self.process = context.Process(
            target=worker_main, args=(child_pipe, task, self.folder), daemon=True
        )
        with sigint_blocked():
            self.process.start()
        child_pipe.close()  # so that the pipe ends with the process
        self.ready = False
        self.index: int | None = None  # of the file in work
        self.entry: Input | None = None  # that file

    def assign(self, index: int, entry: Input) -> None:
        """Send a file to the worker."""
        self.index, self.entry = index, entry
        with suppress(OSError):  # it is dead; _receive() will find out
            self.pipe.send((index, entry))

    def end(self) -> None:
        """Kill the process and remove its temporary files."""
        self.process.kill()
        self.process.join()
        self.pipe.close()
        spool = None if self.entry is None else spool_of(self.entry)
        with suppress(OSError):
            if spool is not None:
                spool.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def exit_reason(self) -> str:
        """How the process ended, as part of a sentence."""
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
    """The workers of a batch, as a context manager that starts with one loaded worker.

    Args:
        jobs: number of files in progress at the same time.
        ordered: yield results in the order of the inputs, instead of as they come.

    Raises:
        UserError: on entry, if the model cannot be loaded.
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
        """Recognise the inputs; yields the number of each and its result.

        Args:
            report: called about twice a second with the number of an input and its progress.

        Raises:
            UserError: no further worker can be started.
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
                    reason = f"the process that read it {worker.exit_reason()}"
                    yield index, Result(errors=(f"{entries[index].name}: {reason}.",))
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
        """The next message of a worker; None if it has become ready or has died.

        Raises:
            UserError: the only worker could not be started.
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
            self._jobs = len(self._workers)  # go on with the others
            if not self._workers:
                raise message or UserError(
                    f"The process that loads the model {exit_reason}; try fewer --jobs."
                )
        return None


def in_order(results: Iterator[tuple[int, Result]]) -> Iterator[tuple[int, Result]]:
    """Yield results in the order of their numbers, which begin at 0."""
    waiting: dict[int, Result] = {}
    next_index = 0
    for index, result in results:
        waiting[index] = result
        while next_index in waiting:
            yield next_index, waiting.pop(next_index)
            next_index += 1


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Block ``SIGINT`` in this thread and in processes that start meanwhile.

    Ctrl-C goes to every process, and a starting one would print a traceback. In this process the
    signal is delivered at the end of the context.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # it would unblock the signal when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def worker_main(pipe: Connection, task: Task, folder: str) -> None:
    """Main function of a worker: load the model, recognise files until the pipe closes.

    Args:
        folder: for temporary files.
    """
    tempfile.tempdir = folder
    # Ctrl-C goes to all processes; the main process ends the workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, args=(folder,), daemon=True).start()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        recognise = FileRecogniser(task)
        recognise.warm_up()  # before the others start, which load the compiled code
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
    # the pipe breaks when the main process is gone
    with suppress(EOFError, ConnectionError):
        while True:
            _, entry = pipe.recv()
            pipe.send(recognise_safely(recognise, entry, throttled(pipe.send)))


def recognise_safely(
    recognise: FileRecogniser, entry: Input, report: Callable[[FileProgress], None]
) -> Result:
    """Recognise a file; an unexpected exception becomes an error in the result."""
    try:
        return recognise(entry, report)
    except Exception as error:
        traceback.print_exc()
        return Result(
            errors=(f"{entry.name}: recog itself failed on it ({type(error).__name__}: {error}).",)
        )


def throttled(send: Callable[[FileProgress], None]) -> Callable[[FileProgress], None]:
    """Limit progress reports to two a second; a recording may have a thousand segments."""
    last = time.monotonic()

    def report(file_progress: FileProgress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_INTERVAL:
            last = now
            send(file_progress)

    return report


def _exit_with_parent(folder: str) -> None:
    """End with the main process, even after kill -9, so that a restarted batch is alone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)
