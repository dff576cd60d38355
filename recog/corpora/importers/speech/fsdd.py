"""Import the Free Spoken Digit Dataset (Jackson et al. 2018).

``recordings/7_jackson_32.wav`` is digit, speaker, index. Text: the digit spelled out in English.
Group: the speaker. Split: indices 0 to 4 are the official test, which has the speakers of the
training. ``dev="5-9"`` takes these indices for dev, and the others for train.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from recog.corpora.files import is_sound, walk
from recog.corpora.rows import Row
from recog.errors import UserError

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEST_INDICES = range(5)
_NAME = re.compile(r"([0-9])_(.+)_([0-9]+)")


def rows(src: Path, dev: str = "") -> Iterator[Row]:
    """Import the recordings below ``src`` whose names have the three parts.

    Args:
        dev: first and last index of the dev split, ``5-9``; if it is not given, rows are not split.

    Raises:
        UserError: there is no recording, or ``dev`` is invalid.
    """
    held_back = _indices(dev)
    names = [
        (file, match)
        for file in walk(src)
        if is_sound(file) and (match := _NAME.fullmatch(file.stem))
    ]
    if not names:
        raise UserError(
            f"{src} does not look like the Free Spoken Digit Dataset: no sound is called "
            "digit_speaker_index."
        )
    for file, match in names:
        digit, speaker, index = match.groups()
        split: str | None = "test"
        if int(index[:9]) not in TEST_INDICES:
            split = None if held_back is None else "dev" if int(index[:9]) in held_back else "train"
        yield Row(file, DIGITS[int(digit)], group=speaker, split=split)


def _indices(option: str) -> range | None:
    if not option:
        return None
    match = re.fullmatch(r"([0-9]{1,6})-([0-9]{1,6})", option)
    if not match:
        raise UserError(
            "The option dev of fsdd is the first and the last index, as in 5-9, and not "
            f"'{option}'."
        )
    return range(int(match[1]), int(match[2]) + 1)
