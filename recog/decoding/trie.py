"""The prefix trie of the beam search: arrays and a hash table, for kernels. Finding or making a child takes O(1)."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recog.compilation import helper

NOBODY, ROOT = 0, 1  # nodes of every trie: the parent of the empty prefix, and the empty prefix


class Trie(NamedTuple):
    """Prefixes by number. A parent's number is lower than its children's."""

    parent: Any  # (capacity,) int32
    label: Any  # (capacity,) int32, the label that the node adds to its parent; 0 for the empty prefix
    row: Any  # (capacity,) int32, where in the beam the prefix stands, or -1
    table: Any  # (power of two,) int32: nodes hashed by parent and label, open addressing, 0 where free
    size: Any  # (1,) int64, nodes in use


def make_trie(capacity):
    """A trie of the empty prefix, with room for this many nodes. Runs in Python; kernels call ``new_trie``."""
    slots = 16
    while slots < 2 * capacity:
        slots *= 2
    parent, label = np.zeros(capacity, np.int32), np.zeros(capacity, np.int32)
    row, table, size = np.zeros(capacity, np.int32), np.zeros(slots, np.int32), np.zeros(1, np.int64)
    row[:] = -1
    size[0] = 2
    return Trie(parent, label, row, table, size)


new_trie = helper(make_trie)


@helper
def _slot(trie, parent, label):
    """Where in the table the child stands, or the free place where it belongs."""
    mask = len(trie.table) - 1
    key = (parent * 1_000_003 + label) * 0x2545F4914F6CDD1D
    slot = (key ^ (key >> 31)) & mask
    while True:
        node = trie.table[slot]
        if node == 0 or (trie.parent[node] == parent and trie.label[node] == label):
            return slot
        slot = (slot + 1) & mask


@helper
def child_of(trie, parent, label):
    """The node of a parent's extension by a label, made where it is new; the trie must have room for it."""
    slot = _slot(trie, parent, label)
    node = np.int64(trie.table[slot])
    if node == 0:
        node = trie.size[0]
        trie.size[0] += 1
        trie.parent[node] = parent
        trie.label[node] = label
        trie.table[slot] = node
    return node


@helper
def with_room(trie, extra):
    """The trie, or a larger copy, with room for ``extra`` more nodes."""
    size = trie.size[0]
    if size + extra <= len(trie.parent):
        return trie
    larger = new_trie(2 * (size + extra))
    larger.size[0] = size
    larger.row[ROOT] = trie.row[ROOT]
    for node in range(ROOT + 1, size):  # loops: slices would compile their error messages too
        larger.parent[node] = trie.parent[node]
        larger.label[node] = trie.label[node]
        larger.row[node] = trie.row[node]
        larger.table[_slot(larger, np.int64(trie.parent[node]), np.int64(trie.label[node]))] = node
    return larger
