"""Old place of :class:`Recogniser` and :func:`load`, for programs that import them from here."""

from recog.recognition.base import Recogniser
from recog.recognition.load import load

__all__ = ["Recogniser", "load"]
