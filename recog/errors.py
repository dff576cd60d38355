"""Exceptions for the user, and the wording of operating system errors."""

from __future__ import annotations

LINE_ENDS = str.maketrans({"\n": r"\n", "\r": r"\r"})


class UserError(Exception):
    """An error for the user, worded as a single sentence.

    The sentence says what is wrong, with which file, and what to do. The command line prints it
    without a traceback.
    """


class UsageError(UserError):
    """Wrong usage of the command line: exit code 2."""


def cause(error: OSError) -> str:
    """The reason of an operating system error, in plain words."""
    # raised when a folder is made or opened where a file is
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "there is a file where a folder is needed"
    return error.strerror or str(error)


def one_line(sentence: object) -> str:
    """Escape the line breaks of a sentence, which file names may contain."""
    return str(sentence).translate(LINE_ENDS)
