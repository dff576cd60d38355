"""The folder of a page model: what finds the lines of a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from recog.errors import UserError
from recog.model.config import Strict
from recog.model.folder import (
    CONFIG,
    FolderConfig,
    ModelFolder,
    modality_of,
    pretrained,
    read_config,
    write_folder,
)

MAPS = ("baseline", "end", "body")  # what the network gives for each pixel
# a fourth map, of one with context: whether writing there is the page's own, and no note or stamp
# on it
MAIN = "main"
GEOMETRY_MAPS = (
    "written",
    "size",
    "cosine",
    "sine",
    "cosine2",
    "sine2",
)  # of a geometry network, for each 16 x 16 pixels
GEOMETRY_GRAPH, GEOMETRY_WEIGHTS = "geometry.onnx", "geometry.safetensors"
DEFAULT = "pages"  # the shipped one


class PageNetworkConfig(Strict):
    """Shape of :class:`recog.nn.page.network.PageNetwork`: its channels from the finest level to
    the coarsest.

    Attributes:
        spacing: pixels between lines at which the network sees a page. Pages are scaled to it,
            whatever their size.
        contrast: what ink is measured by; see :func:`recog.segment.page_lines.page_ink`.
        side: pixels of the longer side of a page whose writing is not known to have a size.
        context: the dilations of the blocks that tell the page's own writing from notes on it
            (:class:`recog.nn.page.marginalia.PageContext`). Without any the network does not say.
    """

    widths: tuple[int, ...] = Field((16, 32, 48, 64, 96), min_length=2, max_length=8)
    side: int = Field(1024, ge=64, le=8192)
    spacing: float = Field(34.0, ge=8.0, le=256.0)
    contrast: Literal["page", "local"] = "page"
    context: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field((), max_length=16)

    @property
    def maps(self) -> tuple[str, ...]:
        """What the network gives for each pixel."""
        return (*MAPS, MAIN) if self.context else MAPS


class GeometryConfig(Strict):
    """Shape of :class:`recog.nn.page.geometry.GeometryNetwork`: its channels from the finest level
    to the coarsest, the dilations of the blocks that look around there, and the longer side in
    pixels that a page is scaled to for it."""

    widths: tuple[int, ...] = Field((16, 32, 48, 64, 96), min_length=5, max_length=5)
    dilations: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field((1, 2, 4, 1), max_length=16)
    side: int = Field(1024, ge=64, le=8192)


class PageModelConfig(FolderConfig):
    """Everything about a page model but its weights."""

    modality: Literal["page"] = "page"
    network: PageNetworkConfig = PageNetworkConfig()
    geometry: GeometryConfig | None = None


class PageModelFolder(ModelFolder[PageModelConfig]):
    """An opened folder of a page model."""


def open_page_model_folder(name_or_path: str | Path = DEFAULT) -> PageModelFolder:
    """Open the page model of this path, or the shipped one of this name.

    Raises:
        UserError: there is none, or its config cannot be used.
    """
    path = Path(name_or_path)
    if not (path / CONFIG).is_file():
        shipped = pretrained().get(str(name_or_path))
        if shipped is None:
            raise UserError(
                f"There is no page model '{name_or_path}': give its folder, or leave it out for "
                "the shipped one."
            )
        path = shipped
    return PageModelFolder(path, read_config(path / CONFIG, PageModelConfig, ("page",)))


def is_page_model(name_or_path: str | Path) -> bool:
    """Whether there is a page model of this path, or a shipped one of this name."""
    path = pretrained().get(str(name_or_path), Path(name_or_path))
    return modality_of(path) == "page"


def write_page_model_folder(
    folder: Path, config: PageModelConfig, files: Mapping[str, bytes], card: str
) -> PageModelFolder:
    """Write a page model's folder, see :func:`recog.model.folder.write_folder`."""
    return PageModelFolder(folder, write_folder(folder, config, files, card))
