"""What is meant for the person at the keyboard: one kind of exception, and how errors of the system
are said."""

from __future__ import annotations

LINE_ENDS = str.maketrans({"\n": r"\n", "\r": r"\r"})


class UserError(Exception):
    """One sentence: what is wrong, with which file, what to do. The command line prints it without
    a traceback."""


class UsageError(UserError):
    """The command was called wrongly: exit code 2."""


def cause(error: OSError) -> str:
    """What an error of the system says, for people."""
    # a folder was to be made, or looked into
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "there is a file where a folder is needed"
    return error.strerror or str(error)


def one_line(sentence: object) -> str:
    """A sentence on one line, whatever file names are in it."""
    return str(sentence).translate(LINE_ENDS)
