"""Batches of rows of similar length.

The plan of an epoch is a function of (seed, epoch), and the augmentation of a row is a function of
(seed, epoch, row). So neither resuming nor the number of processes changes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from recog.features.log_mel import normalise
from recog.model.config import SpectrogramConfig
from recog.training.recogniser import augment_image, augment_sound
from recog.training.recogniser.data import Example
from recog.training.recogniser.feature_store import FeatureStore
from recog.training.recogniser.line_synthesis import WordCrops, synthesise_line
from recog.training.recogniser.recipe import Recipe


@dataclass(frozen=True)
class Item:
    """A row in an epoch, with its stretch and the number of its repetition."""

    example: Example
    stretch: float = 1.0
    repeat: int = 0

    @property
    def columns(self) -> int:
        return max(1, round(self.example.columns * self.stretch))


@dataclass
class Batch:
    """A process' share of a batch.

    Attributes:
        features: (batch, columns, height).
        lengths: (batch,) columns.
        targets: labels of all rows, one row after the other.
        target_lengths: (batch,).
        weights: (batch,) 1, or 0 for a row that only fills an empty share.
        labels: number of labels of the batch over all processes.
        phones: phone labels of all rows, one row after the other.
        phone_lengths: (batch,) 0 where the pronunciation is unknown.
    """

    features: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    weights: Tensor
    labels: int
    items: list[Item]
    phones: Tensor
    phone_lengths: Tensor

    def pin_memory(self) -> Batch:
        """The batch in pinned memory; a data loader calls it."""
        tensors: dict[str, Any] = {
            name: value.pin_memory()
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **tensors)


def plan_epoch(
    examples: Sequence[Example], epoch: int, recipe: Recipe, words: WordCrops | None = None
) -> list[list[Item]]:
    """The batches of an epoch, in order.

    Args:
        words: for the recipe's share of synthetic lines.
    """
    options = recipe.training
    rng = np.random.default_rng([options.seed, epoch, 1])
    synthesis_rng = np.random.default_rng([options.seed, epoch, 3])
    draw = augment_sound.draw_stretch if recipe.modality == "speech" else augment_image.draw_stretch
    items: list[Item] = []
    for example in examples:
        whole = int(example.weight)
        times = whole + int(rng.random() < example.weight - whole)
        for repeat in range(times):
            line = example
            if words is not None and synthesis_rng.random() < options.recombine:
                line = synthesise_line(example, words, recipe, synthesis_rng)
            stretch = draw(rng) if options.augment else 1.0
            if recipe.encoder.frames(max(1, round(line.columns * stretch))) < line.needed:
                stretch = 1.0  # else the labels would not fit the frames
            items.append(Item(line, stretch, repeat))
    if epoch == 0 and options.short_first and len(items) > 1:
        longest = np.quantile([item.columns for item in items], 0.6)
        items = [item for item in items if item.columns <= longest]
    # so that rows of equal width meet in other batches each time
    order = rng.permutation(len(items))
    items = sorted((items[i] for i in order), key=lambda item: item.columns)
    batches = cut(items, options.batch_columns, options.batch_items)
    return [batches[i] for i in rng.permutation(len(batches))]


def cut(items: Sequence[Item], max_columns: int, max_items: int) -> list[list[Item]]:
    """Cut sorted items into batches.

    Args:
        max_columns: of a batch, padding included.
        max_items: rows of a batch.
    """
    batches: list[list[Item]] = []
    current: list[Item] = []
    for item in items:
        if current and (
            item.columns * (len(current) + 1) > max_columns or len(current) >= max_items
        ):
            batches.append(current)
            current = []
        current.append(item)
    if current:
        batches.append(current)
    return batches


def _stored(example: Example, store: FeatureStore) -> NDArray[Any]:
    """The stored columns of a row, or of a synthetic line's crops."""
    if not example.crops:
        return store[example.index]
    return np.concatenate([store[crop.row][crop.first : crop.last] for crop in example.crops])


def stored_features(
    example: Example, store: FeatureStore, spectrogram: SpectrogramConfig | None
) -> NDArray[np.float32]:
    """Features (columns, height) float32 of a row, not augmented."""
    stored = _stored(example, store)
    if spectrogram is None:
        return np.ascontiguousarray(stored, dtype=np.float32) / np.float32(255.0)
    return normalise(stored.astype(np.float32), spectrogram)


def augmented_features(
    item: Item, store: FeatureStore, recipe: Recipe, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Features (columns, height) float32 of an item, augmented."""
    stored = _stored(item.example, store)
    if recipe.modality == "handwriting":
        strip = augment_image.augment(np.ascontiguousarray(stored.T), rng, item.stretch)
        return np.ascontiguousarray(strip.T, dtype=np.float32) / np.float32(255.0)
    return augment_sound.augment(
        stored.astype(np.float32), rng, recipe.spectrogram, recipe.sound, item.stretch
    )


def collate(features: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Pad (columns, height) arrays with zeros to (batch, columns, height); gives also lengths."""
    lengths = torch.tensor([len(x) for x in features])
    batch = torch.zeros(len(features), int(lengths.max()), features[0].shape[1])
    for i, x in enumerate(features):
        batch[i, : len(x)] = torch.from_numpy(x)
    return batch, lengths


class Epoch(TorchDataset[Batch]):
    """A process' share of the batches of an epoch, from batch ``start`` on."""

    def __init__(
        self,
        plan: Sequence[list[Item]],
        store: FeatureStore,
        recipe: Recipe,
        epoch: int,
        *,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        train: bool = True,
    ) -> None:
        self.plan, self.store, self.recipe, self.epoch = plan, store, recipe, epoch
        self.start, self.rank, self.world, self.train = start, rank, world, train

    def __len__(self) -> int:
        return len(self.plan) - self.start

    def __getitem__(self, i: int) -> Batch:
        if i >= len(self):
            raise IndexError(i)
        whole = self.plan[self.start + i]
        mine = whole[self.rank :: self.world]
        weights = [1.0] * len(mine)
        if not mine:
            mine, weights = whole[:1], [0.0]
        options = self.recipe.training
        features = []
        spectrogram = self.recipe.spectrogram if self.recipe.modality == "speech" else None
        for item in mine:
            if self.train and options.augment:
                rng = np.random.default_rng(
                    [options.seed, self.epoch, item.example.index, item.repeat, 2]
                )
                features.append(augmented_features(item, self.store, self.recipe, rng))
            else:
                features.append(stored_features(item.example, self.store, spectrogram))
        batch, lengths = collate(features)
        labels = [item.example.labels for item in mine]
        return Batch(
            batch,
            lengths,
            torch.tensor([label for row in labels for label in row], dtype=torch.int64),
            torch.tensor([len(row) for row in labels], dtype=torch.int64),
            torch.tensor(weights),
            sum(len(item.example.labels) for item in whole),
            list(mine),
            torch.tensor(
                [phone for item in mine for phone in item.example.phones], dtype=torch.int64
            ),
            torch.tensor([len(item.example.phones) for item in mine], dtype=torch.int64),
        )
