"""Whether a page is a negative: light writing on a dark ground, as on microfilm."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 1000  # pixels of the longer side of the copy that is looked at
AROUND = 15  # pixels around each one that say what its paper is
STROKE = 24  # levels that a stroke is darker or lighter than its paper, at least
RATIO = 3.0  # times as many light strokes as dark ones that a negative has


def dark_on_light(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey page (height, width) with dark writing on light paper: a negative is turned into a
    positive.

    Strokes are thinner than what lies around them. So a pixel that differs much from the median of
    its neighbourhood is of a stroke, and where most of these are light the page is a negative.
    Frames and shadows are wide and count for nothing.
    """
    scale = min(1.0, SIDE / max(image.shape))
    small = (
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if scale < 1.0
        else image
    )
    apart = small.astype(np.int16) - cv2.medianBlur(small, AROUND)
    light, dark = int((apart > STROKE).sum()), int((apart < -STROKE).sum())
    return 255 - image if light > RATIO * max(dark, small.size // 2000) else image
