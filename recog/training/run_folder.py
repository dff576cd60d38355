"""The folder ``training`` of a run: locks it, resets it (``--restart``), opens its report."""

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

LOCK_PATIENCE = 8.0  # seconds; data workers outlive a killed training by a few
ReporterT = TypeVar("ReporterT", bound=Reporter)


@contextmanager
def open_run(
    folder: Path,
    kind: Callable[..., ReporterT],
    *,
    restart: bool = False,
    main_process: bool = True,
) -> Iterator[ReporterT]:
    """Context of a run: locks its folder and opens its report.

    Args:
        kind: class of the report.
        restart: throw away the progress of an earlier run.
        main_process: whether this process writes; of several that train together one does.

    Raises:
        UserError: another training is running in the folder.
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
    """Context that keeps a second training out of the folder.

    The lock ends with the process, however that ends, and with its data workers.

    Raises:
        UserError: another training is running in the folder.
    """
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
    """Delete a run's progress, but not its features, which depend on the data alone."""
    for name in ("last.safetensors", "best.safetensors", LOG, PROBLEMS, "words.json"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "tensorboard", ignore_errors=True)


def steps_done(folder: Path) -> int:
    """The step that a run resumes from; 0 for a new run."""
    last = folder / "last.safetensors"
    return int(read_state(last)["progress"]["step"]) if last.exists() else 0


def card_notes(recipe: Path) -> str:
    """Licences and limits for the card: the Markdown file beside a recipe with its name."""
    notes = recipe.with_suffix(".md")
    return notes.read_text(encoding="utf-8") if recipe.is_file() and notes.is_file() else ""
