"""Self-attention to ONNX, for one item, which needs no mask."""

from __future__ import annotations

import numpy as np

from recog.model.config import EncoderConfig
from recog.nn.export.graph import Graph, Weights

EPSILON = 1e-5  # of torch's LayerNorm


def self_attention(graph: Graph, x: str, weights: Weights, config: EncoderConfig) -> str:
    """Add a :class:`recog.nn.attention.SelfAttention`; (frames, states) -> the same.

    The scores of all pairs of frames are held at once: 9 MB for four heads and the 750 frames of
    the longest chunk of speech (30 s).
    """
    heads = config.attention
    size = config.states // heads

    def weight(name: str) -> np.ndarray:
        return np.asarray(weights[f"attention.{name}"], np.float32)

    def linear(x: str, name: str, scale: float = 1.0) -> str:
        kernel, offset = scale * weight(f"{name}.weight").T, scale * weight(f"{name}.bias")
        return graph.linear(x, f"attention.{name}", kernel, offset, f"attention.{name}")

    shape = graph.constant("attention.heads", np.array([0, heads, size], np.int64))

    def by_heads(x: str, name: str, order: list[int], scale: float = 1.0) -> str:
        y = graph.add("Reshape", [linear(x, name, scale), shape], f"attention.{name}.heads")
        return graph.add("Transpose", [y], f"attention.{name}.turned", perm=order)

    norm = [
        x,
        *(
            graph.constant(f"attention.norm.{part}", weight(f"norm.{part}"))
            for part in ("weight", "bias")
        ),
    ]
    n = graph.add("LayerNormalization", norm, "attention.norm", axis=-1, epsilon=EPSILON)
    query = by_heads(n, "query", [1, 0, 2], size**-0.5)
    key, value = by_heads(n, "key", [1, 2, 0]), by_heads(n, "value", [1, 0, 2])
    scores = graph.add("MatMul", [query, key], "attention.scores")
    shares = graph.add("Softmax", [scores], "attention.shares", axis=-1)
    attended = graph.add("MatMul", [shares, value], "attention.found")
    attended = graph.add("Transpose", [attended], "attention.frames", perm=[1, 0, 2])
    flat = graph.constant("attention.flat", np.array([0, config.states], np.int64))
    attended = graph.add("Reshape", [attended, flat], "attention.states")
    return graph.add("Add", [x, linear(attended, "out")], "attention.sum")
