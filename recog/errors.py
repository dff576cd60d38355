"""The one kind of exception whose message is meant for the person at the keyboard."""

from __future__ import annotations


class UserError(Exception):
    """One sentence: what is wrong, with which file, what to do. The command line prints it without a traceback."""


class UsageError(UserError):
    """The command was called wrongly: exit code 2."""
