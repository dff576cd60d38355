"""Weights in and out of model folders, with a growing alphabet."""

from __future__ import annotations

import unicodedata
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from recog.errors import UserError
from recog.model.config import EncoderConfig
from recog.model.folder import WEIGHTS, ModelFolder
from recog.model.recogniser_folder import RecogniserFolder
from recog.nn.encoder import Encoder
from recog.text.alphabet import Alphabet


def half_precision(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Float16 copies; running statistics of batch norms stay float32 for their range."""
    halved = {}
    for name, value in weights.items():
        if value.is_floating_point():
            halved[name] = (
                value.detach().cpu().float() if "running" in name else value.detach().cpu().half()
            )
    return halved


def weights_bytes(weights: dict[str, Tensor]) -> bytes:
    """The content of a safetensors file."""
    return save({name: t.contiguous() for name, t in weights.items()})


def load_weights(model_folder: ModelFolder[Any]) -> dict[str, Tensor]:
    """Load the weights of a model folder as float32.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = model_folder.file(WEIGHTS)
    try:
        return {name: t.float() for name, t in load_file(path).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: the weights are damaged ({error}).") from None


def network_from(
    model_folder: RecogniserFolder,
    alphabet: Alphabet | None = None,
    *,
    encoder: EncoderConfig | None = None,
) -> Encoder:
    """The network of a model folder, with heads grown to a larger alphabet.

    A new symbol starts with the weights of the most similar old symbol (the base letter without
    its accent, the other case), else with the mean of all.

    Args:
        alphabet: begins with the model's symbols; None is the model's alphabet.
        encoder: another config that the weights fit: other dropout or subsampling, or further heads
            for phones or over an intermediate layer, which are initialised afresh.

    Raises:
        UserError: the weights do not fit the config.
    """
    config = model_folder.config
    weights = load_weights(model_folder)
    old = list(config.symbols)
    new = ["", *alphabet.symbols] if alphabet else old
    if new[: len(old)] != old:
        raise UserError(
            f"{model_folder.path}: the alphabet must begin with the model's own symbols."
        )
    sources = [nearest(symbol, old) for symbol in new[len(old) :]]
    for layer in ("head", "shortcut", "early"):
        for part in ("weight", "bias"):
            name = f"{layer}.{part}"
            if name in weights and sources:
                value = weights[name]
                mean = value[1:].mean(0, keepdim=True)
                rows = [mean if i is None else value[i : i + 1] for i in sources]
                weights[name] = torch.cat((value, *rows))
    _check_fit(model_folder, weights, len(new))
    encoder = encoder or config.encoder
    if encoder.intermediate != config.encoder.intermediate:
        weights = {name: value for name, value in weights.items() if not name.startswith("early")}
    network = Encoder(encoder, len(new))
    network.load_state_dict(weights, strict=False)
    return network


def _check_fit(model_folder: RecogniserFolder, weights: dict[str, Tensor], symbols: int) -> None:
    """Compare names and shapes with the config's network, without allocating it.

    A stranger's config may ask for more memory than there is.
    """
    with torch.device("meta"):
        expected = {
            k: v.shape
            for k, v in Encoder(model_folder.config.encoder, symbols).state_dict().items()
        }
    counters = {name for name in expected if name.endswith("num_batches_tracked")}
    for name in sorted((expected.keys() - counters) ^ (weights.keys() - counters)):
        raise UserError(f"{model_folder.path}: the weights do not fit the config ({name}).")
    for name in sorted(expected.keys() & weights.keys()):
        if expected[name] != weights[name].shape:
            shapes = " and not ".join(
                "x".join(map(str, shape)) for shape in (weights[name].shape, expected[name])
            )
            raise UserError(
                f"{model_folder.path}: the weights do not fit the config ({name} is {shapes})."
            )


def nearest(symbol: str, known: list[str]) -> int | None:
    """Index of the known symbol most similar to ``symbol``; None without one."""
    base = unicodedata.normalize("NFD", symbol)[0]
    for candidate in (base, symbol.swapcase(), base.swapcase()):
        if candidate and candidate in known:
            return known.index(candidate)
    return None
