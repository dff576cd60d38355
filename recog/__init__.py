"""recog: speech and handwriting to text on your own machine.

>>> import recog
>>> recog.load("english-speech").transcribe("talk.mp3").text  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recog.decoding import Decoder
    from recog.errors import UsageError, UserError
    from recog.evaluation.rates import cer, wer
    from recog.recognition.handwriting import HandwritingRecogniser
    from recog.recognition.load import load
    from recog.recognition.speech import SpeechRecogniser
    from recog.transcript import Alternative, Line, Transcript, Word

__version__ = "0.1.0"
__all__ = [
    "Alternative",
    "Decoder",
    "HandwritingRecogniser",
    "Line",
    "SpeechRecogniser",
    "Transcript",
    "UsageError",
    "UserError",
    "Word",
    "__version__",
    "cer",
    "load",
    "wer",
]
_PLACES = {
    "Alternative": "recog.transcript",
    "Decoder": "recog.decoding",
    "HandwritingRecogniser": "recog.recognition.handwriting",
    "Line": "recog.transcript",
    "SpeechRecogniser": "recog.recognition.speech",
    "Transcript": "recog.transcript",
    "UsageError": "recog.errors",
    "UserError": "recog.errors",
    "Word": "recog.transcript",
    "cer": "recog.evaluation.rates",
    "load": "recog.recognition.load",
    "wer": "recog.evaluation.rates",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used.

    So ``recog --help`` does not wait for ONNX Runtime.
    """
    if name not in _PLACES:
        raise AttributeError(f"module 'recog' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
