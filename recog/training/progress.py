"""The report of a training: progress bar, a line per epoch, ``log.jsonl`` and TensorBoard."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from recog.training.recogniser.scoring import DevResult
from recog.util.atomic_files import write_text

LOG = "log.jsonl"
PROBLEMS, MAX_PROBLEMS = "problems.txt", 20
LOG_EVERY = 10  # steps per entry of the log
HEADS = ("main", "shortcut", "sounds", "intermediate")  # of CTC losses


class Reporter:
    """The report of one run.

    Args:
        folder: of the run.
        quiet: report nothing, as all processes of a distributed run but the first do.
        resume_step: the step that the run resumes from.
    """

    def __init__(self, folder: Path, *, quiet: bool = False, resume_step: int = 0) -> None:
        self.quiet = quiet
        self.console = Console(stderr=True, highlight=False)
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.clock = time.monotonic()
        self.lines = 0
        self._clear()
        self.tensorboard: Any = None
        if quiet:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / LOG
        self._drop_entries_after(resume_step)
        self.log = self.path.open("a", encoding="utf-8")
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.tensorboard = SummaryWriter(str(folder / "tensorboard"), purge_step=resume_step)
        except ImportError:
            self.say("TensorBoard is not installed: the log is only in log.jsonl.")

    def _drop_entries_after(self, step: int) -> None:
        """Drop entries of steps that a kill undid."""
        if not self.path.exists():
            return
        lines = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    lines.append(line + "\n")
            except (ValueError, KeyError, TypeError):
                continue  # a line cut by the kill
        write_text(self.path, "".join(lines))

    def say(self, text: str) -> None:
        """Print a line on standard error."""
        if not self.quiet:
            self.console.print(text, markup=False, emoji=False, soft_wrap=True)

    def write(self, entry: dict[str, Any]) -> None:
        """Append an entry to the log."""
        if not self.quiet:
            self.log.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self.log.flush()

    def report_problems(self, problems: Sequence[str]) -> None:
        """Report the rows that are left out; ``problems.txt`` has all of them."""
        if self.quiet:
            return
        for problem in problems[:MAX_PROBLEMS]:
            self.say(f"left out: {problem}")
        if len(problems) > MAX_PROBLEMS:
            self.say(f"... and {len(problems) - MAX_PROBLEMS} more rows, all in {PROBLEMS}")
        self.path.with_name(PROBLEMS).write_text(
            "".join(p + "\n" for p in problems), encoding="utf-8"
        )

    def start_bar(self, what: str, total: int) -> None:
        """Start a progress bar that :meth:`advance` moves."""
        if self.quiet:
            return
        self.stop()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[info]}"),
        )
        self.bar = Progress(*columns, console=self.console, transient=True)
        self.task = self.bar.add_task(what, total=total, info="")
        self.bar.start()

    def advance(self, info: str = "", by: int = 1) -> None:
        """Move the progress bar."""
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, advance=by, info=info)

    def stop(self) -> None:
        """Remove the progress bar."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def epoch(self, epoch: int, epochs: int, done: int, batches: int) -> None:
        """Start an epoch, of whose batches some are done."""
        self.start_bar(f"epoch {epoch + 1}/{epochs}", batches)
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=done)
        self.clock, self.lines = time.monotonic(), 0
        self._clear()

    def _clear(self) -> None:
        self.sums = [0.0] * (len(HEADS) + 1)
        self.max_norm = 0.0  # of the gradients
        self.count = 0  # updates in the sums

    def step(
        self,
        step: int,
        epoch: int,
        losses: Sequence[float],
        rate: float,
        norm: float,
        lines: int,
        batches: int = 1,
    ) -> None:
        """Report an update; every tenth writes an entry of the log, with means since the last.

        Args:
            losses: per label, of the :data:`HEADS`.
            rate: learning rate.
            norm: of the gradient.
            lines: rows of the update.
            batches: of the update.
        """
        if self.quiet:
            return
        self.lines += lines
        self.count += 1
        for i, value in enumerate((*losses, norm)):
            self.sums[i] += value
        self.max_norm = max(self.max_norm, norm)
        speed = self.lines / max(1e-9, time.monotonic() - self.clock)
        self.advance(f"loss {losses[0]:.3f}  {speed:.0f} rows/s", batches)
        if step % LOG_EVERY == 0:
            mean = [value / self.count for value in self.sums]
            max_norm = self.max_norm
            self._clear()
            entry = {
                "step": step,
                "epoch": epoch + 1,
                "loss": mean[0],
                "shortcut_loss": mean[1],
                "learning_rate": rate,
            }
            entry |= {
                f"{head}_loss": loss
                for head, loss in zip(HEADS[2:], mean[2:-1], strict=True)
                if loss
            }
            entry |= {
                "gradient_norm": mean[-1],
                "gradient_norm_max": max_norm,
                "rows_per_second": round(speed, 2),
            }
            self.write(entry)
            if self.tensorboard is not None:
                for key in entry.keys() - {"step", "epoch"}:
                    self.tensorboard.add_scalar(f"train/{key}", entry[key], step)

    def report_skipped(self, batches: int = 1) -> None:
        """Report an update that was skipped, as its loss or gradient was not finite."""
        self.advance("no finite gradient, left out", batches)

    def report_dev(self, entry: dict[str, Any], result: DevResult, better: bool) -> None:
        """Report an epoch's result on dev."""
        self.stop()
        if self.quiet:
            return
        self.write(entry | {"samples": result.samples})
        by = (
            "  ".join(f"{k} {100 * v:.1f}" for k, v in result.sources.items())
            if len(result.sources) > 1
            else ""
        )
        self.say(
            f"epoch {entry['epoch']}  loss {entry['loss']:.3f}  dev CER {100 * result.cer:.2f} %"
            f"  WER {100 * result.wer:.2f} %  blank {100 * result.blank:.0f} "
            f"%{'  (best so far)' if better else ''}" + (f"\n  CER by source: {by}" if by else "")
        )
        for reference, hypothesis in result.samples:
            self.say(f"  reference  {reference}\n  hypothesis {hypothesis}")
        if self.tensorboard is not None:
            for key in ("cer", "wer", "blank"):
                self.tensorboard.add_scalar(f"dev/{key}", entry[key], entry["step"])
            self.tensorboard.flush()

    def explain(self, step: int, sentences: list[str]) -> None:
        """Report a diagnosis of the run."""
        if self.quiet or not sentences:
            return
        self.write({"step": step, "explanation": sentences})
        for sentence in sentences:
            self.say(sentence)

    def close(self) -> None:
        """Close the log."""
        self.stop()
        if not self.quiet:
            self.log.close()
            if self.tensorboard is not None:
                self.tensorboard.close()
