"""Neural language models: log-probabilities of texts, with ONNX Runtime and without torch.

The texts of a list are scored in a single run, padded on the right. The network reads from left to
right and quantises each position separately, so a text's score depends neither on its neighbours
nor on the padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.lm.tables import SPACE
from recog.lm.text import HYPHENS, UNKNOWN_COST
from recog.lm.text import tokens as tokens_of
from recog.model.folder import GRAPH, RESCORER, RESCORER_CONFIG, ModelFolder, read_config
from recog.model.language_model import (
    END_ID,
    UNKNOWN_ID,
    LanguageModelConfig,
    LanguageModelFolder,
    open_language_model_folder,
)
from recog.model.onnx_session import open_session, run_graph
from recog.text.normalise import rule

# operators that recognisers' graphs do not have
OPERATORS = frozenset({"Abs", "Div", "Gather", "Gemm", "Round"})
MAX_BATCH = 64  # texts in a run
MAX_OUTPUT = 1 << 22  # log-probabilities in a run, 16 MiB; longer texts take several runs

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class State:
    """The model's state after a text.

    Attributes:
        last: index of the last symbol, which the network has not read yet.
        hidden, cell: (layers, 1, hidden) float32, the network's state before that symbol.
        begun: the beginning of an unfinished word, for models of words.
    """

    last: int
    hidden: Floats
    cell: Floats
    begun: str = ""


class NeuralLM:
    """An LSTM language model of words or characters. Thread-safe.

    Texts are first normalised as the model's training text was. Tokens outside the vocabulary score
    as ``<unk>``.

    Args:
        model_folder: the model.
        threads: of ONNX Runtime.
        unknown_cost: cost of each character of an unknown word besides P(<unk>), natural log; for
            models of words.
        graph: an ONNX file to use in place of the model's ``model.onnx``.

    Raises:
        UserError: the graph is damaged, does not fit the config, or has operators that recog does
            not run.
    """

    def __init__(
        self,
        model_folder: LanguageModelFolder,
        *,
        threads: int = 1,
        unknown_cost: float = UNKNOWN_COST,
        graph: Path | None = None,
    ) -> None:
        self.path = model_folder.path
        self.config = model_folder.config
        self.unknown_cost = unknown_cost
        self.expected: frozenset[str] = frozenset()
        path = graph or model_folder.file(GRAPH)
        self._session = open_session(path, also=OPERATORS, threads=threads)
        interface = [
            (value.name, tuple(value.shape))
            for value in (*self._session.get_inputs(), *self._session.get_outputs())
        ]
        network = self.config.network
        state = (network.layers, "batch", network.hidden)
        symbols = len(self.config.symbols)
        inputs = [("tokens", ("batch", "time")), ("hidden", state), ("cell", state)]
        after = [("hidden_after", state), ("cell_after", state)]
        # older graphs give the probabilities at all positions
        self._selects = len(interface) == 7
        if self._selects:
            outputs = [("places", ("wanted",)), ("log_probs", ("wanted", symbols))]
        else:
            outputs = [("log_probs", ("batch", "time", symbols))]
        if interface != [*inputs, *outputs, *after]:
            raise UserError(
                f"{path}: the network does not have the inputs and outputs that the config says."
            )
        self._index = {symbol: i for i, symbol in enumerate(self.config.symbols)}
        # cached, since a hypothesis is normalised several times
        self._normalise = lru_cache(maxsize=4096)(
            rule(self.config.normalise, self.config.languages)
        )

    @classmethod
    def open(
        cls, path: str | Path, *, threads: int = 1, unknown_cost: float = UNKNOWN_COST
    ) -> NeuralLM:
        """Open the model in a folder.

        Raises:
            UserError: it is not the folder of a neural language model, or is damaged.
        """
        return cls(open_language_model_folder(path), threads=threads, unknown_cost=unknown_cost)

    @classmethod
    def within(
        cls, recogniser: ModelFolder[Any], *, threads: int = 1, unknown_cost: float = UNKNOWN_COST
    ) -> NeuralLM:
        """Open the neural language model in a recogniser's folder.

        Raises:
            UserError: it is missing or damaged.
        """
        config = read_config(recogniser.file(RESCORER_CONFIG), LanguageModelConfig, ("text",))
        model_folder = LanguageModelFolder(recogniser.path, config)
        return cls(
            model_folder,
            threads=threads,
            unknown_cost=unknown_cost,
            graph=recogniser.file(RESCORER),
        )

    def with_unknown_cost(self, cost: float) -> NeuralLM:
        """Return the same model with another ``unknown_cost``."""
        other = copy(self)
        other.unknown_cost = cost
        return other

    def expecting(self, phrases: Iterable[str]) -> NeuralLM:
        """Return the same model without the ``unknown_cost`` for the words of some phrases.

        Unknown words among them cost P(<unk>) alone.
        """
        other = copy(self)
        other.expected = frozenset(
            word for phrase in phrases for word in self._normalise(phrase).split()
        )
        return other

    @property
    def symbols(self) -> tuple[str, ...]:
        """The vocabulary by index: ``<unk>``, ``</s>``, and others; ``|`` is a space character."""
        return self.config.symbols

    def start(self, *, sentence: bool | None = None) -> State:
        """Return the state before any text: after ``</s>``, or anywhere between two words.

        Args:
            sentence: whether the text begins a sentence; by default as the model was trained.
        """
        network = self.config.network
        last = END_ID
        if not self._sentence(sentence):
            last = (
                self._index.get(SPACE, UNKNOWN_ID)
                if self.config.unit == "character"
                else UNKNOWN_ID
            )
        zeros = np.zeros((network.layers, 1, network.hidden), np.float32)
        return State(last, zeros, zeros)

    def read(self, text: str, after: State | None = None, *, sentence: bool | None = None) -> State:
        """Return the state after a line or a sentence, ready for the next.

        In running text a space stands between two lines. After a hyphen there is none: the last
        word continues without the hyphen.

        Args:
            text: the line.
            after: the state after the line before.
            sentence: whether ``</s>`` ends it; by default as the model was trained.
        """
        state = after or self.start(sentence=sentence)
        sentence = self._sentence(sentence)
        unfinished = text.endswith(HYPHENS) and not sentence
        tokens = self._tokens(text[:-1] if unfinished else text, state)
        if not tokens:
            return state
        if sentence:
            return self._follow(state, [*self._ids(tokens)[0], END_ID])
        if self.config.unit == "character":
            return self._follow(state, self._ids(tokens if unfinished else [*tokens, SPACE])[0])
        begun = tokens.pop() if unfinished else ""
        return replace(self._follow(state, self._ids(tokens)[0]), begun=begun)

    def score(
        self,
        texts: Sequence[str],
        before: str | State | None = None,
        *,
        sentence: bool | None = None,
    ) -> NDArray[np.float64]:
        """Return the natural log of each text's probability, (texts,) float64.

        Args:
            texts: such as the hypotheses for a line; white space around them is ignored.
            before: the line that precedes each of them, or the state from :meth:`read`.
            sentence: whether each is a whole sentence, from ``<s>`` (the same as ``</s>`` here) to
                ``</s>``. By default as the model was trained.
        """
        log_probs = self.token_log_probs(texts, before, sentence=sentence)
        return np.array([float(values.sum()) for values in log_probs], np.float64)

    def token_log_probs(
        self,
        texts: Sequence[str],
        before: str | State | None = None,
        *,
        sentence: bool | None = None,
    ) -> list[NDArray[np.float64]]:
        """Return ln P of each text's tokens, and of ``</s>`` after sentences; see :meth:`score`."""
        if isinstance(before, str):
            before = self.read(before, sentence=sentence) if before else None
        state = before or self.start(sentence=sentence)
        end = [END_ID] if self._sentence(sentence) else []
        rows: list[tuple[int, ...]] = []
        costs: list[list[float]] = []
        for text in texts:
            ids, cost = self._ids(self._tokens(text, state))
            rows.append((*ids, *end))
            costs.append(cost + [0.0] * len(end))
        log_probs: dict[tuple[int, ...], NDArray[np.float64]] = {}
        # sorted, so that a run has little padding
        by_length = sorted(set(rows), key=lambda row: (len(row), row))
        for first in range(0, len(by_length), MAX_BATCH):
            batch = by_length[first : first + MAX_BATCH]
            log_probs.update(zip(batch, self._conditionals(batch, state), strict=True))
        return [
            log_probs[row] - np.array(cost, np.float64)
            for row, cost in zip(rows, costs, strict=True)
        ]

    def alike(self, texts: Sequence[str]) -> bool:
        """Whether all texts are the same after the model's normalisation."""
        return len({self._normalise(text).strip() for text in texts}) <= 1

    def _conditionals(
        self, rows: Sequence[Sequence[int]], state: State
    ) -> Iterator[NDArray[np.float64]]:
        """Yield the log-probabilities of each row's tokens; all rows start after ``state``."""
        targets = np.full((len(rows), max(map(len, rows))), UNKNOWN_ID, np.int64)
        for row, ids in zip(targets, rows, strict=True):
            row[: len(ids)] = ids
        inputs = np.hstack((np.full((len(rows), 1), state.last, np.int64), targets[:, :-1]))
        carried = (
            np.repeat(state.hidden, len(rows), axis=1),
            np.repeat(state.cell, len(rows), axis=1),
        )
        log_probs = self.stream(inputs, targets, carried, alike=True)
        for row, ids in zip(log_probs, rows, strict=True):
            yield row[: len(ids)]

    def stream(
        self,
        inputs: NDArray[np.int64],
        targets: NDArray[np.int64],
        carried: tuple[Floats, Floats],
        *,
        alike: bool = False,
    ) -> NDArray[np.float64]:
        """Return the log-probability of each target, given the inputs up to it.

        Args:
            inputs: (batch, time) symbols.
            targets: (batch, time) symbols, each after the input at the same position.
            carried: hidden and cell states (layers, batch, hidden) before the inputs.
            alike: whether these states are the same in all rows. Equal beginnings are then computed
                only once.

        Returns:
            (batch, time) float64, computed in as many steps at a time as memory allows.
        """
        batch, time = targets.shape
        result = np.zeros((batch, time), np.float64)
        hidden, cell = carried
        steps = max(1, MAX_OUTPUT // (max(1, batch) * len(self.symbols)))
        kinds = np.zeros(batch, np.int64) if alike else np.arange(batch)
        for first in range(0, time, steps):
            part = slice(first, first + steps)
            places, which, kinds = _distinct(inputs[:, part], kinds)
            log_probs, hidden, cell = self._run(inputs[:, part], hidden, cell, places)
            result[:, part] = log_probs[which, targets[:, part]]
        if not np.isfinite(result).all():
            raise UserError(
                f"{self.path}: the model's outputs are no probabilities; it is damaged, "
                "train it again."
            )
        return result

    def run(
        self, tokens: NDArray[np.int64], hidden: Floats, cell: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Run the network.

        Args:
            tokens: (batch, time).
            hidden, cell: (layers, batch, hidden), the states before the tokens.

        Returns:
            Log-probabilities (batch, time, symbols) of the symbol after each token, and the states
            after the last.
        """
        batch, time = tokens.shape
        places = (np.arange(batch)[:, None] + batch * np.arange(time)).ravel()
        log_probs, hidden, cell = self._run(tokens, hidden, cell, places)
        return log_probs.reshape(batch, time, -1), hidden, cell

    def _run(
        self, tokens: NDArray[np.int64], hidden: Floats, cell: Floats, places: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Floats]:
        """Run the network for the log-probabilities (places, symbols) at some positions alone.

        Args:
            places: time * batch + row, for each position.
        """
        feed = {"tokens": tokens, "hidden": hidden, "cell": cell}
        if self._selects:
            feed["places"] = places
        log_probs, hidden, cell = run_graph(self._session, self.path, feed)
        if not self._selects:
            log_probs = log_probs[places % len(tokens), places // len(tokens)]
        return log_probs, hidden, cell

    def _sentence(self, sentence: bool | None) -> bool:
        return self.config.sentence if sentence is None else sentence

    def _tokens(self, text: str, state: State) -> list[str]:
        text = self._normalise(text).strip()
        return tokens_of(state.begun + text, self.config.unit) if text else []

    def _ids(self, tokens: Sequence[str]) -> tuple[list[int], list[float]]:
        """Return the tokens' indices, and the cost of each besides its probability."""
        ids = [self._index.get(token, UNKNOWN_ID) for token in tokens]
        if self.config.unit == "character":
            return ids, [0.0] * len(ids)
        costs = [
            self.unknown_cost * len(token)
            if i == UNKNOWN_ID and token not in self.expected
            else 0.0
            for i, token in zip(ids, tokens, strict=True)
        ]
        return ids, costs

    def _follow(self, state: State, ids: list[int]) -> State:
        """Return the state after some symbols, without an unfinished word."""
        if not ids:
            return replace(state, begun="")
        hidden, cell = state.hidden, state.cell
        inputs = np.array([[state.last, *ids[:-1]]], np.int64)
        steps = max(1, MAX_OUTPUT // len(self.symbols))
        for first in range(0, inputs.shape[1], steps):
            _, hidden, cell = self._run(
                inputs[:, first : first + steps], hidden, cell, np.zeros(1, np.int64)
            )
        return State(ids[-1], hidden, cell)


def _distinct(
    tokens: NDArray[np.int64], kinds: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find the distinct beginnings of rows, to compute each only once.

    Args:
        tokens: (batch, time).
        kinds: (batch,) numbers, equal for rows that are the same so far.

    Returns:
        A place (time * batch + row) for each distinct beginning; (batch, time) the index of each
        position's place; and the kinds after the last token.
    """
    batch, time = tokens.shape
    places: list[int] = []
    which = np.zeros((batch, time), np.int64)
    known: dict[tuple[int, int], int] = {}  # (kind, token) -> the kind after it
    for row, (kind, sequence) in enumerate(zip(kinds.tolist(), tokens.tolist(), strict=True)):
        for t, token in enumerate(sequence):
            # the kinds of the arguments have separate numbers
            before = (kind, token) if t else (-1 - kind, token)
            if before not in known:
                known[before] = len(places)
                places.append(t * batch + row)
            kind = which[row, t] = known[before]
    after = which[:, -1].copy() if time else kinds
    return np.array(places, np.int64), which, after
