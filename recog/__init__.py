"""recog: speech and handwriting to text on your own machine.

>>> import recog
>>> recog.load("english-speech").transcribe("talk.mp3").text  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recog.recogniser import load
    from recog.transcript import Alternative, Line, Transcript, Word

__version__ = "0.1.0"
__all__ = ["Alternative", "Line", "Transcript", "Word", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: ``recog --help`` must not wait for ONNX Runtime."""
    if name == "load":
        from recog.recogniser import load

        return load
    if name in ("Alternative", "Line", "Transcript", "Word"):
        from recog import transcript

        return getattr(transcript, name)
    raise AttributeError(f"module 'recog' has no attribute {name!r}")
