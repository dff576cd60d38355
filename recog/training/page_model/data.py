"""Pages with known lines, scaled for a page network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog.corpora import importer
from recog.corpora.data import load_data
from recog.corpora.rows import Row
from recog.corpora.splits import split_rows
from recog.errors import UserError
from recog.media.image.reader import read_image
from recog.segment.line_spacing import line_sizes, writing_size
from recog.segment.page_lines import Contrast, page_ink
from recog.segment.polarity import dark_on_light
from recog.training.page_model.recipe import PageRecipe
from recog.training.recipe_base import Source

GEOMETRY_SIDE = 1600  # pixels of a page's longer side, for a geometry network
MAX_SIDE = 6000  # pixels: a page of a few words in tiny type is not scaled up further
Floats = NDArray[np.float32]
Shape = tuple[Floats, Floats]  # baseline and polygon, in pixels of the scaled page


@dataclass(frozen=True)
class Page:
    """A page, scaled for its network, and its lines.

    Attributes:
        ink: (height, width), 0 paper to 255 ink.
    """

    source: str
    name: str
    ink: NDArray[np.uint8]
    lines: tuple[Shape, ...]

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """The size of each line's writing in pixels; infinite where it is unknown."""
        return line_sizes(self.lines)


def load_pages(recipe: PageRecipe) -> tuple[list[Page], list[Page], list[str]]:
    """Load the pages of a recipe.

    They are scaled to the line spacing of the network; for a geometry network to
    :data:`GEOMETRY_SIDE`.

    Returns:
        The train pages, the dev pages, and why others are left out.

    Raises:
        UserError: there are no train pages or no dev pages.
    """
    pages: dict[str, list[Page]] = {"train": [], "dev": []}
    problems: list[str] = []
    spacing, contrast = recipe.network.spacing, recipe.network.contrast
    if recipe.train == "geometry":
        spacing, contrast = 0.0, "local"
    for source in recipe.data:
        if source.optional and not Path(source.path).exists():
            problems.append(f"{source.path}: is not there, and optional.")
            continue
        shapes: dict[Path, list[Shape]] = {}
        splits: dict[Path, str] = {}
        for row in _line_rows(source):
            splits[row.media] = (row.split or "train") if source.split == "auto" else source.split
            if row.line is not None and len(row.line.baseline) >= 2 and len(row.line.polygon) >= 3:
                baseline = np.array(row.line.baseline, np.float32)
                polygon = np.array(row.line.polygon, np.float32)
                shapes.setdefault(row.media, []).append((baseline, polygon))
        for media, lines in shapes.items():
            if splits[media] not in pages:
                continue
            try:
                pages[splits[media]].append(
                    load_page(source.display_name, media, lines, spacing, contrast)
                )
            except UserError as error:
                problems.append(str(error))
    for split, of_split in pages.items():
        if not of_split:
            raise UserError(
                f"There is no page of {split} with baselines and polygons in the data of "
                f"{recipe.name}."
            )
    return pages["train"], pages["dev"], problems


def _line_rows(source: Source) -> Iterable[Row]:
    """The lines of a source; a folder without a layout is split, a tenth of it for dev."""
    if source.layout is not None:
        return importer(source.layout, **source.options)(Path(source.path))
    return split_rows(load_data(Path(source.path))).rows


def load_page(
    source: str, media: Path, lines: list[Shape], spacing: float, contrast: Contrast
) -> Page:
    """Load a page and scale it.

    Args:
        spacing: pixels between lines of the scaled page; 0 scales to :data:`GEOMETRY_SIDE`.

    Raises:
        UserError: the image cannot be read, or the size of the writing does not follow from the
            lines.
    """
    image = dark_on_light(read_image(media))
    size = writing_size(lines)
    if size < 1.0:
        raise UserError(
            f"{media}: its lines do not tell how large the writing is; each needs a baseline and "
            "a polygon."
        )
    longest = max(image.shape)
    scale = min(spacing / size, MAX_SIDE / longest) if spacing else GEOMETRY_SIDE / longest
    ink = page_ink(image, scale, contrast)
    scaled = tuple(
        (base * np.float32(scale), polygon * np.float32(scale)) for base, polygon in lines
    )
    return Page(source, str(media), ink, scaled)
