"""Where :func:`align_text` was; programs that import it from here go on."""

from recog.recognition.forced_alignment import align_text

__all__ = ["align_text"]
