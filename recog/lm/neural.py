"""Neural language models in use: a model folder -> log-probabilities of texts, by ONNX Runtime, no
torch.

The texts of a list are scored in one run, padded on the right. The network reads from left to
right, and what is rounded in it is rounded for each place by itself, so that a text's score depends
neither on its neighbours nor on the padding.
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

# what the graph has that recognisers' have not
OPERATORS = frozenset({"Abs", "Div", "Gather", "Gemm", "Round"})
MAX_BATCH = 64  # texts in one run
MAX_OUTPUT = 1 << 22  # log-probabilities in one run, 16 MiB; longer texts take several

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class State:
    """Where a text leaves off.

    Attributes:
        last: index of the last symbol, which the network has not read yet.
        hidden, cell: (layers, 1, hidden) float32, the network's state before that symbol.
        begun: the beginning of a word that goes on, of a model of words.
    """

    last: int
    hidden: Floats
    cell: Floats
    begun: str = ""


class NeuralLM:
    """An LSTM language model of words or characters. Thread-safe.

    Texts go through the model's own normalisation first; what its vocabulary lacks scores as
    ``<unk>``.

    Args:
        model_folder: the model.
        threads: of ONNX Runtime.
        unknown_cost: what each character of an unknown word costs beside P(<unk>), natural log; for
            models of words.
        graph: another ONNX file of the same model than its ``model.onnx`` (for comparisons).

    Raises:
        UserError: the graph is damaged, is not the config's, or holds what recog does not run.
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
        found = [
            (v.name, tuple(v.shape))
            for v in (*self._session.get_inputs(), *self._session.get_outputs())
        ]
        network = self.config.network
        state = (network.layers, "batch", network.hidden)
        symbols = len(self.config.symbols)
        inputs = [("tokens", ("batch", "time")), ("hidden", state), ("cell", state)]
        after = [("hidden_after", state), ("cell_after", state)]
        self._chooses = len(found) == 7  # older graphs give the probabilities at all places
        if self._chooses:
            expected = [
                *inputs,
                ("places", ("wanted",)),
                ("log_probs", ("wanted", symbols)),
                *after,
            ]
        else:
            expected = [*inputs, ("log_probs", ("batch", "time", symbols)), *after]
        if found != expected:
            raise UserError(
                f"{path}: the network does not have the inputs and outputs that the config says."
            )
        self._index = {symbol: i for i, symbol in enumerate(self.config.symbols)}
        self._normalise = lru_cache(maxsize=4096)(
            rule(self.config.normalise, self.config.languages)
        )  # a reading is looked at several times

    @classmethod
    def open(
        cls, path: str | Path, *, threads: int = 1, unknown_cost: float = UNKNOWN_COST
    ) -> NeuralLM:
        """The model in a folder.

        Raises:
            UserError: it is not the folder of a neural language model, or is damaged.
        """
        return cls(open_language_model_folder(path), threads=threads, unknown_cost=unknown_cost)

    @classmethod
    def within(
        cls, recogniser: ModelFolder[Any], *, threads: int = 1, unknown_cost: float = UNKNOWN_COST
    ) -> NeuralLM:
        """The one that a recogniser has in its own folder.

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
        """The same model with another ``unknown_cost``."""
        other = copy(self)
        other.unknown_cost = cost
        return other

    def expecting(self, phrases: Iterable[str]) -> NeuralLM:
        """The same model for texts in which somebody expects some phrases: where their words are
        unknown to it they cost P(<unk>), and nothing for their characters."""
        other = copy(self)
        other.expected = frozenset(
            word for phrase in phrases for word in self._normalise(phrase).split()
        )
        return other

    @property
    def symbols(self) -> tuple[str, ...]:
        """The vocabulary by index; ``<unk>`` and ``</s>`` first, the space of a character model as
        ``|``."""
        return self.config.symbols

    # ---- where a text stands
    # -----------------------------------------------------------------------------------------

    def start(self, *, sentence: bool | None = None) -> State:
        """Before any text: after ``</s>``, or anywhere between two words.

        Args:
            sentence: whether what follows is the beginning of a sentence; by default as the model
                was trained.
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
        """Where a line, or a sentence, leaves off, ready for the next one.

        Of running text, a space stands between two lines, but none where the first ends in a
        hyphen: there its last word goes on without the hyphen.

        Args:
            text: the line.
            after: the state that the line before it left.
            sentence: whether ``</s>`` closes it; by default as the model was trained.
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

    def next_log_probs(self, state: State) -> Floats:
        """(symbols,) natural log of the probability of each symbol after a text."""
        return self.run(np.array([[state.last]], np.int64), state.hidden, state.cell)[0][0, 0]

    # ---- scores
    # ------------------------------------------------------------------------------------------------------

    def score(
        self,
        texts: Sequence[str],
        before: str | State | None = None,
        *,
        sentence: bool | None = None,
    ) -> NDArray[np.float64]:
        """Natural log of each text's probability, (texts,) float64.

        Args:
            texts: for instance the readings of one line; white space around them counts nothing.
            before: the line that each of them follows, or where :meth:`read` left off.
            sentence: whether each is a whole sentence: after ``<s>``, which is ``</s>`` here, and
                with ``</s>`` at its end. By default as the model was trained.
        """
        found = self.token_log_probs(texts, before, sentence=sentence)
        return np.array([float(values.sum()) for values in found], np.float64)

    def token_log_probs(
        self,
        texts: Sequence[str],
        before: str | State | None = None,
        *,
        sentence: bool | None = None,
    ) -> list[NDArray[np.float64]]:
        """For each text the natural log of the probability of each of its tokens after those before
        it, ``</s>`` among them where the text is a sentence; see :meth:`score`."""
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
        found: dict[tuple[int, ...], NDArray[np.float64]] = {}
        # so that a run has little padding
        by_length = sorted(set(rows), key=lambda row: (len(row), row))
        for first in range(0, len(by_length), MAX_BATCH):
            batch = by_length[first : first + MAX_BATCH]
            found.update(zip(batch, self._conditionals(batch, state), strict=True))
        return [
            found[row] - np.array(cost, np.float64) for row, cost in zip(rows, costs, strict=True)
        ]

    def alike(self, texts: Sequence[str]) -> bool:
        """Whether all texts are the same to the model: words that differ in what its normalisation
        looks away from."""
        return len({self._normalise(text).strip() for text in texts}) <= 1

    def _conditionals(
        self, rows: Sequence[Sequence[int]], state: State
    ) -> Iterator[NDArray[np.float64]]:
        """The log-probabilities of the tokens of each row, all after ``state``."""
        targets = np.full((len(rows), max(map(len, rows))), UNKNOWN_ID, np.int64)
        for row, ids in zip(targets, rows, strict=True):
            row[: len(ids)] = ids
        inputs = np.hstack((np.full((len(rows), 1), state.last, np.int64), targets[:, :-1]))
        carried = (
            np.repeat(state.hidden, len(rows), axis=1),
            np.repeat(state.cell, len(rows), axis=1),
        )
        found = self.stream(inputs, targets, carried, alike=True)
        for row, ids in zip(found, rows, strict=True):
            yield row[: len(ids)]

    def stream(
        self,
        inputs: NDArray[np.int64],
        targets: NDArray[np.int64],
        carried: tuple[Floats, Floats],
        *,
        alike: bool = False,
    ) -> NDArray[np.float64]:
        """The log-probabilities (batch, time) float64 of ``targets``, each after the ``inputs``
        (batch, time) up to it and the states (layers, batch, hidden) before them; as many steps in
        a run as memory allows. ``alike`` says that these states are the same for all rows: what
        follows equal beginnings is then computed once."""
        batch, time = targets.shape
        found = np.zeros((batch, time), np.float64)
        hidden, cell = carried
        steps = max(1, MAX_OUTPUT // (max(1, batch) * len(self.symbols)))
        kinds = np.zeros(batch, np.int64) if alike else np.arange(batch)
        for first in range(0, time, steps):
            part = slice(first, first + steps)
            places, which, kinds = _distinct(inputs[:, part], kinds)
            log_probs, hidden, cell = self._run(inputs[:, part], hidden, cell, places)
            found[:, part] = log_probs[which, targets[:, part]]
        if not np.isfinite(found).all():
            raise UserError(
                f"{self.path}: the model's outputs are no probabilities; it is damaged, train it again."
            )
        return found

    def run(
        self, tokens: NDArray[np.int64], hidden: Floats, cell: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """One run of the network: ``tokens`` (batch, time) after the states (layers, batch, hidden)
        give the log-probabilities (batch, time, symbols) of what follows each, and the states after
        the last."""
        batch, time = tokens.shape
        places = (np.arange(batch)[:, None] + batch * np.arange(time)).ravel()
        log_probs, hidden, cell = self._run(tokens, hidden, cell, places)
        return log_probs.reshape(batch, time, -1), hidden, cell

    def _run(
        self, tokens: NDArray[np.int64], hidden: Floats, cell: Floats, places: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Floats]:
        """The same, the log-probabilities (places, symbols) of what follows the tokens at
        ``places`` (time * batch + row)."""
        feed = {"tokens": tokens, "hidden": hidden, "cell": cell}
        if self._chooses:
            feed["places"] = places
        log_probs, hidden, cell = run_graph(self._session, self.path, feed)
        if not self._chooses:
            log_probs = log_probs[places % len(tokens), places // len(tokens)]
        return log_probs, hidden, cell

    # ---- texts to symbols
    # --------------------------------------------------------------------------------------------

    def _sentence(self, sentence: bool | None) -> bool:
        return self.config.sentence if sentence is None else sentence

    def _tokens(self, text: str, state: State) -> list[str]:
        text = self._normalise(text).strip()
        return tokens_of(state.begun + text, self.config.unit) if text else []

    def _ids(self, tokens: Sequence[str]) -> tuple[list[int], list[float]]:
        """The symbols' indices, and what each costs beside its probability."""
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
        """The state some symbols later, no word begun."""
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
    """Where texts that begin alike part.

    Args:
        tokens: (batch, time).
        kinds: (batch,) numbers, the same for rows that were alike up to here.

    Returns:
        Places (time * batch + row), one for each different beginning; (batch, time) which of them
        is each row's at each time; and the kinds after the last token.
    """
    batch, time = tokens.shape
    places: list[int] = []
    which = np.zeros((batch, time), np.int64)
    known: dict[tuple[int, int], int] = {}  # (kind, token) -> the kind after it
    for row, (kind, sequence) in enumerate(zip(kinds.tolist(), tokens.tolist(), strict=True)):
        for t, token in enumerate(sequence):
            # the kinds that came in are numbered apart
            before = (kind, token) if t else (-1 - kind, token)
            if before not in known:
                known[before] = len(places)
                places.append(t * batch + row)
            kind = which[row, t] = known[before]
    after = which[:, -1].copy() if time else kinds
    return np.array(places, np.int64), which, after
