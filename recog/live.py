"""Old place of :class:`Listener`, for programs that import it from here."""

from recog.recognition.live import Listener

__all__ = ["Listener"]
