#!/usr/bin/env python3
"""Which recurrent cell to use: one task, equal parameters, equal time; dev error and speed apart.

    RECOG_CORPORA=/where/the/corpora/are python scripts/compare_cells.py --out runs/cells

Every network is trained from scratch by the recipe (AN4 unless --recipe names another) on one
thread for --minutes of the process's CPU time, evaluation not counted, with the learning rate
falling to its end over that time. The hidden size of each is the one with which the whole network
has as many parameters as the standard cell's with --hidden. The best two are trained with --seeds
seeds. Errors are those of the averaged weights at the end, best path, in float32; rates in brackets
are 95 % bootstrap intervals of the first seed.

Speeds are measured when all are trained: each network takes its turn in every one of --rounds
rounds, and its best counts; seconds of sound per second of CPU time, in training (forward and
backward, the same batches for all) and in use (as shipped).

What is finished stands in results.json of --out, and a run in its checkpoint: after an interruption
the same command goes on. --only NAME... trains some of the networks, so that the table can be made
in pieces; table.md has what there is so far.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recog.errors import UserError
from recog.model.config import ConvLayer, EncoderConfig
from recog.model.recogniser_folder import RecogniserFolder, open_recogniser_folder
from recog.model.runtime import open_runtime
from recog.nn.encoder import Encoder
from recog.nn.torch_runtime import TorchRuntime
from recog.nn.weights import network_from
from recog.training.checkpoint import first_difference
from recog.training.loop import Interrupted
from recog.training.progress import Reporter
from recog.training.recogniser.batches import Batch, Epoch, plan_epoch, stored_features
from recog.training.recogniser.ctc_loss import ctc
from recog.training.recogniser.data import Dataset, prepare
from recog.training.recogniser.export import export_recogniser_folder
from recog.training.recogniser.feature_store import corpus_statistics
from recog.training.recogniser.recipe import Recipe, read_recipe
from recog.training.recogniser.scoring import score_model_folder
from recog.training.recogniser.trainer import Trainer, seeded_network
from recog.training.run_folder import steps_done
from recog.util.atomic_files import write_text

RECIPE = Path(__file__).parents[1] / "pipelines" / "speech" / "an4.yaml"
RATE = 1.5e-3  # the peak: the recipe's own is for training on from a model
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("LSTM", {}),
    "peephole": ("LSTM with peepholes", {"cell": "peephole"}),
    "gru": ("GRU", {"cell": "gru"}),
    "layer-norm": ("layer-normalised LSTM", {"cell": "layer-norm"}),
    "multiplicative": ("multiplicative LSTM", {"cell": "multiplicative"}),
    "convolutional": ("convolutional LSTM in the front end, LSTM", {"convolutional": 8}),
    "attention": ("LSTM, self-attention of 4 heads over it", {"attention": 4}),
    "recurrent-dropout": ("LSTM, recurrent dropout 0.2", {"recurrent_dropout": 0.2}),
    "one-way": ("LSTM, one direction", {"bidirectional": False}),
    "rnn": ("tanh RNN", {"cell": "rnn"}),
}


@dataclass
class Task:
    """What all networks share."""

    recipe: Recipe
    data: Dataset
    out: Path
    minutes: float

    def encoder(self, name: str, hidden: int) -> EncoderConfig:
        """The shape of a network."""
        changes = dict(NETWORKS[name][1])
        channels = changes.pop("convolutional", 0)
        if channels:  # before the last layer, which joins the rows
            layers = self.recipe.encoder.convolutions
            column = ConvLayer(channels=channels, kernel=(3, 1), recurrent=True)
            changes["convolutions"] = (*layers[:-1], column, layers[-1])
        return EncoderConfig.model_validate(
            self.recipe.encoder.model_dump() | changes | {"hidden": hidden}
        )

    def parameters(self, name: str, hidden: int) -> int:
        """Parameters of the whole network."""
        with torch.device("meta"):
            network = Encoder(self.encoder(name, hidden), len(self.data.alphabet))
        return sum(p.numel() for p in network.parameters())

    def hidden(self, name: str, parameters: int) -> int:
        """The hidden size with which a network has most nearly this many parameters."""
        low, high = 1, 1024  # times two: attention shares the states out to its heads
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (
                (middle, high) if self.parameters(name, 2 * middle) <= parameters else (low, middle)
            )
        return min((2 * low, 2 * high), key=lambda h: abs(self.parameters(name, h) - parameters))

    def folder(self, key: str) -> Path:
        """Where a run is kept."""
        return self.out / key


class TimeUpError(Exception):
    """The minutes of a run are spent."""


class TimedTrainer(Trainer):
    """A run that ends after so many seconds of CPU time, and whose learning rate falls over
    them."""

    limit = 0.0
    spent = 0.0
    mark = 0.0

    def epoch(self) -> None:
        self.mark = time.process_time()
        super().epoch()

    def completed(self) -> float:
        now = time.process_time()
        self.spent, self.mark = self.spent + now - self.mark, now
        return min(1.0, self.spent / self.limit)

    def stop_if_interrupted(self) -> None:
        super().stop_if_interrupted()
        if self.spent >= self.limit:
            raise TimeUpError

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        tensors, progress = super().state()
        return tensors, progress | {"spent": self.spent}

    def load_state(self, tensors: dict[str, torch.Tensor], progress: dict[str, Any]) -> None:
        self.spent = progress.pop("spent")
        super().load_state(tensors, progress)


def train(task: Task, name: str, hidden: int, seed: int, key: str) -> dict[str, Any]:
    """Train one network; gives its row of the results."""
    training = task.recipe.training.model_copy(update={"seed": seed})
    update = {"name": name, "encoder": task.encoder(name, hidden), "training": training}
    recipe = task.recipe.model_copy(update=update)
    out, alphabet = task.folder(key), task.data.alphabet
    report = Reporter(out / "training", resume_step=steps_done(out / "training"))
    try:
        trainer = TimedTrainer(
            recipe, task.data, seeded_network(recipe, len(alphabet)), out, report
        )
        trainer.limit = 60.0 * task.minutes
        trainer.resume()
        parameters = sum(p.numel() for p in trainer.network.parameters())
        report.say(
            f"{key}: {NETWORKS[name][0]}, {hidden} units, {parameters / 1e6:.2f} M parameters"
        )
        if trainer.spent < trainer.limit:
            with suppress(TimeUpError):
                trainer.run()
        report.stop()
        model_folder = export_recogniser_folder(
            recipe, task.data, trainer.average, out, trained={"minutes": task.minutes}
        )
        score = score_model_folder(model_folder, task.data, 1, TorchRuntime(model_folder))
    finally:
        report.close()
    row = {
        "network": name,
        "seed": seed,
        "hidden": hidden,
        "parameters": parameters,
        "updates": trainer.progress.step,
    }
    row |= {
        k: score[k] for k in ("rows", "cer", "wer", "cer_interval", "wer_interval", "resampled")
    }
    losses = logged_losses(out / "training" / "log.jsonl")
    row |= {"first_loss": losses[0], "last_loss": losses[-1]}
    report.say(
        f"{key}: dev CER {100 * row['cer']:.1f} %, WER {100 * row['wer']:.1f} % after "
        f"{row['updates']} updates; "
        f"loss {losses[0]:.2f} to {losses[-1]:.2f}"
    )
    return row


def logged_losses(log: Path) -> list[float]:
    """Mean loss of every ten updates."""
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [entry["loss"] for entry in entries if "learning_rate" in entry] or [float("nan")]


# ---- speeds
# --------------------------------------------------------------------------------------------------


def speeds(task: Task, keys: dict[str, str], rounds: int) -> dict[str, dict[str, float]]:
    """Seconds of sound per second of CPU time of each network, in training and in use; ``keys``
    names a run of each."""
    data, spectrogram = task.data, task.recipe.spectrogram
    plan = plan_epoch(data.train, 1, task.recipe)
    epoch = Epoch(plan[:: max(1, len(plan) // 4)][:4], data.store, task.recipe, 1)
    batches = [epoch[i] for i in range(len(epoch))]
    examples = sorted(data.dev, key=lambda example: example.columns)[:: max(1, len(data.dev) // 20)]
    features = [stored_features(example, data.store, spectrogram) for example in examples]
    columns = {
        "training": sum(int(b.lengths.sum()) for b in batches),
        "use": sum(len(x) for x in features),
    }
    bundles = {name: open_recogniser_folder(task.folder(key)) for name, key in keys.items()}
    best = {name: {"training": 0.0, "use": 0.0} for name in keys}
    for _ in range(rounds):
        for name, model_folder in bundles.items():
            spent = {
                "training": seconds_to_train(model_folder, batches),
                "use": seconds_to_use(model_folder, features),
            }
            for kind, seconds in spent.items():
                sound = columns[kind] * spectrogram.hop / spectrogram.sample_rate
                best[name][kind] = max(best[name][kind], round(sound / seconds, 2))
    return best


def seconds_to_train(model_folder: RecogniserFolder, batches: list[Batch]) -> float:
    """CPU time of forward and backward over these batches."""
    network = network_from(model_folder).train()
    for i, batch in enumerate([batches[0], *batches]):  # the first once more before it counts
        if i == 1:
            began = time.process_time()
        log_probs, frames, below = network(batch.features, batch.lengths)
        losses = [
            ctc(scores, frames, batch.targets, batch.target_lengths).sum()
            for scores in (log_probs, *below)
            if scores is not None
        ]
        torch.stack(losses).sum().backward()
    return time.process_time() - began


def seconds_to_use(model_folder: RecogniserFolder, features: list[NDArray[np.float32]]) -> float:
    """CPU time of the model as shipped over these items."""
    runtime = open_runtime(model_folder)
    runtime.log_probs(features[0])
    began = time.process_time()
    for one in features:
        runtime.log_probs(one)
    return time.process_time() - began


# ---- results
# --------------------------------------------------------------------------------------------------


def table(results: dict[str, Any]) -> str:
    """The results so far, in Markdown, the best first."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for row in results["runs"].values():
        runs.setdefault(row["network"], []).append(row)
    settings = results["settings"]
    lines = [
        f"{settings['recipe']} from scratch, {settings['minutes']:g} minutes of one thread's CPU "
        "time each.",
        "",
        "| network | units | parameters | updates | dev CER % | dev WER % | training, x real time "
        "| use, x real time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in sorted(runs.items(), key=lambda run: mean(run[1], "cer")):
        first, speed = rows[0], results.get("speeds", {}).get(name, {})
        errors = [
            f"{100 * mean(rows, kind):.1f} ({of_seeds(rows, kind)})" for kind in ("cer", "wer")
        ]
        fast = [f"{speed[kind]:.1f}" if kind in speed else "-" for kind in ("training", "use")]
        cells = [
            NETWORKS[name][0],
            str(first["hidden"]),
            f"{first['parameters'] / 1e6:.2f} M",
            str(first["updates"]),
        ]
        lines.append(f"| {' | '.join([*cells, *errors, *fast])} |")
    return "\n".join(lines) + "\n"


def mean(rows: list[dict[str, Any]], kind: str) -> float:
    return float(sum(row[kind] for row in rows) / len(rows))


def of_seeds(rows: list[dict[str, Any]], kind: str) -> str:
    """The single seeds' rates, or the interval of the only one."""
    if len(rows) == 1:
        return " to ".join(f"{100 * value:.1f}" for value in rows[0][f"{kind}_interval"])
    return "; ".join(
        f"{100 * row[kind]:.1f}" for row in sorted(rows, key=lambda row: int(row["seed"]))
    )


class Results:
    """``results.json`` and ``table.md`` of a comparison."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.path = folder / "results.json"
        self.content: dict[str, Any] = {"settings": settings, "runs": {}}
        if self.path.exists():
            self.content = json.loads(self.path.read_text(encoding="utf-8"))
            difference = first_difference(self.content["settings"], settings)
            if difference:
                raise UserError(
                    f"{folder}: holds a comparison with other settings ({difference}); give "
                    "another --out."
                )

    def save(self) -> None:
        write_text(self.path, json.dumps(self.content, indent=1) + "\n")
        write_text(self.path.with_name("table.md"), table(self.content))

    def best(self, count: int) -> list[str]:
        """The networks with the lowest CER of the first seed."""
        first = [row for row in self.content["runs"].values() if row["seed"] == 1]
        return [row["network"] for row in sorted(first, key=lambda row: float(row["cer"]))[:count]]


def set_up(recipe_file: Path, out: Path, hidden: int, minutes: float) -> Task:
    """The recipe with what all networks share, and its data."""
    recipe = read_recipe(recipe_file)
    if recipe.modality != "speech":
        raise UserError(f"{recipe_file}: the comparison is of networks for speech.")
    changes = {"epochs": 100_000, "threads": 1, "device": "cpu", "learning_rate": RATE}
    update = {
        "encoder": recipe.encoder.model_copy(update={"hidden": hidden}),
        "training": recipe.training.model_copy(update=changes),
    }
    recipe = recipe.model_copy(update=update)
    data = prepare(recipe, out / "features")
    average, deviation = corpus_statistics(data.store, [example.index for example in data.train])
    spectrogram = recipe.spectrogram.model_copy(update={"mean": average, "deviation": deviation})
    return Task(recipe.model_copy(update={"spectrogram": spectrogram}), data, out, minutes)


def run(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    settings = {
        "recipe": arguments.recipe.name,
        "minutes": arguments.minutes,
        "hidden": arguments.hidden,
    }
    results = Results(arguments.out, settings)
    task = set_up(arguments.recipe, arguments.out, arguments.hidden, arguments.minutes)
    parameters = task.parameters("lstm", arguments.hidden)

    def train_where_missing(name: str, seed: int) -> None:
        key = f"{name}-{seed}"
        if key not in results.content["runs"]:
            results.content["runs"][key] = train(
                task, name, task.hidden(name, parameters), seed, key
            )
            results.save()

    for name in arguments.only or NETWORKS:
        train_where_missing(name, 1)
    if {f"{name}-1" for name in NETWORKS} <= results.content["runs"].keys():
        for seed in range(2, arguments.seeds + 1):
            for name in results.best(2):
                train_where_missing(name, seed)
    first = {
        row["network"]: key for key, row in results.content["runs"].items() if row["seed"] == 1
    }
    results.content["speeds"] = speeds(task, first, arguments.rounds)
    results.save()
    print(table(results.content))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of runs, results.json and table.md"
    )
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--minutes", type=float, default=20.0, help="CPU time of each training")
    parser.add_argument(
        "--hidden", type=int, default=128, help="units of the standard cell in each direction"
    )
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the best two")
    parser.add_argument("--rounds", type=int, default=5, help="of the speed measurement")
    parser.add_argument(
        "--only", nargs="+", choices=NETWORKS, metavar="NAME", help=f"of {', '.join(NETWORKS)}"
    )
    try:
        run(parser.parse_args())
    except UserError as error:
        sys.exit(str(error))
    except (Interrupted, KeyboardInterrupt):
        sys.exit("Interrupted; the same command goes on.")


if __name__ == "__main__":
    main()
