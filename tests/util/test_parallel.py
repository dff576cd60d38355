"""Work on several threads, in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from recog.util.parallel import cores, parallel


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return 2 * item

    assert list(parallel(slow_first, range(20), threads)) == [2 * item for item in range(20)]


def test_no_more_items_are_taken_than_may_wait() -> None:
    release, taken = threading.Event(), 0

    def items() -> Iterator[int]:
        nonlocal taken
        for taken in range(1, 101):
            if taken == 6:
                release.set()
            yield taken

    results = parallel(lambda item: (release.wait(10), item)[1], items(), 2)
    assert next(results) == 1
    assert taken == 6, "three for each thread"
    results.close()


def test_cores() -> None:
    assert cores() >= 1
