"""Model graphs from strangers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import UserError
from recog.model.onnx_check import check_onnx

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper


def saved(tmp_path, nodes, initialisers=(), functions=()):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y], list(initialisers)), functions=list(functions)
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_plain_operators_pass(tmp_path):
    check_onnx(saved(tmp_path, [helper.make_node("Relu", ["x"], ["y"])]))


@pytest.mark.parametrize("operator", ["Loop", "Scan", "If", "Gather", "RandomNormal"])
def test_other_operators_are_refused_by_name(tmp_path, operator: str):
    with pytest.raises(UserError, match=rf"model\.onnx.*{operator}"):
        check_onnx(saved(tmp_path, [helper.make_node(operator, ["x"], ["y"])]))


def test_unknown_domains_are_refused(tmp_path):
    with pytest.raises(UserError, match="Relu"):
        check_onnx(saved(tmp_path, [helper.make_node("Relu", ["x"], ["y"], domain="my.own")]))


def test_a_graph_inside_an_allowed_operator_is_refused(tmp_path):
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "inner", [], [])
    with pytest.raises(UserError, match="graph inside"):
        check_onnx(saved(tmp_path, [helper.make_node("Relu", ["x"], ["y"], body=inner)]))


def test_functions_are_refused(tmp_path):
    function = helper.make_function(
        "my.own",
        "F",
        ["a"],
        ["b"],
        [helper.make_node("Relu", ["a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    with pytest.raises(UserError, match="functions"):
        check_onnx(saved(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], functions=[function]))


def test_external_weights_are_refused(tmp_path):
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(UserError, match="outside itself"):
        check_onnx(saved(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], [tensor]))


def test_sparse_weights_are_refused(tmp_path):
    values = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], float_data=[1.0])
    indices = TensorProto(data_type=TensorProto.INT64, dims=[1], int64_data=[0])
    sparse = helper.make_sparse_tensor(values, indices, [1_000_000])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [], [])
    graph.sparse_initializer.append(sparse)
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(UserError, match="sparse weights"):
        check_onnx(path)


def field(number: int, value: bytes) -> bytes:
    """A protocol-buffer field, its key and its length as numbers of five bytes."""
    numbers = (number << 3 | 2, len(value))
    return (
        b"".join(
            bytes(n >> 7 * k & 0x7F | (0x80 if k < 4 else 0) for k in range(5)) for n in numbers
        )
        + value
    )


@pytest.mark.parametrize(
    "node",
    [
        field(4, b"Relu") + field(4 + (1 << 29), b"Loop"),  # 4 in 32 bits
        field(4, b"Relu") + field(4, b"Loop"),  # the last counts
        field(4, b"Relu") + field(7, b"") + field(7, b"my.own"),
        field(4, b"Relu") + field(0, b""),
    ],
)
def test_a_node_that_others_would_read_in_another_way_is_refused(tmp_path, node: bytes):
    path = tmp_path / "model.onnx"
    path.write_bytes(field(7, field(1, field(4, b"Relu"))))
    check_onnx(path)
    path.write_bytes(field(7, field(1, node)))
    with pytest.raises(UserError, match="damaged"):
        check_onnx(path)


def test_truncated_models_are_named(tmp_path):
    path = saved(tmp_path, [helper.make_node("Relu", ["x"], ["y"])])
    whole = path.read_bytes()
    for size in range(len(whole) - 12):  # what comes after the graph is left to ONNX Runtime
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"model\.onnx"):
            check_onnx(path)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_never_crash(tmp_path_factory, content: bytes):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError):
        check_onnx(path)
