"""What all tests stand on."""

import signal


def pytest_configure() -> None:
    """A shell ignores Ctrl-C in what it runs in the background, and its children inherit that; the
    tests of Ctrl-C need it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
