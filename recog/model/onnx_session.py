"""Load an ONNX file from an untrusted source in ONNX Runtime, and run it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recog.errors import UserError
from recog.model.onnx_check import check_onnx


def open_session(path: Path, *, also: frozenset[str] = frozenset(), threads: int = 1) -> Any:
    """Check an ONNX file and open an ``onnxruntime.InferenceSession`` on the CPU.

    Args:
        path: the file.
        also: additional allowed operators; see :func:`recog.model.onnx_check.check_onnx`.
        threads: number of threads of a run.

    Raises:
        UserError: recog cannot run the graph in the file.
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
    """Run a graph once and return its outputs.

    Args:
        session: an ``onnxruntime.InferenceSession``.
        path: the file of the session, for error messages.
        feed: inputs by name.

    Raises:
        UserError: the graph cannot run on the inputs, because shapes do not match or memory is too
            small.
    """
    try:
        outputs: list[Any] = session.run(None, dict(feed))
    except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
        why = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: ONNX Runtime cannot run it ({why}); the model is damaged."
        ) from None
    return outputs
