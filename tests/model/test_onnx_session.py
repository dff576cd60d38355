"""Graphs that load and fail when they run."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from recog.errors import UserError
from recog.model.onnx_session import run_graph

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper


def test_shapes_that_do_not_fit_are_damage_of_the_file():
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    [product] = run_graph(session, Path("m.onnx"), {"x": np.eye(2, dtype=np.float32)})
    assert (product == np.eye(2)).all()
    with pytest.raises(
        UserError, match=r"^m\.onnx: ONNX Runtime cannot run it \(.*; the model is damaged\.$"
    ):
        run_graph(session, Path("m.onnx"), {"x": np.zeros((3, 2), np.float32)})
