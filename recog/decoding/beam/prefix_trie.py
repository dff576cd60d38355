"""The prefix trie of the beam search: arrays and a hash table, O(1) to find a child."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.util.jit import helper

NO_PARENT, ROOT = 0, 1  # nodes of every trie: the parent of the empty prefix, and the empty prefix
MULTIPLIER = 0x2545F4914F6CDD1D  # of xorshift64* (Marsaglia 2003; Vigna 2016)
NODE = np.dtype(
    [
        ("parent", "i4"),
        ("label", "i4"),  # last label of the prefix; 0 for the empty prefix
        ("row", "i4"),  # 1 + the prefix's row in the beam, or 0
    ]
)


class Trie(NamedTuple):
    """Prefixes as numbered nodes. A parent's number is lower than its children's."""

    nodes: Any  # (capacity,) NODE
    # (power of two,) int32: nodes hashed by parent and label, open addressing, 0 where free
    table: Any
    size: Any  # (1,) int64, nodes in use


def make_trie(capacity: int) -> Trie:
    """Make a trie of the empty prefix, with room for ``capacity`` nodes. Runs in Python.

    Numba compiles NumPy's constructors slowly, so arrays are made in Python.
    """
    slots = 1 << max(4, (2 * capacity - 1).bit_length())
    trie = Trie(np.zeros(capacity, NODE), np.zeros(slots, np.int32), np.zeros(1, np.int64))
    trie.size[0] = ROOT + 1
    return trie


def with_room(trie: Trie, extra: int) -> Trie:
    """Return the trie, or a larger copy, with room for ``extra`` more nodes. Runs in Python."""
    size = int(trie.size[0])
    if size + extra <= len(trie.nodes):
        return trie
    larger = make_trie(2 * (size + extra))
    larger.size[0] = size
    larger.nodes[:size] = trie.nodes[:size]
    waiting = np.arange(ROOT + 1, size)
    slots = _hashed(
        larger.nodes["parent"][waiting], larger.nodes["label"][waiting], len(larger.table) - 1
    )
    # all nodes try their slots at once; the first of several gets a free slot
    while len(waiting):
        free = larger.table[slots] == 0
        _, first = np.unique(slots[free], return_index=True)
        placed = np.flatnonzero(free)[first]
        larger.table[slots[placed]] = waiting[placed]
        left = np.ones(len(waiting), np.bool_)
        left[placed] = False
        waiting, slots = waiting[left], (slots[left] + 1) & (len(larger.table) - 1)
    return larger


def _hashed(parent: NDArray[np.int32], label: NDArray[np.int32], mask: int) -> NDArray[np.int64]:
    """Return the slots where :func:`_slot` begins its search."""
    with np.errstate(over="ignore"):
        key = (parent.astype(np.int64) * 1_000_003 + label) * np.int64(MULTIPLIER)
    return (key ^ (key >> 31)) & mask


@helper
def _slot(trie, parent, label):
    """Return the table's slot of a child, or the free slot for it."""
    mask = len(trie.table) - 1
    key = (parent * 1_000_003 + label) * MULTIPLIER
    slot = (key ^ (key >> 31)) & mask
    while True:
        node = trie.table[slot]
        if node == 0 or (
            trie.nodes[node]["parent"] == parent and trie.nodes[node]["label"] == label
        ):
            return slot
        slot = (slot + 1) & mask


@helper
def child_of(trie, parent, label):
    """Return the node of a parent's extension by a label.

    A new node is made if there is none; the trie must have room for it.
    """
    slot = _slot(trie, parent, label)
    node = np.int64(trie.table[slot])
    if node == 0:
        node = trie.size[0]
        trie.size[0] += 1
        trie.nodes[node]["parent"] = parent
        trie.nodes[node]["label"] = label
        trie.table[slot] = node
    return node
