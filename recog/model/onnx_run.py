"""Running a graph that ONNX Runtime has loaded: what fails is told as damage of the model's file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recog.errors import UserError


def run_graph(session: Any, path: Path, feed: Mapping[str, Any]) -> list[Any]:
    """The outputs of one run.

    Args:
        session: an ``onnxruntime.InferenceSession``.
        path: the file that it was loaded from.
        feed: inputs by name.

    Raises:
        UserError: the graph cannot be run on them, as its shapes do not fit or it asks for more memory than there is.
    """
    try:
        outputs: list[Any] = session.run(None, dict(feed))
    except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
        why = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: ONNX Runtime cannot run it ({why}); the model is damaged.") from None
    return outputs
