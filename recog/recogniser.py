"""Old place of :class:`Recogniser` and :func:`load`; programs still import them here."""

from recog.recognition.base import Recogniser
from recog.recognition.load import load

__all__ = ["Recogniser", "load"]
