"""Training of page models: pages with known lines -> a network that finds lines.

A recipe of modality ``page`` names PAGE or ALTO pages. An epoch is a fixed number of updates on crops that are drawn anew,
each a function of (seed, update, number in the batch); after it the lines of the dev pages are found and scored.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from recog.corpora import importer
from recog.errors import UserError
from recog.evaluation.baselines import BaselineScore, mean_score, score_page
from recog.media.image import read_image
from recog.model.config import Strict
from recog.model.folder import GRAPH, WEIGHTS
from recog.model.page import MAPS, PageModelConfig, PageNetworkConfig, write_page_bundle
from recog.model.runtime import cores
from recog.nn.page import PageNetwork, build_page_onnx, page_arrays
from recog.nn.weights import half_precision, weights_bytes
from recog.segment.baselines import find_baselines
from recog.segment.page import MULTIPLE, STRIDE, PageSegmenter, page_ink
from recog.training.checkpoint import read_checkpoint, write_checkpoint
from recog.training.folder import forget, locked, notes_beside, steps_done
from recog.training.loop import Interrupted, Loop, learning_rate
from recog.training.recipe import Source, read_yaml, resolve, validated
from recog.training.report import EVERY, Reporter

BASELINE_WIDTH, END_RADIUS = 3, 4  # pixels of the output
MAP_WEIGHTS = (4.0, 2.0, 1.0)  # of the cross-entropy of each map
Shape = tuple[NDArray[np.float32], NDArray[np.float32]]  # baseline and polygon, in pixels of the scaled page


class PageOptimisation(Strict):
    """How a page network is trained. ``updates`` make an epoch, each on ``batch`` crops of ``crop`` pixels."""

    epochs: int = Field(12, ge=1)
    updates: int = Field(100, ge=1)
    batch: int = Field(6, ge=1)
    crop: int = Field(416, ge=64, le=2048, multiple_of=MULTIPLE)
    learning_rate: float = Field(2e-3, gt=0.0, lt=1.0)
    warmup: float = Field(0.04, ge=0.0, lt=1.0)
    schedule: Literal["cosine", "one-cycle", "constant"] = "one-cycle"
    weight_decay: float = Field(0.01, ge=0.0)
    clip: float = Field(1.0, gt=0.0)
    average: float = Field(0.995, ge=0.0, lt=1.0)
    amp: Literal["auto", "bf16", "off"] = "auto"
    seed: int = Field(1, ge=0)
    device: str = "auto"
    threads: int = Field(0, ge=0)


class PageRecipe(Strict):
    """The whole training of a page model."""

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    modality: Literal["page"]
    data: tuple[Source, ...] = Field(min_length=1)
    network: PageNetworkConfig = PageNetworkConfig()
    training: PageOptimisation = PageOptimisation()


@dataclass(frozen=True)
class Page:
    """A page as its network sees it, 0 paper to 255 ink, and its lines."""

    source: str
    name: str
    ink: NDArray[np.uint8]
    lines: tuple[Shape, ...]


@dataclass
class PageProgress:
    """Where a run stands. Everything in it goes into the checkpoint's JSON."""

    epoch: int = 0
    update: int = 0  # of this epoch
    step: int = 0
    best: float = -1.0  # dev F1
    best_epoch: int = -1
    loss: float = 0.0
    seconds: float = 0.0
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


def is_page_recipe(path: Path) -> bool:
    """Whether a file is a recipe whose modality is page."""
    return path.suffix.lower() in (".yaml", ".yml") and path.is_file() and read_yaml(path).get("modality") == "page"


def read_page_recipe(path: Path) -> PageRecipe:
    """Read a YAML recipe; see :func:`recog.training.recipe.read_recipe`."""
    recipe = validated(PageRecipe, read_yaml(path), path)
    data = tuple(s.model_copy(update={"path": resolve(s.path, path)}) for s in recipe.data)
    return recipe.model_copy(update={"data": data})


def load_pages(recipe: PageRecipe) -> tuple[list[Page], list[Page], list[str]]:
    """Pages of train and of dev, and what is wrong with those that were left out.

    Raises:
        UserError: there are none of either.
    """
    found: dict[str, list[Page]] = {"train": [], "dev": []}
    problems: list[str] = []
    for source in recipe.data:
        path = Path(source.path)
        pages: dict[Path, list[Shape]] = {}
        splits: dict[Path, str] = {}
        for row in importer(source.layout or "page", **source.options)(path):
            splits[row.media] = (row.split or "train") if source.split == "auto" else source.split
            if row.line is not None and len(row.line.baseline) >= 2 and len(row.line.polygon) >= 3:
                shape = (np.array(row.line.baseline, np.float32), np.array(row.line.polygon, np.float32))
                pages.setdefault(row.media, []).append(shape)
        for media, lines in pages.items():
            try:
                ink, scale = page_ink(read_image(media), recipe.network.side)
            except UserError as error:
                problems.append(str(error))
                continue
            scaled = tuple((base * scale, polygon * scale) for base, polygon in lines)
            page = Page(source.name or path.name, str(media), (255 * ink).astype(np.uint8), scaled)
            if splits[media] in found:
                found[splits[media]].append(page)
    for split, pages_of in found.items():
        if not pages_of:
            raise UserError(f"There is no page of {split} with baselines and polygons in the data of {recipe.name}.")
    return found["train"], found["dev"], problems


def draw_maps(lines: tuple[Shape, ...], matrix: NDArray[np.float64], side: int) -> NDArray[np.float32]:
    """What the network should see in a crop: (maps, side, side).

    Args:
        matrix: (2, 3) from the scaled page to the output.
    """
    maps = np.zeros((len(MAPS), side, side), np.float32)
    for baseline, polygon in lines:
        base = baseline @ matrix[:, :2].T + matrix[:, 2]
        if (base.max(0) < -20).any() or (base.min(0) > side + 20).any():
            continue
        outline = polygon @ matrix[:, :2].T + matrix[:, 2]
        cv2.fillPoly(maps[2], [np.round(outline * 8).astype(np.int32)], 1.0, cv2.LINE_8, 3)
        cv2.polylines(maps[0], [np.round(base * 8).astype(np.int32)], False, 1.0, BASELINE_WIDTH, cv2.LINE_8, 3)
        for x, y in (base[0], base[-1]):
            cv2.circle(maps[1], (round(float(x)), round(float(y))), END_RADIUS, 1.0, -1)
    return maps


def draw_crop(page: Page, rng: np.random.Generator, side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A crop of a page, scaled, turned, slanted, its ink and paper varied, some of it ruled; and its maps."""
    height, width = page.ink.shape
    scale = float(np.exp(rng.uniform(np.log(0.7), np.log(1.35))))
    turn, slant = float(np.deg2rad(rng.normal(0, 2.0))), float(rng.normal(0, 0.02))
    if page.lines and rng.random() < 0.5:  # at the end or a bend of a line
        baseline = page.lines[int(rng.integers(len(page.lines)))][0]
        centre = baseline[int(rng.integers(len(baseline)))]
    else:
        centre = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * np.array([[np.cos(turn), -np.sin(turn) + slant], [np.sin(turn), np.cos(turn)]])
    matrix[:, 2] = side / 2 + rng.uniform(-0.3, 0.3, 2) * side - matrix[:, :2] @ centre
    crop: NDArray[Any] = (
        cv2.warpAffine(page.ink, matrix, (side, side), flags=cv2.INTER_LINEAR).astype(np.float32) / 255.0
    )
    crop = crop ** float(np.exp(rng.normal(0, 0.3))) * np.float32(rng.uniform(0.6, 1.1))
    if rng.random() < 0.4:
        crop = crop + rng.normal(0, rng.uniform(0.01, 0.08), crop.shape).astype(np.float32)
    if rng.random() < 0.3:
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.25:
        apart, first = rng.uniform(10, 32), rng.uniform(0, 10)
        rows = np.arange(first, side, apart).astype(int)
        crop[rows] = np.maximum(crop[rows], np.float32(rng.uniform(0.1, 0.5)))
    return crop.astype(np.float32), draw_maps(page.lines, matrix / STRIDE, side // STRIDE)


class PageTrainer(Loop[PageNetwork, PageOptimisation]):
    """One run."""

    def __init__(self, recipe: PageRecipe, train: list[Page], dev: list[Page], out: Path, report: Reporter) -> None:
        torch.manual_seed(recipe.training.seed)
        super().__init__(PageNetwork(recipe.network), recipe.training, out)
        self.recipe, self.train, self.dev, self.report = recipe, train, dev, report
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.progress = PageProgress()

    def identity(self) -> dict[str, Any]:
        """What must not change between a run and its resumption; where files lie may."""
        recipe = self.recipe.model_dump(mode="json")
        recipe.pop("name")
        for source in recipe["data"]:
            source.pop("path")
        for free in ("device", "threads"):
            recipe["training"].pop(free)
        pages = [[Path(page.name).name, len(page.lines)] for page in (*self.train, *self.dev)]
        return {"recipe": recipe, "data": {"pages": json.dumps(pages)}}

    def kept(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {f"average.{k}": v for k, v in self.average.items()}, asdict(self.progress)

    def take_up(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        for name, value in tensors.items():
            if name.startswith("average."):
                self.average[name[8:]].copy_(value)
        self.progress = PageProgress(**progress)

    def epoch(self) -> None:
        p, options = self.progress, self.options
        self.network.train()
        self.report.epoch(p.epoch, options.epochs, p.update, options.updates)
        begun = time.monotonic()
        while p.update < options.updates:
            rate = learning_rate(options, (p.epoch + p.update / options.updates) / options.epochs)
            loss, norm = self.step(rate)
            p.update += 1
            p.step += 1
            p.loss += loss
            now = time.monotonic()
            p.seconds, begun = p.seconds + now - begun, now
            self.report.advance(f"loss {loss:.3f}")
            if p.step % EVERY == 0:
                entry = {"step": p.step, "epoch": p.epoch + 1, "loss": loss, "learning_rate": rate}
                self.report.write(entry | {"gradient_norm": norm})
            self.save_when_due()
            self.stop_if_asked()
        self._close_epoch()

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Crops (batch, 1, side, side) and their maps, of corpora taken in turn whatever their sizes."""
        sources = sorted({page.source for page in self.train})
        crops, maps = [], []
        for k in range(self.options.batch):
            rng = np.random.default_rng((self.options.seed, step, k))
            source = sources[int(rng.integers(len(sources)))]
            pages = [page for page in self.train if page.source == source]
            crop, wanted = draw_crop(pages[int(rng.integers(len(pages)))], rng, self.options.crop)
            crops.append(crop)
            maps.append(wanted)
        return torch.from_numpy(np.stack(crops))[:, None], torch.from_numpy(np.stack(maps))

    def step(self, rate: float) -> tuple[float, float]:
        """One update; gives the loss and the gradient norm before clipping."""
        self.prepare_update(rate)
        ink, wanted = (x.to(self.device) for x in self.batch(self.progress.step))
        with self.autocast():
            logits = self.network(ink.contiguous(memory_format=torch.channels_last))
        loss = map_loss(logits.float(), wanted)
        norm = self.backward(loss)
        value, norm_value = float(loss.detach()), float(norm)
        if not self.update(value, norm_value):
            return 0.0, 0.0
        decay = min(self.options.average, (self.progress.step + 1) / (self.progress.step + 10))
        for name, current in self.network.state_dict().items():
            if current.is_floating_point():
                self.average[name].lerp_(current, 1.0 - decay)
            else:
                self.average[name].copy_(current)
        return value, norm_value

    @torch.no_grad()
    def evaluate(self) -> dict[str, BaselineScore]:
        """Scores of the averaged weights on dev, by corpus."""
        network = PageNetwork(self.recipe.network).to(self.device)
        network.load_state_dict(self.average)
        network.eval()
        scores: dict[str, list[BaselineScore]] = {}
        for page in self.dev:
            height, width = page.ink.shape
            padded = np.zeros((-height % MULTIPLE + height, -width % MULTIPLE + width), np.float32)
            padded[:height, :width] = page.ink / np.float32(255.0)
            maps = torch.sigmoid(network(torch.from_numpy(padded)[None, None].to(self.device)))[0].cpu().numpy()
            found = [STRIDE * line for line in find_baselines(maps)]
            scores.setdefault(page.source, []).append(score_page([base for base, _ in page.lines], found))
        return {source: mean_score(of) for source, of in sorted(scores.items())}

    def _close_epoch(self) -> None:
        p = self.progress
        scores = self.evaluate()
        overall = float(np.mean([score.f1 for score in scores.values()]))
        entry = {
            "epoch": p.epoch + 1, "step": p.step, "loss": p.loss / max(1, p.update), "seconds": round(p.seconds, 1),
            "f1": overall, "sources": {name: round(score.f1, 4) for name, score in scores.items()},
        }  # fmt: skip
        p.history.append(entry)
        better = overall > p.best
        if better:
            p.best, p.best_epoch = overall, p.epoch
        p.epoch, p.update, p.loss = p.epoch + 1, 0, 0.0
        if better:
            write_checkpoint(self.best, dict(self.average), {"dev": entry["sources"], "epoch": p.epoch})
        self.save()
        self.report.stop()
        self.report.write(entry)
        by = "  ".join(f"{name} {100 * score.f1:.1f}" for name, score in scores.items())
        self.report.say(
            f"epoch {p.epoch}  loss {entry['loss']:.3f}  dev F1 {100 * overall:.2f} %{'  (best so far)' if better else ''}"
            f"\n  by source: {by}"
        )


def map_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of each pixel, and for the thin maps the Dice loss (Milletari et al. 2016), which empty paper cannot
    drown."""
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean((0, 2, 3))
    found = torch.sigmoid(logits)
    dice = 1.0 - (2.0 * (found * wanted).sum((0, 2, 3)) + 1.0) / ((found + wanted).sum((0, 2, 3)) + 1.0)
    return (entropy * entropy.new_tensor(MAP_WEIGHTS)).sum() + dice[0] + 0.5 * dice[1]


def run_page(
    what: Path,
    out: Path | None,
    *,
    epochs: int | None = None,
    rate: float | None = None,
    device: str | None = None,
    threads: int = 0,
    restart: bool = False,
) -> None:
    """Train the page model of the recipe ``what`` into the model folder ``out``, by default ``runs/NAME``.

    Raises:
        UserError: the pages or the recipe cannot be used, or the folder holds another training.
    """
    recipe = read_page_recipe(what)
    out = out or Path("runs") / recipe.name
    options = {k: v for k, v in (("epochs", epochs), ("learning_rate", rate), ("device", device)) if v is not None}
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update=options)})
    torch.set_num_threads(threads or recipe.training.threads or cores())
    folder = out / "training"
    with locked(folder):
        if restart:
            forget(folder)
        report = Reporter(folder, resume_step=steps_done(folder))
        try:
            train, dev, problems = load_pages(recipe)
            for problem in problems:
                report.say(f"left out: {problem}")
            trainer = PageTrainer(recipe, train, dev, out, report)
            resumed = trainer.resume()
            if trainer.progress.finished and (out / "config.json").exists():
                report.say(f"{out}: this training is finished (dev F1 {100 * trainer.progress.best:.2f} %).")
                return
            start = f"going on from step {trainer.progress.step}" if resumed else "starting"
            report.say(f"{recipe.name}: {len(train)} pages to train on, {len(dev)} for dev; {start}.")
            try:
                trainer.run()
            except Interrupted:
                report.say(f"Interrupted; the same command goes on from step {trainer.progress.step}.")
                raise KeyboardInterrupt from None
            finish_page(recipe, trainer, out, notes_beside(what))
            trainer.progress.finished = True
            trainer.save()
            report.say(f"{out}: ready, dev F1 {100 * trainer.progress.best:.2f} %.")
        finally:
            report.close()


def finish_page(recipe: PageRecipe, trainer: PageTrainer, out: Path, notes: str) -> None:
    """Write the model folder from the best weights."""
    best, _ = read_checkpoint(trainer.best)
    p = trainer.progress
    trained = {"epochs": p.epoch, "steps": p.step, "hours": round(p.seconds / 3600, 2), "pages": len(trainer.train)}
    trained["data"] = [source.name or Path(source.path).name for source in recipe.data]
    dev = {"f1": round(p.best, 4), "pages": len(trainer.dev), "sources": p.history[p.best_epoch]["sources"]}
    export_page_bundle(recipe.name, recipe.network, best, out, trained=trained, dev=dev, notes=notes)


def export_page_bundle(
    name: str,
    network: PageNetworkConfig,
    weights: dict[str, Tensor],
    out: Path,
    *,
    trained: dict[str, Any],
    dev: dict[str, Any],
    notes: str,
) -> PageSegmenter:
    """Write a model folder of these weights, and open it."""
    kept = half_precision(weights)
    graph = build_page_onnx(network, page_arrays(kept))
    config = PageModelConfig(name=name, network=network, trained=trained, dev=dev)
    files = {WEIGHTS: weights_bytes(kept), GRAPH: graph.SerializeToString()}
    return PageSegmenter(write_page_bundle(out, config, files, page_card(config, notes)))


def page_card(config: PageModelConfig, notes: str = "") -> str:
    """The model card in Markdown."""
    lines = [
        f"# {config.name}",
        "",
        "Finds the lines of handwritten pages: baselines and outlines.",
        "",
        "## Network",
        "",
    ]
    lines.append(
        f"U-Net of widths {', '.join(map(str, config.network.widths))}, on pages of {config.network.side} pixels."
    )
    if config.trained:
        data, pages = ", ".join(config.trained.get("data", [])), config.trained.get("pages")
        lines += ["", "## Training", "", f"{pages} pages of {data}; {config.trained.get('steps')} updates,"]
        lines.append(f"{config.trained.get('hours')} hours on one machine.")
    if config.dev:
        lines += [
            "",
            "## Results on dev",
            "",
            f"Baseline F1 (Gruening et al. 2017) over {config.dev['pages']} pages:",
            "",
        ]
        lines += [f"- {name}: {100 * value:.1f} %" for name, value in config.dev["sources"].items()]
    return "\n".join([*lines, *(["", notes.strip()] if notes else [])]) + "\n"
