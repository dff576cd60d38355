"""The folder ``training`` of a run: one run at a time, and what is thrown away to begin anew."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from recog.errors import UserError
from recog.training.checkpoint import read_state
from recog.training.progress import LOG, PROBLEMS, Reporter

LOCK_PATIENCE = 8.0  # seconds that data workers outlive a killed training, and a little more
ReporterT = TypeVar("ReporterT", bound=Reporter)


@contextmanager
def open_run(
    folder: Path,
    kind: Callable[..., ReporterT],
    *,
    restart: bool = False,
    main_process: bool = True,
) -> Iterator[ReporterT]:
    """The folder of a run for as long as it lasts; gives its report, which goes on where an
    interrupted run's stopped.

    Args:
        restart: throw away the progress of an earlier run.
        main_process: whether this is the process, of several that train together, that writes.

    Raises:
        UserError: another training is running in it.
    """
    with folder_lock(folder) if main_process else nullcontext():
        if restart and main_process:
            reset_folder(folder)
        report = kind(folder, quiet=not main_process, resume_step=steps_done(folder))
        try:
            yield report
        finally:
            report.close()


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Keep a second training out of the folder; the lock goes with the process, however that ends,
    and with its data workers, which notice its end after a few seconds."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        patience = time.monotonic() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > patience:
                    raise UserError(
                        f"{folder.parent}: another training is running in it; give another --out."
                    ) from None
                time.sleep(0.25)
        yield


def reset_folder(folder: Path) -> None:
    """Throw a run's progress away; the features, which cost time and depend on the data alone,
    stay."""
    for name in ("last.safetensors", "best.safetensors", LOG, PROBLEMS, "words.json"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "tensorboard", ignore_errors=True)


def steps_done(folder: Path) -> int:
    """The step that a run goes on from, 0 for a new one."""
    last = folder / "last.safetensors"
    return int(read_state(last)["progress"]["step"]) if last.exists() else 0


def card_notes(recipe: Path) -> str:
    """What the card says about licences and limits: the Markdown file of a recipe's name beside
    it."""
    notes = recipe.with_suffix(".md")
    return notes.read_text(encoding="utf-8") if recipe.is_file() and notes.is_file() else ""
