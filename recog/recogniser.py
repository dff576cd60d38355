"""Where :class:`Recogniser` and :func:`load` were; programs that import them from here go on."""

from recog.recognition.base import Recogniser
from recog.recognition.load import load

__all__ = ["Recogniser", "load"]
