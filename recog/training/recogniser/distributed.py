"""Processes, threads and determinism of a recogniser's training."""

from __future__ import annotations

import os
from datetime import timedelta

import torch
import torch.distributed as dist

from recog.util.parallel import cores


def join_processes() -> int:
    """Join the process group of ``torchrun``; gives this process' rank, 0 without one."""
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        return 0
    backend = "gloo"
    if torch.cuda.is_available():
        number = int(os.environ.get("LOCAL_RANK", "0"))
        if number < torch.cuda.device_count():  # else the device of the recipe decides
            torch.cuda.set_device(number)
        backend = "cpu:gloo,cuda:nccl"
    # the first process computes features while the others wait, which may take hours
    dist.init_process_group(backend, timeout=timedelta(hours=24))
    return dist.get_rank()


def make_deterministic() -> None:
    """Allow only deterministic algorithms of torch, for the rest of this process."""
    # else the LSTM on a GPU has no such algorithm
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)


def local_processes() -> int:
    """Processes of ``torchrun`` on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def thread_count(threads: int) -> int:
    """Threads of this process: the recipe's, else its share of the cores."""
    return threads or max(1, cores() // local_processes())


def worker_count(workers: int, device: torch.device) -> int:
    """Processes that load data: the recipe's, else none on a CPU and up to 12 for a GPU.

    On a CPU features cost about 2 % of a step, which is not worth a process. A GPU waits for them.
    """
    if workers >= 0:
        return workers
    return min(12, max(1, (cores() - 2) // local_processes())) if device.type == "cuda" else 0
