"""Free Spoken Digit Dataset (Jackson et al. 2018): ``recordings/7_jackson_32.wav`` is digit, speaker, index.

Text: the digit spelled out in English. Group: the speaker. Split: indices 0 to 4 are the official test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from recog.corpora.files import is_sound, walk
from recog.corpora.manifest import Row
from recog.errors import UserError

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEST_INDICES = range(5)
_NAME = re.compile(r"([0-9])_(.+)_([0-9]+)")


def rows(src: Path) -> Iterator[Row]:
    """The recordings beneath ``src`` whose names have the three parts.

    Raises:
        UserError: there is none.
    """
    names = [(file, match) for file in walk(src) if is_sound(file) and (match := _NAME.fullmatch(file.stem))]
    if not names:
        raise UserError(
            f"{src} does not look like the Free Spoken Digit Dataset: no sound is called digit_speaker_index."
        )
    for file, match in names:
        digit, speaker, index = match.groups()
        split = "test" if int(index[:9]) in TEST_INDICES else None
        yield Row(file, DIGITS[int(digit)], group=speaker, split=split)
