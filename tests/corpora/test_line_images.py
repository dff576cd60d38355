"""Pictures of rows: whole images and lines cut out of pages."""

import cv2
import numpy as np

from recog.corpora.line_images import line_image
from recog.corpora.rows import LineShape, Row


def test_a_line_is_cut_out_of_its_page_and_an_image_is_whole(tmp_path):
    page = np.full((200, 400), 255, np.uint8)
    page[90:100, 50:350] = 0
    cv2.imwrite(str(tmp_path / "page.png"), page)
    whole = line_image(Row(tmp_path / "page.png", "x"))
    assert whole.shape == (200, 400)
    polygon = ((40.0, 80.0), (360.0, 80.0), (360.0, 110.0), (40.0, 110.0))
    cut = line_image(
        Row(tmp_path / "page.png", "x", line=LineShape(polygon, ((40.0, 100.0), (360.0, 100.0))))
    )
    assert abs(cut.shape[0] - 30) <= 2 and abs(cut.shape[1] - 320) <= 2
    assert 0.2 < (cut < 128).mean() < 0.45
