"""Where :class:`Recogniser` and :func:`load` were; programs that import them from here go on."""

from recog.loading import load
from recog.recognition.base import Recogniser

__all__ = ["Recogniser", "load"]
