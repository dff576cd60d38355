"""ONNX graphs in ONNX Runtime: loading a file that may come from a stranger, and running it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recog.errors import UserError
from recog.model.onnx_check import check_onnx


def open_session(path: Path, *, also: frozenset[str] = frozenset(), threads: int = 1) -> Any:
    """An ``onnxruntime.InferenceSession`` on the CPU of a graph that was checked first.

    Args:
        path: the file.
        also: operators that are allowed beside those of every model; see
            :func:`recog.model.onnx_check.check_onnx`.
        threads: that one run takes.

    Raises:
        UserError: the file is no graph that recog runs.
    """
    import onnxruntime

    check_onnx(path, also=also)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
        why = str(error).splitlines()[0][:200]
        raise UserError(f"{path}: ONNX Runtime cannot load it ({why}).") from None


def run_graph(session: Any, path: Path, feed: Mapping[str, Any]) -> list[Any]:
    """The outputs of one run.

    Args:
        session: an ``onnxruntime.InferenceSession``.
        path: the file that it was loaded from.
        feed: inputs by name.

    Raises:
        UserError: the graph cannot be run on them, as its shapes do not fit or it asks for more
            memory than there is.
    """
    try:
        outputs: list[Any] = session.run(None, dict(feed))
    except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
        why = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: ONNX Runtime cannot run it ({why}); the model is damaged."
        ) from None
    return outputs
