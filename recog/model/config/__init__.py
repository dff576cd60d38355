"""Configuration of a recogniser in ``config.json`` and recipes.

It does not import torch.

base      base classes: strict, and with keys added later
features  log-mel bands and line strips
encoder   shape of the network
decoding  language models, rescoring, test-time augmentation, calibration
"""

from recog.model.config.base import Strict
from recog.model.config.decoding import (
    MIN_CONFIDENCE,
    Calibration,
    DecodingConfig,
    Rescoring,
    View,
    views_fault,
)
from recog.model.config.encoder import (
    CELL_NAMES,
    MEMORYLESS,
    TORCH_ONLY,
    Cell,
    ConvLayer,
    EncoderConfig,
    ceil_div,
)
from recog.model.config.features import SpectrogramConfig, StripConfig

__all__ = [
    "CELL_NAMES",
    "MEMORYLESS",
    "MIN_CONFIDENCE",
    "TORCH_ONLY",
    "Calibration",
    "Cell",
    "ConvLayer",
    "DecodingConfig",
    "EncoderConfig",
    "Rescoring",
    "SpectrogramConfig",
    "Strict",
    "StripConfig",
    "View",
    "ceil_div",
    "views_fault",
]
