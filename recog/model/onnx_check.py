"""Check the content of an ONNX file before ONNX Runtime loads it.

A model file may come from an untrusted source. The check accepts the operators that
:mod:`recog.nn.export.recogniser` writes, and those that ONNX Runtime's quantiser makes of them. It
rejects control flow (Loop, Scan, If), functions, external data and unknown domains. It does not
need the ``onnx`` package: it parses only the relevant fields of the protocol-buffer wire format
(onnx.proto, IR version 3 and later).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.errors import UserError

_ALLOWED = """
    Add Cast Concat Constant Conv DequantizeLinear DynamicQuantizeLinear DynamicQuantizeLSTM DynamicQuantizeMatMul GRU
    Identity LSTM LayerNormalization LogSoftmax MatMul MatMulInteger MatMulIntegerToFloat MaxPool Mul QuantizeLinear RNN
    ReduceMax ReduceMean Relu Reshape Softmax Squeeze Transpose Unsqueeze
"""
ALLOWED = frozenset(_ALLOWED.split())
DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})
MAX_NODES = 10_000
MAX_KEY = 0xFFFF_FFFF

Field = tuple[int, int, int | memoryview]  # number, wire type, value


class _MalformedError(Exception):
    pass


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise _MalformedError
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: memoryview) -> Iterator[Field]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        # other parsers truncate the key to 32 bits, and would read another field
        if key > MAX_KEY or number == 0:
            raise _MalformedError
        if wire == 0:
            value, at = _varint(data, at)
            yield number, wire, value
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise _MalformedError
            yield number, wire, data[at : at + size]
            at += size
        else:
            raise _MalformedError
    if at != len(data):
        raise _MalformedError


def _blocks(data: memoryview, number: int) -> Iterator[memoryview]:
    for found, _, value in _fields(data):
        if found == number and isinstance(value, memoryview):
            yield value


def _text(data: memoryview, number: int) -> str:
    """Read a string field, which may occur only once, as parsers take the last of several."""
    blocks = list(_blocks(data, number))
    if len(blocks) > 1:
        raise _MalformedError
    return bytes(blocks[0]).decode("utf-8", "replace") if blocks else ""


def check_onnx(path: Path, *, also: frozenset[str] = frozenset()) -> None:
    """Check that an ONNX file contains only what recog's models need.

    Args:
        path: the file.
        also: operators that this kind of model needs in addition to :data:`ALLOWED`.

    Raises:
        UserError: the file is not an ONNX model, or contains a part that no model of recog needs.
            The message names it.
    """
    content = memoryview(path.read_bytes())
    try:
        if any(True for _ in _blocks(content, 25)):  # ModelProto.functions
            raise UserError(
                f"{path}: the model defines functions of its own, which recog does not run."
            )
        graphs = list(_blocks(content, 7))  # ModelProto.graph
        if len(graphs) != 1:
            raise _MalformedError
        _check_graph(graphs[0], path, ALLOWED | also)
    except _MalformedError:
        raise UserError(f"{path}: is not an ONNX model, or is damaged.") from None


def _check_graph(graph: memoryview, path: Path, allowed: frozenset[str]) -> None:
    count = 0
    for node in _blocks(graph, 1):  # GraphProto.node
        count += 1
        operator, domain = _text(node, 4), _text(node, 7)
        if operator not in allowed or domain not in DOMAINS:
            raise UserError(
                f"{path}: the model uses the operator '{operator}', which recog does not run."
            )
        for attribute in _blocks(node, 5):
            inside = {number for number, _, _ in _fields(attribute)}
            if inside & {6, 11}:  # AttributeProto.g, .graphs
                raise UserError(
                    f"{path}: the model holds a graph inside the operator '{operator}'."
                )
            if inside & {10, 22, 23}:  # AttributeProto.tensors, .sparse_tensor, .sparse_tensors
                raise UserError(
                    f"{path}: the model holds tensors of a kind that recog does not run in "
                    f"'{operator}'."
                )
            for tensor in _blocks(attribute, 5):  # AttributeProto.t
                _check_tensor(tensor, path)
    if not 0 < count <= MAX_NODES:
        raise _MalformedError
    for tensor in _blocks(graph, 5):  # GraphProto.initializer
        _check_tensor(tensor, path)
    if any(number == 15 for number, _, _ in _fields(graph)):  # GraphProto.sparse_initializer
        raise UserError(f"{path}: the model holds sparse weights, which recog does not run.")


def _check_tensor(tensor: memoryview, path: Path) -> None:
    for number, _, value in _fields(tensor):
        # TensorProto.external_data, .data_location
        if number == 13 or (number == 14 and value != 0):
            raise UserError(
                f"{path}: the model keeps weights outside itself, which recog does not open."
            )
