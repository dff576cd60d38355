"""Best path on the dev set, after each epoch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from recog.decoding.greedy import best_path
from recog.evaluation.counts import Pair
from recog.evaluation.score import evaluate as score_pairs
from recog.model.recogniser_folder import RecogniserFolder
from recog.model.runtime import Runtime, open_runtime
from recog.nn.encoder import Encoder
from recog.training.recogniser.batches import Epoch, Item, cut, stored_features
from recog.training.recogniser.data import Dataset, Example
from recog.training.recogniser.recipe import Recipe
from recog.util.edit_distance import edit_distance
from recog.util.parallel import parallel

CONFUSIONS = 12  # on the card


@dataclass
class DevResult:
    """Error rates of best path on dev, as fractions.

    Attributes:
        blank: share of the frames whose best symbol is the blank.
        sources: CER of each source.
        samples: (reference, hypothesis) of some rows.
        phone_error_rate: with spaces; None without phones.
    """

    cer: float
    wer: float
    blank: float
    rows: int
    sources: dict[str, float] = field(default_factory=dict)
    samples: list[tuple[str, str]] = field(default_factory=list)
    phone_error_rate: float | None = None

    @property
    def selection_error(self) -> float:
        """The error rate by which epochs are compared: of phones, or without them of characters."""
        return self.cer if self.phone_error_rate is None else self.phone_error_rate

    def summary(self) -> dict[str, Any]:
        """The result for the history of a run."""
        summary: dict[str, Any] = {
            "cer": self.cer,
            "wer": self.wer,
            "blank": self.blank,
            "rows": self.rows,
        }
        if len(self.sources) > 1:
            summary["sources"] = self.sources
        if self.phone_error_rate is not None:
            summary["sounds"] = self.phone_error_rate
        return summary


@torch.no_grad()
def evaluate(
    network: Encoder,
    data: Dataset,
    recipe: Recipe,
    device: torch.device,
    rank: int = 0,
    world: int = 1,
) -> DevResult:
    """Evaluate best path on dev in float32; processes share the work."""
    network.eval()
    items = sorted((Item(e) for e in data.dev), key=lambda item: item.columns)
    plan = cut(items, 2 * recipe.training.batch_columns, 2 * recipe.training.batch_items)
    rows: list[DevRow] = []
    symbols = len(data.alphabet)
    batches = Epoch(plan, data.store, recipe, 0, train=False)
    for i in range(rank, len(batches), world):
        batch = batches[i]
        log_probs, frames, _ = network(batch.features.to(device), batch.lengths.to(device))
        for item, matrix, n in zip(
            batch.items, log_probs.cpu().numpy(), frames.tolist(), strict=True
        ):
            letters, phones = matrix[:n, :symbols], item.example.phones
            hypothesis = " ".join(data.alphabet.decode(best_path(letters)).split())
            blanks = int((letters.argmax(-1) == 0).sum())
            phone_errors = edit_distance(phones, best_path(matrix[:n, symbols:])) if phones else 0
            rows.append(
                DevRow(
                    item.example.source,
                    item.example.text,
                    hypothesis,
                    blanks,
                    n,
                    phone_errors,
                    len(phones),
                )
            )
    if world > 1:
        gathered: list[Any] = [None] * world
        dist.all_gather_object(gathered, rows)
        rows = [row for part in gathered for row in part]
    return score(rows)


class DevRow(NamedTuple):
    """A dev row with its hypothesis, and the errors among its phones."""

    source: str
    reference: str
    hypothesis: str
    blanks: int
    frames: int
    phone_errors: int = 0
    phones: int = 0


def score(rows: list[DevRow]) -> DevResult:
    """Pool rows into error rates."""
    chars = words = char_errors = word_errors = 0
    sources: dict[str, list[int]] = {}
    for source, reference, hypothesis, *_ in rows:
        wrong = edit_distance(reference, hypothesis)
        char_errors += wrong
        chars += len(reference)
        word_errors += edit_distance(reference.split(), hypothesis.split())
        words += len(reference.split())
        entry = sources.setdefault(source, [0, 0])
        entry[0] += wrong
        entry[1] += len(reference)
    shown = random.Random(len(rows)).sample(sorted(rows), min(3, len(rows)))
    return DevResult(
        cer=char_errors / max(1, chars),
        wer=word_errors / max(1, words),
        blank=sum(r.blanks for r in rows) / max(1, sum(r.frames for r in rows)),
        rows=len(rows),
        sources={k: a / max(1, b) for k, (a, b) in sorted(sources.items())},
        samples=[(r.reference, r.hypothesis) for r in shown],
        phone_error_rate=sum(r.phone_errors for r in rows) / spoken
        if (spoken := sum(r.phones for r in rows))
        else None,
    )


def score_model_folder(
    model_folder: RecogniserFolder, data: Dataset, threads: int, runtime: Runtime | None = None
) -> dict[str, Any]:
    """Dev results of a model folder by best path, with 95 % bootstrap intervals.

    Args:
        runtime: computes the log-probabilities; by default the model's.
    """
    runtime = runtime or open_runtime(model_folder)
    config = model_folder.config

    def score_row(numbered: tuple[int, Example]) -> tuple[str, Pair]:
        i, example = numbered
        features = stored_features(example, data.store, config.spectrogram)
        labels = best_path(runtime.log_probs(features)[:, : len(config.symbols)])
        text = " ".join(data.alphabet.decode(labels).split())
        return example.source, Pair(f"{i} {example.name}", example.text, text, example.group)

    rows = list(parallel(score_row, enumerate(data.dev), threads))
    pairs = [pair for _, pair in rows]
    summary = _summary(pairs)
    by_source = {
        s: [pair for source, pair in rows if source == s]
        for s in sorted({source for source, _ in rows})
    }
    if len(by_source) > 1:
        summary["sources"] = {
            source: _summary(source_pairs) for source, source_pairs in by_source.items()
        }
    else:
        by_source = {}
    summary["errors"] = errors(pairs, by_source | by_length(pairs))
    return summary


def by_length(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """Divide pairs into three parts of similar size by the length of the reference.

    Pairs of the same length stay together.
    """
    lengths = sorted(len(pair.reference) for pair in pairs)
    bounds = sorted(
        {lengths[len(lengths) * k // 3 - 1] for k in (1, 2, 3) if len(lengths) * k // 3 > 0}
    )
    parts: dict[str, list[Pair]] = {}
    low = 0
    for bound in bounds:
        parts[f"{low} to {bound} characters"] = [
            p for p in pairs if low <= len(p.reference) <= bound
        ]
        low = bound + 1
    return parts


def errors(pairs: Sequence[Pair], parts: dict[str, list[Pair]]) -> dict[str, Any]:
    """Character errors by kind, of all pairs and of each part, and the most common confusions.

    They are shares of the reference's characters.
    """
    kinds = {}
    for name, part_pairs in {"all": list(pairs), **parts}.items():
        counts = score_pairs(part_pairs, confusions=0, resamples=1).cer
        length = max(1, counts.reference)
        kinds[name] = {
            "rows": len(part_pairs),
            "cer": round(counts.errors / length, 5),
            "substituted": round(counts.substitutions / length, 5),
            "left_out": round(counts.deletions / length, 5),
            "put_in": round(counts.insertions / length, 5),
        }
    common = score_pairs(pairs, confusions=CONFUSIONS, resamples=1).character_confusions
    return {"kinds": kinds, "confusions": [[c.reference, c.hypothesis, c.count] for c in common]}


def _summary(pairs: list[Pair]) -> dict[str, Any]:
    result = score_pairs(pairs)
    return {
        "rows": result.n,
        "cer": round(result.cer.rate or 0.0, 5),
        "wer": round(result.wer.rate or 0.0, 5),
        "cer_interval": [round(v, 5) for v in result.cer_interval or ()],
        "wer_interval": [round(v, 5) for v in result.wer_interval or ()],
        "resampled": result.resampling.unit,
    }
