"""Folder of a page model, which finds the lines of a page."""

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

MAPS = ("baseline", "end", "body")  # output maps of the network, by pixel
# The fourth map of a network with context: whether writing is the main text of the page, and not a
# note or stamp on it.
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
DEFAULT = "pages"  # name of the shipped page model


class PageNetworkConfig(Strict):
    """Shape of :class:`recog.nn.page.network.PageNetwork`.

    Attributes:
        widths: channels of each level, from the finest to the coarsest.
        side: pixels of the longer side of a page whose size of writing is unknown.
        spacing: pixels between lines in the network's input. Pages of any size are scaled to it.
        contrast: reference of the contrast of ink; see
            :func:`recog.segment.page_lines.page_ink`.
        context: dilations of the blocks that distinguish main text from notes on the page
            (:class:`recog.nn.page.marginalia.PageContext`). Without dilations the network does not
            distinguish them.
    """

    widths: tuple[int, ...] = Field((16, 32, 48, 64, 96), min_length=2, max_length=8)
    side: int = Field(1024, ge=64, le=8192)
    spacing: float = Field(34.0, ge=8.0, le=256.0)
    contrast: Literal["page", "local"] = "page"
    context: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field((), max_length=16)

    @property
    def maps(self) -> tuple[str, ...]:
        """Names of the output maps of the network."""
        return (*MAPS, MAIN) if self.context else MAPS


class GeometryConfig(Strict):
    """Shape of :class:`recog.nn.page.geometry.GeometryNetwork`.

    Attributes:
        widths: channels of each level, from the finest to the coarsest.
        dilations: dilations of the blocks at the coarsest level, which widen the receptive field.
        side: pixels of the longer side that a page is scaled to.
    """

    widths: tuple[int, ...] = Field((16, 32, 48, 64, 96), min_length=5, max_length=5)
    dilations: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field((1, 2, 4, 1), max_length=16)
    side: int = Field(1024, ge=64, le=8192)


class PageModelConfig(FolderConfig):
    """Config of a page model."""

    modality: Literal["page"] = "page"
    network: PageNetworkConfig = PageNetworkConfig()
    geometry: GeometryConfig | None = None


class PageModelFolder(ModelFolder[PageModelConfig]):
    """An open folder of a page model."""


def open_page_model_folder(name_or_path: str | Path = DEFAULT) -> PageModelFolder:
    """Open a page model by its path, or a shipped page model by its name.

    Raises:
        UserError: there is no page model of this name, or its config cannot be used.
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
    """Whether a path, or the name of a shipped model, is that of a page model."""
    path = pretrained().get(str(name_or_path), Path(name_or_path))
    return modality_of(path) == "page"


def write_page_model_folder(
    folder: Path, config: PageModelConfig, files: Mapping[str, bytes], card: str
) -> PageModelFolder:
    """Write the folder of a page model; see :func:`recog.model.folder.write_folder`."""
    return PageModelFolder(folder, write_folder(folder, config, files, card))
