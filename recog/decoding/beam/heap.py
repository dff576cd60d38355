"""Compiled sorting, and a heap of the best candidates with the worst on top."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from recog.util.jit import helper, inlined


@helper
def sort_down(order, count, key):
    """Sort ``order[:count]`` by falling ``key[order]``, equal keys by rising index.

    Shell sort with few gaps, since a beam is nearly sorted from the frame before.
    """
    for gap in (1750, 301, 57, 10, 1):
        for i in range(gap, count):
            item = order[i]
            value = key[item]
            j = i
            while j >= gap:
                other = order[j - gap]
                if key[other] > value or (key[other] == value and other < item):
                    break
                order[j] = other
                j -= gap
            order[j] = item


@helper
def sift(heap, i, new_score, new_code):
    """Put a candidate at ``i`` of the heap and let it sink.

    A lower score is worse, and of equal scores the higher code.
    """
    size = len(heap)
    while True:
        j = 2 * i + 1
        if j >= size:
            break
        k = j + 1
        if k < size and _worse(heap[k], heap[j]["score"], heap[j]["code"]):
            j = k
        if not _worse(heap[j], new_score, new_code):
            break
        heap[i]["score"] = heap[j]["score"]
        heap[i]["code"] = heap[j]["code"]
        i = j
    heap[i]["score"] = new_score
    heap[i]["code"] = new_code


@inlined
def _worse(candidate, score, code):
    return candidate["score"] < score or (candidate["score"] == score and candidate["code"] > code)


@inlined
def heapify(heap):
    """Turn an array of candidates into a heap."""
    for i in range(len(heap) // 2 - 1, -1, -1):
        sift(heap, i, heap[i]["score"], heap[i]["code"])
