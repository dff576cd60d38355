"""Where :class:`Listener` was; programs that import it from here go on."""

from recog.recognition.live import Listener

__all__ = ["Listener"]
