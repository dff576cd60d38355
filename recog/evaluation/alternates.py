"""Choose the reading with the fewest word errors among alternates and optional words.

This follows sclite. An optional word that is missing counts as recognised. The readings form a
graph whose edges are words. Dynamic programming over its nodes aligns it with the other text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.evaluation.counts import Pair
from recog.formats.timed.trn import Markup, MarkupWord, first_reading, parse_markup
from recog.util.display import printable

MAX_CELLS = 100_000_000  # nodes times words of the other text: 400 MB


def choose_readings(pair: Pair, rule: Callable[[str], str]) -> Pair:
    """Replace alternates of a pair by the readings with the fewest word errors.

    Words are compared after rewriting by ``rule``.

    Raises:
        UserError: the braces do not match, or a text is too long.
    """
    if pair.reference_has_markup:
        words = _parse(pair.reference, pair.id)
        other = pair.hypothesis or ""
        if pair.hypothesis_has_markup:
            other = first_reading(_parse(other, pair.id))
        reading, missing = _choose(words, rule(other).split(), rule, pair.id)
        pair = replace(
            pair, reference=reading, skipped_optional=missing, reference_has_markup=False
        )
    if pair.hypothesis_has_markup and pair.hypothesis is not None:
        words = _parse(pair.hypothesis, pair.id)
        reading, _ = _choose(words, rule(pair.reference).split(), rule, pair.id)
        pair = replace(pair, hypothesis=reading, hypothesis_has_markup=False)
    return pair


def _parse(text: str, identity: str) -> Markup:
    try:
        return parse_markup(text)
    except ValueError as error:
        raise UserError(f"The text of '{printable(identity)}' {error}; correct it.") from None


@dataclass(frozen=True)
class _Edge:
    """An edge of the graph: a word, or an empty transition (``label`` -1)."""

    start: int
    label: int = -1
    text: str = ""  # the word that this edge adds to the reading
    skipped_optional: str = ""  # the optional word that this edge omits


@dataclass
class _Graph:
    """All readings as a graph of words.

    ``incoming[k]`` are the edges to node k. Nodes are in topological order.
    """

    number: Callable[[str], int]  # maps a word to its number
    rule: Callable[[str], str]
    incoming: list[list[_Edge]] = field(default_factory=lambda: [[]])

    def add(self, words: Markup, start: int) -> int:
        """Append words after a node and return the last node."""
        for word in words:
            if isinstance(word, MarkupWord):
                end = self._add_word(word.text, start)
                if word.optional:
                    end = self._join([_Edge(end), _Edge(start, skipped_optional=word.text)])
                start = end
            else:
                start = self._join([_Edge(self.add(reading, start)) for reading in word.readings])
        return start

    def _add_word(self, text: str, start: int) -> int:
        labels = [self.number(token) for token in self.rule(text).split()] or [-1]
        for at, label in enumerate(labels):
            start = self._join([_Edge(start, label, text if at == 0 else "")])
        return start

    def _join(self, edges: list[_Edge]) -> int:
        self.incoming.append(edges)
        return len(self.incoming) - 1


def _choose(
    words: Markup, other: list[str], rule: Callable[[str], str], identity: str
) -> tuple[str, tuple[str, ...]]:
    """Find the reading with the fewest errors, and the optional words that it omits."""
    numbers: dict[str, int] = {}
    labels = np.array([numbers.setdefault(token, len(numbers)) for token in other], np.int32)
    graph = _Graph(lambda token: numbers.setdefault(token, len(numbers)), rule)
    end = graph.add(words, 0)
    if len(graph.incoming) * (len(other) + 1) > MAX_CELLS:
        raise UserError(
            f"The texts of '{printable(identity)}' are too long to choose among alternates; split "
            "them into utterances."
        )
    costs = np.zeros((len(graph.incoming), len(other) + 1), np.int32)
    costs[0] = np.arange(len(other) + 1)
    for node, edges in enumerate(graph.incoming[1:], start=1):
        costs[node] = np.min([_costs_along(edge, costs, labels) for edge in edges], axis=0)
    said, skipped_optional = [], []
    node, at = end, len(other)
    while node:
        edge, step = _step_back(graph.incoming[node], costs, node, at, labels)
        at -= step
        if edge is not None:
            node = edge.start
            said.append(edge.text)
            skipped_optional.append(edge.skipped_optional)
    return " ".join(filter(None, reversed(said))), tuple(filter(None, reversed(skipped_optional)))


def _costs_along(
    edge: _Edge, costs: NDArray[np.int32], labels: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Fewest errors at the end of an edge, after each word of the other text."""
    before = costs[edge.start]
    if edge.label < 0:
        return before
    after = before + 1
    np.minimum(after[1:], before[:-1] + (labels != edge.label), out=after[1:])
    at = np.arange(len(after), dtype=np.int32)
    return np.asarray(np.minimum.accumulate(after - at) + at, np.int32)  # insertions


def _step_back(
    edges: list[_Edge], costs: NDArray[np.int32], node: int, at: int, labels: NDArray[np.int32]
) -> tuple[_Edge | None, int]:
    """Trace back one step of the alignment.

    Returns:
        The edge and the number of words of the other text that it consumes. An insertion has no
        edge.
    """
    cost = costs[node, at]
    for edge in edges:
        before = costs[edge.start]
        if edge.label < 0:
            if before[at] == cost:
                return edge, 0
        elif at and before[at - 1] + (labels[at - 1] != edge.label) == cost:
            return edge, 1
        elif before[at] + 1 == cost:
            return edge, 0
    return None, 1
