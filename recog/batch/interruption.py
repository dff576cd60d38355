"""Make sure that Ctrl-C ends a batch.

Python drops exceptions that are raised in a finaliser or in the callback of a weak reference. A
``KeyboardInterrupt`` that falls into one would be lost, and the batch would go on. So it is stored
here and raised again.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Interruption:
    """A context manager in which :meth:`check` raises again after a ``SIGINT``.

    Does nothing outside the main thread, or if ``SIGINT`` is ignored, as in the background of a
    shell.
    """

    def __init__(self) -> None:
        self._interrupted = False
        self._installed = False

    def __enter__(self) -> Interruption:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_sigint)
            self._installed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if there was a ``SIGINT``."""
        if self._interrupted:
            raise KeyboardInterrupt

    def _on_sigint(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        raise KeyboardInterrupt
