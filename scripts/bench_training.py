#!/usr/bin/env python3
"""Training throughput of recog, kraken and PyLaia: the same lines, as nearly the same net, the same
batch size, one thread each.

    python scripts/bench_training.py LINES --kraken KRAKEN/bin/python --pylaia PYLAIA/bin/python

LINES is a folder of line images with their texts, or a manifest. KRAKEN and PYLAIA are environments
with those installed (`python -m venv KRAKEN; KRAKEN/bin/pip install kraken`; `pip install pylaia`
needs Python 3.10 or older, for the torch 1.13 that it pins). One that is not given is left out.

Every tool is run by its own command (`recog train`, `ketos train`, `pylaia-htr-train-ctc`) in a
process of its own, pinned to one CPU, with a clock hung into its training loop. Counted is what
happens from the beginning of an epoch to the end of its last batch, in CPU time of the process and
without the first epoch: start-up, what a tool caches, validation and writing of checkpoints are
outside. Data are loaded in the same process by all three. The tools take turns, --rounds times;
printed are medians, and the ratio recog's lines/s by the peer's in the same round, with the lowest
and the highest.

What is equal: the lines (scaled to --height once, for all, their width left as it is; no
augmentation), the convolutions (5x5/2 32, 3x3 32 pool 2x2, 3x3 64, 3x3 64 pool 2x1, 3x3 128 pool
2x1, ReLU), --layers bidirectional LSTM layers of --hidden, dropout 0.2 between them, --batch lines
a batch (with --own-batches each tool's own default, as who names none has it), the arithmetic:
--precision float32, or bf16 where it pays by automatic mixed precision (recog, kraken; PyLaia stays
at float32); with --precision own each tool's default (recog: bf16 where the processor has it;
kraken and PyLaia: float32). What is not: recog and PyLaia have batch norm, kraken has no such layer
and does without; kraken's lines are spared its dewarping (--linetype baselines); each has its own
optimiser (AdamW, AdamW, RMSprop), and recog keeps an average of its weights. recog puts lines of
like width into a batch, the peers do not: the padding is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONVOLUTIONS = [
    (32, 5, 2, None),
    (32, 3, 1, (2, 2)),
    (64, 3, 1, None),
    (64, 3, 1, (2, 1)),
    (128, 3, 1, (2, 1)),
]
DROPOUT = 0.2
RECOG_AMP = {"float32": "off", "bf16": "bf16", "own": "auto"}
KRAKEN_PRECISION = {"float32": "32-true", "bf16": "bf16-mixed"}
# defaults: recog's for under 1,000 lines, ketos train's, PyLaia's
OWN_BATCHES = {"recog": 8, "kraken": 1, "pylaia": 8}


# ---- In a tool's own process: nothing but the standard library before the tool itself


class Clock:
    """Times epochs. After the last it prints one line of JSON and ends the process."""

    def __init__(self, epochs: int) -> None:
        self.epochs, self.done = epochs, -1
        self.counts = {"lines": 0, "columns": 0, "padded": 0}
        self.cpu = self.wall = 0.0
        self.began = self.last = (0.0, 0.0)
        self.about: dict[str, Any] = {}

    def epoch(self) -> None:
        self._close()
        self.done += 1
        if self.done > self.epochs:
            print(
                "\nMEASURED "
                + json.dumps({"cpu": self.cpu, "wall": self.wall, **self.counts, **self.about}),
                flush=True,
            )
            os._exit(0)
        self.began = self.last = (time.process_time(), time.perf_counter())

    def batch(self, widths: list[int], lines: int) -> None:
        self.last = (time.process_time(), time.perf_counter())
        if self.done > 0:
            self.counts["lines"] += lines
            self.counts["columns"] += sum(widths)
            self.counts["padded"] += max(widths) * lines

    def _close(self) -> None:
        if self.done > 0:
            self.cpu += self.last[0] - self.began[0]
            self.wall += self.last[1] - self.began[1]


def in_process_loading() -> None:
    """Data of every tool are loaded by the process that trains, so that its clock sees them."""
    import torch.utils.data as data

    plain = data.DataLoader.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        plain(self, *args, **{**options, "num_workers": 0, "pin_memory": False})

    data.DataLoader.__init__ = init


def train_recog(job: dict[str, Any], clock: Clock) -> None:
    import torch

    from recog.training.progress import Reporter
    from recog.training.recogniser.run import train_recogniser
    from recog.training.recogniser.trainer import Trainer

    plain_epoch, plain_step = Reporter.epoch, Trainer.step

    def epoch(self: Any, *args: Any) -> None:
        clock.epoch()
        plain_epoch(self, *args)

    def step(self: Any, batches: Any, rate: float) -> Any:
        result = plain_step(self, batches, rate)
        clock.about = {
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "torch": torch.__version__,
        }
        for batch in batches:
            clock.batch(batch.lengths.tolist(), len(batch.items))
        return result

    Reporter.epoch, Trainer.step = epoch, step
    train_recogniser(Path(job["recipe"]), Path(job["folder"]) / "recog", None)


def hang_clock_into(trainer: Any, callback: Any, clock: Clock, torch: Any) -> None:
    """Give every trainer of (PyTorch) Lightning a callback that runs the clock."""

    class Hook(callback):  # type: ignore[misc]
        def on_train_epoch_start(self, trainer: Any, module: Any, *_: Any) -> None:
            clock.about = {
                "parameters": sum(p.numel() for p in module.parameters()),
                "torch": torch.__version__,
            }
            clock.epoch()

        def on_train_batch_end(
            self, trainer: Any, module: Any, outputs: Any, batch: Any, *_: Any
        ) -> None:
            if "seq_lens" in batch:  # kraken's
                widths = batch["seq_lens"].tolist()
            else:
                # PyLaia's PaddedTensor: the width of each comes last
                sizes = getattr(batch["img"], "sizes", None)
                widths = (
                    sizes[:, -1].tolist()
                    if sizes is not None
                    else [batch["img"].shape[3]] * len(batch["img"])
                )
            clock.batch(widths, len(widths))

    plain = trainer.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        plain(self, *args, **{**options, "callbacks": [*(options.get("callbacks") or []), Hook()]})

    trainer.__init__ = init


def train_kraken(job: dict[str, Any], clock: Clock) -> None:
    import lightning
    import torch
    from kraken.ketos import cli

    torch.set_num_threads(1)
    in_process_loading()
    hang_clock_into(lightning.Trainer, lightning.Callback, clock, torch)
    steps = []
    for channels, kernel, stride, pool in CONVOLUTIONS:
        steps.append(
            f"Cr{kernel},{kernel},{channels}" + (f",{stride},{stride}" if stride > 1 else "")
        )
        steps += [f"Mp{pool[0]},{pool[1]}"] if pool else []
    recurrent = [f"Lbx{job['hidden']} Do{DROPOUT}"] * job["layers"]
    spec = f"[1,{job['height']},0,1 {' '.join(steps)} S1(1x0)1,3 {' '.join(recurrent)}]"
    options = ["-d", "cpu", "--workers", "0", "--threads", "1"]
    if job["precision"] in KRAKEN_PRECISION:
        options += ["--precision", KRAKEN_PRECISION[job["precision"]]]
    options += ["train", "-f", "path", "--linetype", "baselines", "--pad", "0"]
    options += [
        "-B",
        str(job["batches"]["kraken"]),
        "-q",
        "fixed",
        "-N",
        str(clock.epochs + 2),
        "-s",
        spec,
    ]
    options += [
        "-o",
        str(Path(job["folder"]) / "kraken"),
        "-t",
        job["train_list"],
        "-e",
        job["dev_list"],
    ]
    cli(options)


def train_pylaia(job: dict[str, Any], clock: Clock) -> None:
    import pytorch_lightning
    import torch
    from laia.scripts.htr import create_model, train_ctc

    torch.set_num_threads(1)
    in_process_loading()
    hang_clock_into(pytorch_lightning.Trainer, pytorch_lightning.Callback, clock, torch)
    out = str(Path(job["folder"]) / "pylaia")

    def each(values: Any) -> str:
        return json.dumps(list(values)).replace(" ", "")

    def command(main: Any, *arguments: str) -> None:
        sys.argv = ["pylaia", *arguments]
        main()

    n = len(CONVOLUTIONS)
    command(
        create_model.main, job["symbols"], "--fixed_input_height", str(job["height"]),
        "--common.train_path", out,
        "--crnn.cnn_num_features", each(c for c, *_ in CONVOLUTIONS),
        "--crnn.cnn_kernel_size", each(k for _, k, *_ in CONVOLUTIONS),
        "--crnn.cnn_stride", each(s for _, _, s, _ in CONVOLUTIONS),
        "--crnn.cnn_dilation", each([1] * n), "--crnn.cnn_dropout", each([0.0] * n),
        "--crnn.cnn_activation", each(["ReLU"] * n), "--crnn.cnn_batchnorm", each([True] * n),
        "--crnn.cnn_poolsize", each(list(p) if p else 0 for *_, p in CONVOLUTIONS),
        "--crnn.rnn_layers", str(job["layers"]), "--crnn.rnn_units", str(job["hidden"]),
        "--crnn.rnn_dropout", str(DROPOUT), "--crnn.lin_dropout", str(DROPOUT),
    )  # fmt: skip
    command(
        train_ctc.main, job["symbols"], json.dumps([job["images"]]), job["train_table"],
        job["dev_table"],
        "--common.train_path", out, "--data.batch_size", str(job["batches"]["pylaia"]),
        "--trainer.max_epochs", str(clock.epochs + 2), "--trainer.num_sanity_val_steps", "0",
        "--train.early_stopping_patience", "100", "--train.delimiters", '["<space>"]',
    )  # fmt: skip


TOOLS = {"recog": train_recog, "kraken": train_kraken, "pylaia": train_pylaia}


def work(name: str, path: str) -> None:
    """Be one tool's process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    os.chdir(job["folder"])
    TOOLS[name](job, Clock(job["epochs"]))
    sys.exit("its training ended before the clock did")


# ---- The same lines for all


def prepare(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Lines scaled to one height, as files and lists that each tool reads."""
    import cv2

    from recog.corpora.data import load_data
    from recog.corpora.line_images import line_image
    from recog.corpora.validate import min_ctc_frames
    from recog.text.normalise import plain

    images = folder / "lines"
    images.mkdir()
    kept: list[tuple[str, str]] = []
    for row in load_data(arguments.lines):
        text = plain(row.text)
        if not text or len(kept) == arguments.count + arguments.batch:
            continue
        grey = line_image(row)
        width = max(4, round(grey.shape[1] * arguments.height / grey.shape[0]))
        if width // 4 < 2 + min_ctc_frames([ord(c) for c in text]):
            continue  # what a tool would leave out
        name = f"line{len(kept):05d}"
        cv2.imwrite(
            str(images / f"{name}.png"),
            cv2.resize(grey, (width, arguments.height), interpolation=cv2.INTER_AREA),
        )
        (images / f"{name}.gt.txt").write_text(text + "\n", encoding="utf-8")
        kept.append((name, text))
    if len(kept) <= arguments.batch:
        sys.exit(
            f"{arguments.lines}: has {len(kept)} lines that can be trained on; more than a batch "
            "is needed."
        )
    dev, train = kept[: arguments.batch], kept[arguments.batch :]
    job = {
        "folder": str(folder),
        "images": str(images),
        "lines": len(train),
        "symbols": str(folder / "symbols.txt"),
    }
    job |= {
        key: getattr(arguments, key)
        for key in ("height", "layers", "hidden", "epochs", "precision")
    }
    job["batches"] = (
        OWN_BATCHES if arguments.own_batches else dict.fromkeys(OWN_BATCHES, arguments.batch)
    )
    symbols = sorted({c for _, text in train for c in text} - {" "})
    table = ["<ctc> 0", "<space> 1", *(f"{c} {k}" for k, c in enumerate(symbols, 2))]
    Path(job["symbols"]).write_text("\n".join(table) + "\n", encoding="utf-8")
    for split, rows in (("train", train), ("dev", dev)):
        files = "".join(f"{images / name}.png\n" for name, _ in rows)
        tokens = "".join(
            f"{name} "
            f"{' '.join('<space>' if c == ' ' else c for c in text if c == ' ' or c in symbols)}\n"
            for name, text in rows
        )
        for kind, content in (("list", files), ("table", tokens)):
            job[f"{split}_{kind}"] = str(folder / f"{split}.{kind}")
            Path(job[f"{split}_{kind}"]).write_text(content, encoding="utf-8")
    manifest = [
        {"media": f"lines/{name}.png", "text": text, "split": split}
        for split, rows in (("train", train), ("dev", dev))
        for name, text in rows
    ]
    (folder / "lines.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in manifest), encoding="utf-8"
    )
    job["recipe"] = str(folder / "bench.yaml")
    Path(job["recipe"]).write_text(json.dumps(recipe(job)), encoding="utf-8")  # JSON is YAML
    return job


def recipe(job: dict[str, Any]) -> dict[str, Any]:
    convolutions = [
        {"channels": c, "kernel": [k, k], "stride": [s, s], "pool": list(p or (1, 1))}
        for c, k, s, p in CONVOLUTIONS
    ]
    encoder = {
        "height": job["height"],
        "convolutions": convolutions,
        "columns": "flatten",
        "shortcut": False,
    }
    encoder |= {"layers": job["layers"], "hidden": job["hidden"], "dropout": DROPOUT}
    training = {
        "epochs": job["epochs"] + 2,
        "batch_items": job["batches"]["recog"],
        "batch_columns": 10**9,
        "augment": False,
    }
    training |= {
        "short_first": False,
        "threads": 1,
        "workers": 0,
        "device": "cpu",
        "amp": RECOG_AMP[job["precision"]],
    }
    source = {"path": str(Path(job["folder"]) / "lines.jsonl"), "name": "lines"}
    return {
        "name": "bench", "modality": "handwriting", "data": [source],
        "strip": {"height": job["height"], "even": False},
        "encoder": encoder, "training": training,
    }  # fmt: skip


# ---- The comparison


def measure(name: str, python: str, job: dict[str, Any]) -> dict[str, Any]:
    """One turn of one tool."""
    import shutil

    folder = Path(job["folder"])
    shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    if name != "recog":
        environment.pop("PYTHONPATH", None)
    command = [
        python,
        str(Path(__file__).resolve()),
        "--worker",
        name,
        "--job",
        str(folder / "job.json"),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("MEASURED "):
            result: dict[str, Any] = json.loads(line[9:])
            return result | {"speed": result["lines"] / result["cpu"]}
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return {"failed": " ".join(lines[-2:]) if lines else f"exit code {done.returncode}"}


def report(results: dict[str, list[dict[str, Any]]], job: dict[str, Any]) -> None:
    batches = ", ".join(f"{name} {size}" for name, size in job["batches"].items())
    print(
        f"\n{job['lines']} lines an epoch, one thread; lines a batch: {batches}; {job['epochs']} "
        "epochs a turn; "
        f"precision: {job['precision']}.\n"
    )
    print(
        "| | parameters | padding % | lines per CPU-second | thousand columns per CPU-second | "
        "recog is faster by |"
    )
    print("|---|---|---|---|---|---|")
    ours = results.get("recog", [])
    for name, turns in results.items():
        if not turns:
            continue
        good = [t for t in turns if "cpu" in t]
        if not good:
            print(f"| {name} | - | - | {turns[0]['failed'][:200]} | - | - |")
            continue
        last, speed = good[-1], statistics.median(t["speed"] for t in good)
        columns = statistics.median(t["columns"] / t["cpu"] / 1000 for t in good)
        padding = 100 * (1 - last["columns"] / last["padded"])
        ratios = [
            a["speed"] / b["speed"]
            for a, b in zip(ours, turns, strict=False)
            if "cpu" in a and "cpu" in b
        ]
        ratio = (
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            if ratios
            else "-"
        )
        shown = f"{name}, torch {last['torch']}"
        print(
            f"| {shown} | {last['parameters']:,} | {padding:.1f} | {speed:.2f} | {columns:.2f} | "
            f"{ratio} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "lines", type=Path, nargs="?", help="a folder of line images with texts, or a manifest"
    )
    parser.add_argument("--kraken", help="the Python interpreter of an environment with kraken")
    parser.add_argument("--pylaia", help="the Python interpreter of an environment with PyLaia")
    parser.add_argument("--count", type=int, default=200, help="lines of an epoch")
    parser.add_argument("--height", type=int, default=48)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument(
        "--own-batches",
        action="store_true",
        help="each tool's own default size in place of --batch",
    )
    parser.add_argument(
        "--precision",
        choices=["float32", "bf16", "own"],
        default="float32",
        help="of the arithmetic",
    )
    parser.add_argument(
        "--epochs", type=int, default=1, help="epochs measured in a turn, after one that is not"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all results there, too")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker, arguments.job)
    if arguments.lines is None:
        parser.error("give LINES, a folder of line images with their texts")
    tools = {"recog": sys.executable, "kraken": arguments.kraken, "pylaia": arguments.pylaia}
    with tempfile.TemporaryDirectory() as folder:
        job = prepare(arguments, Path(folder))
        results: dict[str, list[dict[str, Any]]] = {
            name: [] for name, python in tools.items() if python
        }
        try:
            for turn in range(arguments.rounds):
                for name in results:
                    results[name].append(measure(name, tools[name], job))
                    found = results[name][-1]
                    said = f"{found['speed']:.2f} lines/s" if "speed" in found else found["failed"]
                    print(f"round {turn + 1}, {name}: {said}", file=sys.stderr)
        except KeyboardInterrupt:
            print("Interrupted; this is what was measured.", file=sys.stderr)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    report(results, job)


if __name__ == "__main__":
    main()
