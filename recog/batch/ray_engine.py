"""The engine of a Ray cluster: Ray Data's ``map_batches`` with an actor for each file at a time, as
Ray's documentation has it for batch inference with a model
(https://docs.ray.io/en/latest/data/batch_inference.html).

An actor is a :class:`recog.batch.pool.Pool` of one process: a file that crashes a decoder costs
that file on a cluster, too, where Ray would give it to one actor after another. What recognises is
what recognises locally, and results come back to the process that leads the batch, which writes
them: the files are the same, and no node but this one needs the place where they go.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np

from recog.batch.files import Input
from recog.batch.pool import Pool
from recog.batch.work import FileProgress, FileRecogniser, ProgressCallback, Result, Task
from recog.errors import UserError

MAX_BLOCKS = 2000  # what Ray schedules one by one: below that, a file each


class RayCluster:
    """A connection to the cluster of ``RAY_ADDRESS``, or the one that runs on this machine; else
    one is started here. A context manager.

    Args:
        task: what to do; its model must be where each node can read it.
        jobs: files at the same time in the whole cluster; 0 for one a core.
        threads: cores to use in all; 0 for every one.
        ordered: give results in the order of the inputs, instead of as they come.

    Raises:
        UserError: when entered: Ray is not installed or cannot be reached, or the model cannot be
            loaded.
    """

    def __init__(self, task: Task, jobs: int, threads: int, *, ordered: bool) -> None:
        self._task = replace(task, remote=True)
        self._jobs = jobs
        self._threads = threads
        self._ordered = ordered
        self._owns_cluster = False

    def __enter__(self) -> RayCluster:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # recog reports to nobody
        os.environ.setdefault("RAY_DATA_LOG_LEVEL", "WARNING")
        try:
            import ray
            import ray.data
        except ImportError:
            raise UserError(
                'The engine ray is not installed; install it with: pip install "recog[ray]"'
            ) from None
        # what is wrong with the model or the options is said here, in a sentence
        FileRecogniser(self._task)
        if not ray.is_initialized():
            try:
                ray.init(logging_level=logging.ERROR, log_to_driver=False)
            except Exception as error:  # gRPC's, Ray's, the system's
                raise UserError(
                    f"Ray cannot be started or reached ({first_line(error)})."
                ) from None
            self._owns_cluster = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._owns_cluster:
            import ray

            ray.shutdown()

    def run(
        self, entries: Sequence[Input], report: ProgressCallback
    ) -> Iterator[tuple[int, Result]]:
        """Recognise each input; gives its number and what came of it. ``tell`` is not called.

        Raises:
            UserError: Ray gave up.
        """
        import ray

        cores = self._threads or max(1, int(ray.cluster_resources().get("CPU", 1)))
        jobs = min(self._jobs or cores, len(entries))
        each = max(1, cores // jobs)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = self._ordered
        rows = [{"index": index, "entry": entry} for index, entry in enumerate(entries)]
        results = ray.data.from_items(
            rows, override_num_blocks=min(len(rows), MAX_BLOCKS)
        ).map_batches(
            Actor,
            fn_constructor_args=(self._task.with_threads(each),),
            compute=ray.data.ActorPoolStrategy(size=jobs),
            num_cpus=each,
            batch_size=1,
        )
        try:
            for batch in results.iter_batches(
                batch_size=None, batch_format="numpy", prefetch_batches=0
            ):
                yield from zip(map(int, batch["index"]), batch["result"], strict=True)
        except Exception as error:  # Ray wraps what an actor raised into classes of its own
            cause = getattr(error, "cause", None)
            raise (
                cause
                if isinstance(cause, UserError)
                else UserError(f"Ray gave up: {first_line(error)}.")
            ) from None


class Actor:
    """One process of a cluster that recognises one file at a time."""

    def __init__(self, task: Task) -> None:
        self._pool = Pool(task, 1, ordered=True)
        self._entered = False

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Columns ``index`` and ``entry`` -> ``index`` and ``result``.

        Raises:
            UserError: the model cannot be loaded on this node.
        """
        if not self._entered:  # not in the constructor, which Ray would repeat for ever
            self._pool.__enter__()
            self._entered = True
        results = np.empty(len(batch["entry"]), dtype=object)
        for i, (_, result) in enumerate(self._pool.run(list(batch["entry"]), ignore_progress)):
            results[i] = result.in_memory()
        return {"index": batch["index"], "result": results}


def ignore_progress(index: int, file_progress: FileProgress) -> None:
    """How far a file is stays on its node."""


def first_line(error: Exception) -> str:
    """What an exception says, shortly."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
