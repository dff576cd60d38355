"""Old place of :func:`align_text`, for programs that import it from here."""

from recog.recognition.forced_alignment import align_text

__all__ = ["align_text"]
