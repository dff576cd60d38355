"""The engine of a Ray cluster.

It uses ``map_batches`` of Ray Data, with actors that recognise a file at a time, as in Ray's
documentation of batch inference (https://docs.ray.io/en/latest/data/batch_inference.html).

An actor is a :class:`recog.batch.pool.Pool` of one process. So a file that crashes a library costs
that file only; Ray would send it to one actor after another. Results come back to the main process,
which writes them: no other node needs access to the output folder.
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

MAX_BLOCKS = 2000  # that Ray schedules; up to as many files, each is a block


class RayCluster:
    """A connection to a Ray cluster, as a context manager.

    The cluster is that of ``RAY_ADDRESS``, or that on this machine, which is started if necessary.

    Args:
        task: what to do; every node must be able to read its model.
        jobs: number of files in progress at the same time in the cluster; 0 for one a core.
        threads: cores to use in all; 0 for every core.
        ordered: yield results in the order of the inputs, instead of as they come.

    Raises:
        UserError: on entry, if Ray is not installed or cannot be reached, or the model cannot be
            loaded.
    """

    def __init__(self, task: Task, jobs: int, threads: int, *, ordered: bool) -> None:
        self._task = replace(task, remote=True)
        self._jobs = jobs
        self._threads = threads
        self._ordered = ordered
        self._owns_cluster = False

    def __enter__(self) -> RayCluster:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
        os.environ.setdefault("RAY_DATA_LOG_LEVEL", "WARNING")
        try:
            import ray
            import ray.data
        except ImportError:
            raise UserError(
                'The engine ray is not installed; install it with: pip install "recog[ray]"'
            ) from None
        # reports errors of the model or the options here, in a sentence
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
        """Recognise the inputs; yields the number of each and its result.

        ``report`` is not called.

        Raises:
            UserError: Ray failed.
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
        except Exception as error:  # Ray wraps the exceptions of an actor
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
        """Turn the columns ``index`` and ``entry`` into ``index`` and ``result``.

        Raises:
            UserError: the model cannot be loaded on this node.
        """
        if not self._entered:  # not in the constructor, which Ray would retry for ever
            self._pool.__enter__()
            self._entered = True
        results = np.empty(len(batch["entry"]), dtype=object)
        for i, (_, result) in enumerate(self._pool.run(list(batch["entry"]), ignore_progress)):
            results[i] = result.in_memory()
        return {"index": batch["index"], "result": results}


def ignore_progress(index: int, file_progress: FileProgress) -> None:
    """Ignore the progress of a file, which stays on its node."""


def first_line(error: Exception) -> str:
    """The first line of an exception's message, at most 200 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
