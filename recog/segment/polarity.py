"""Negatives, light writing on a dark ground as on microfilm, turned into positives."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 1000  # pixels of the longer side of the reduced copy that is examined
AROUND = 15  # pixels of the neighbourhood whose median is the paper
STROKE = 24  # grey levels by which a stroke differs from its paper, at least
RATIO = 3.0  # light strokes to dark ones from which a page is a negative


def dark_on_light(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn a grey page (height, width) into dark writing on light paper.

    Strokes are thin, so a pixel that differs much from the median of its neighbourhood is part of a
    stroke. Where most strokes are light, the page is a negative. Frames and shadows are wide and do
    not count.
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
