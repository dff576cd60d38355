"""Ctrl-C in a batch is not lost.

Python drops whatever is raised in a finaliser or in the callback of a weak reference, and so a
``KeyboardInterrupt`` that happens to fall into one: the batch would go on as if nothing had been
asked of it. It is remembered here, and raised again.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class Interruption:
    """A context manager in which ``SIGINT`` raises ``KeyboardInterrupt``, as ever, and
    :meth:`check` does so once more.

    Does nothing outside the main thread, or where ``SIGINT`` is ignored, as in what a shell runs in
    the background.
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
        """Raise what was asked for and has been lost.

        Raises:
            KeyboardInterrupt: there was a ``SIGINT``.
        """
        if self._interrupted:
            raise KeyboardInterrupt

    def _on_sigint(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        raise KeyboardInterrupt
