"""Build the tables of shallow fusion from a language model, a lexicon and hotwords."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recog.decoding.fusion.hotwords import SPACES, Hotwords, build_hotwords, no_hotwords
from recog.decoding.fusion.kernels import (
    CHARACTERS,
    LONGEST,
    NODE,
    NOTHING,
    OPTIONS,
    WORDS,
    FusionTables,
)
from recog.decoding.fusion.lexicon_trie import Lexicon, build_lexicon
from recog.decoding.validation import InvalidInputError
from recog.lm.query import frozen, make_query
from recog.lm.tables import BEGIN, END, UNKNOWN
from recog.lm.tables import SPACE as SPACE_TOKEN
from recog.lm.text import HYPHENS

if TYPE_CHECKING:
    from recog.lm.trie import NGramTrie

SPECIAL = {UNKNOWN, BEGIN, END}
# state, lexicon_node, spelled and hotword_state of recog.decoding.fusion.kernels.PREFIX_STATE
Start = tuple[int, int, int, int]


@dataclass(frozen=True)
class ShallowFusion:
    """A language model and hotwords for a decoder's symbols.

    Attributes:
        tables: the kernels' tables.
        codes: the number of each character of the symbols; 0 is the space.
        end_token: the language model's index of ``</s>``.
        begin: the state after ``<s>``.
        hotword_start: the hotwords' state at the beginning of a text.
    """

    tables: FusionTables
    codes: dict[str, int]
    end_token: int
    begin: int
    hotword_start: int

    def start(self, before: str | None, *, sentence: bool) -> Start:
        """Return the state of the empty prefix.

        Args:
            before: the preceding text. After a hyphen at its end, its last word continues.
            sentence: whether a text without ``before`` begins after ``<s>``.
        """
        if not before:
            return (self.begin if sentence else 0, 0, 0, self.hotword_start)
        from recog.decoding.beam.kernels.lm_score import prefix_state_after

        joined = before.rstrip()
        unfinished = joined.endswith(HYPHENS) and not before[-1].isspace()
        text = joined[:-1] if unfinished else joined + " "
        codes = np.array([0 if c.isspace() else self.codes.get(c, -1) for c in text], np.int32)
        state, lexicon_node, spelled, hotword_state = prefix_state_after(
            self.tables, codes, (0, 0, 0, self.hotword_start)
        )
        # no word of the vocabulary continues the unfinished one
        if lexicon_node < 0 and self.tables.options[0]["closed"]:
            lexicon_node = spelled = 0
        return state, lexicon_node, spelled, hotword_state


def make_fusion(
    symbols: Sequence[str],
    lm: NGramTrie | None,
    *,
    alpha: float,
    beta: float,
    closed_vocabulary: bool,
    unknown_cost: float,
    hotwords: Mapping[str, float],
    lexicon: Mapping[str, Sequence[str]] | None = None,
) -> ShallowFusion:
    """Check the options and build the tables.

    Args:
        symbols: the decoder's, the blank first.
        lm: an n-gram model of words or characters.
        alpha: weight of ln P_lm, at least 0.
        beta: bonus for each word (word models) or character.
        closed_vocabulary: allow only words of the model or of the lexicon.
        unknown_cost: cost of each character of an unknown word, besides P(<unk>); natural log,
            multiplied by alpha.
        hotwords: phrases and their boosts, natural log.
        lexicon: the spellings of words in the symbols, where these are not characters.

    Raises:
        InvalidInputError: an option out of range, or a hotword that cannot be spelled.
    """
    if closed_vocabulary and (lm is None or lm.unit != "word"):
        raise InvalidInputError("a closed vocabulary needs a language model of words.")
    codes, first, spelled = _spellings(symbols)
    hotword_tables = (
        build_hotwords(hotwords, codes, words=0 in codes.values())
        if hotwords
        else no_hotwords(len(codes) + 1)
    )
    index = {} if lm is None else {word: i for i, word in enumerate(lm.words)}
    trie = (
        _lexicon(lm, codes)
        if lm is None or lexicon is None
        else _spelled_lexicon(lm, codes, lexicon, unknown_cost)
    )
    unknown = index.get(UNKNOWN, 0)
    unknown_log_prob = float(lm.log_prob[1 + unknown]) if lm is not None else 0.0
    bounds = _word_bounds(lm)
    word_lengths = np.arange(LONGEST)
    unknown_ahead = unknown_log_prob - unknown_cost * word_lengths
    unknown_end = (bounds[unknown] if lm is not None else 0.0) - unknown_cost * word_lengths
    ahead, word_end = trie.best, _node_bounds(trie, bounds)
    if not closed_vocabulary:
        ahead = np.maximum(ahead, unknown_log_prob - unknown_cost * trie.depth)
        word_end = np.where(
            trie.word >= 0, word_end, unknown_end[np.minimum(trie.depth, LONGEST - 1)]
        )
    lengths = np.diff(first)
    kind = NOTHING if lm is None else CHARACTERS if lm.unit == "character" else WORDS
    hotword_bound = min(300.0, hotword_tables.bound * lengths.max(initial=1))
    bound = 0.0  # bounds are logarithms here
    if kind == WORDS:
        begun = max(float(ahead[1:].max(initial=-1e4)), float(unknown_ahead[1]))
        inside = (
            max(0, *(spelled[a:b].count(0) for a, b in itertools.pairwise(first)))
            if len(first) > 2
            else 0
        )
        ended = max(0.0, alpha * float(bounds.max(initial=-1e4)) + beta)
        bound = max(0.0, alpha * begun + beta) + inside * ended
    elif kind == CHARACTERS and len(lengths) > 1:
        bound = max(beta * float(length) for length in lengths[1:])
    bound, hotword_bound = math.exp(max(-300.0, min(300.0, bound))), math.exp(hotword_bound)
    options = np.zeros(1, OPTIONS)
    for name, value in (
        ("alpha", alpha), ("beta", beta), ("unknown_cost", unknown_cost),
        ("bound", bound * hotword_bound), ("hotword_bound", hotword_bound),
        ("unknown", unknown), ("kind", kind), ("closed", closed_vocabulary),
        ("whole_words", hotword_tables.words),
        ("single", bool((lengths[1:] == 1).all()) and len(set(spelled)) == len(spelled)),
    ):  # fmt: skip
        options[name] = value
    tables = FusionTables(
        options=frozen(options, OPTIONS),
        first=frozen(first, np.int32),
        codes=frozen(spelled, np.int32),
        breaks=frozen([0 in spelled[a:b] for a, b in itertools.pairwise(first)], np.bool_),
        tokens=frozen(_tokens(codes, index, unknown, hotword_tables), np.int32),
        lexicon=_nodes(trie, np.exp(alpha * ahead + beta), _factor(word_end, alpha, beta), spelled),
        members=frozen(trie.members, np.int32),
        unknown=frozen(
            np.stack([_factor(x, alpha, beta) for x in (unknown_ahead, unknown_end)], axis=1),
            np.float64,
        ),
        hotword_next=frozen(hotword_tables.following, np.int32),
        hotword_gain=frozen(
            np.exp(np.stack([hotword_tables.gain, hotword_tables.loan], axis=1)), np.float64
        ),
        lm=make_query(lm),
    )
    begin = 1 + index[BEGIN] if BEGIN in index and lm is not None and lm.order > 1 else 0
    return ShallowFusion(tables, codes, index.get(END, -1), begin, hotword_tables.start)


def _spellings(symbols: Sequence[str]) -> tuple[dict[str, int], list[int], list[int]]:
    """Return the codes of characters, the start of each symbol's spelling, and all spellings."""
    characters = {c for symbol in symbols[1:] for c in symbol}
    space = next((c for c in SPACES if c in characters), None)
    codes = {c: i for i, c in enumerate(sorted(characters - {space}), 1)}
    if space is not None:
        codes[space] = 0
    first, spelled = [0, 0], []
    for symbol in symbols[1:]:
        spelled += [codes[c] for c in symbol]
        first.append(len(spelled))
    if space is not None:
        codes.setdefault(" ", 0)
    return codes, first, spelled


def _lexicon(lm: NGramTrie | None, codes: dict[str, int]) -> Lexicon:
    if lm is None or lm.unit != "word":
        return build_lexicon([], np.zeros(0, np.int32), np.zeros(0), codes)
    ids = np.array([i for i, word in enumerate(lm.words) if word not in SPECIAL], np.int32)
    words = [lm.words[i] for i in ids]
    return build_lexicon(words, ids, lm.log_prob[1 + ids], codes)


def _spelled_lexicon(
    lm: NGramTrie,
    codes: dict[str, int],
    spellings: Mapping[str, Sequence[str]],
    unknown_cost: float,
) -> Lexicon:
    index = lm.index
    unknown = index.get(UNKNOWN, 0)
    rows = [
        (index.get(word, unknown), spelling)
        for word, variants in spellings.items()
        if word not in SPECIAL
        for spelling in variants
    ]
    ids, words = np.array([i for i, _ in rows], np.int32), [spelling for _, spelling in rows]
    lengths = np.array([len(word) for word in words], np.float64)
    cost = np.where(ids == unknown, unknown_cost * lengths, 0.0)
    return build_lexicon(words, ids, lm.log_prob[1 + ids] - cost, codes)


def _node_bounds(lexicon: Lexicon, bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an upper bound of ln P for the words that end at each node; -inf for no word."""
    at_nodes = np.full(len(lexicon.word), -np.inf)
    ends = np.flatnonzero(lexicon.word >= 0)
    if len(ends):
        members = np.where(lexicon.members < 0, -1 - lexicon.members, lexicon.members)
        starts = lexicon.word[ends]
        order = np.argsort(starts)
        at_nodes[ends[order]] = np.maximum.reduceat(bounds[members], starts[order])
    return at_nodes


def _factor(log_prob: NDArray[Any], alpha: float, beta: float) -> NDArray[np.float64]:
    return np.where(log_prob > -np.inf, np.exp(alpha * np.maximum(log_prob, -1e4) + beta), 0.0)


def _word_bounds(lm: NGramTrie | None) -> NDArray[np.float64]:
    """Return an upper bound of ln P(word | any history) for each word.

    This is its most probable n-gram, times the back-offs that are above 1.
    """
    if lm is None or lm.unit != "word":
        return np.zeros(1 if lm is None else len(lm.words))
    bounds = np.full(len(lm.words), -np.inf)
    np.maximum.at(bounds, lm.word[1:], lm.log_prob[1:].astype(np.float64))
    above = sum(
        max(0.0, float(lm.backoff[a:b].max(initial=0.0)))
        for a, b in itertools.pairwise(lm.level_starts[: lm.order + 1])
    )
    return np.minimum(0.0, bounds + above)


def _nodes(
    lexicon: Lexicon, ahead: NDArray[np.float64], word_end: NDArray[np.float64], spelled: list[int]
) -> NDArray[np.void]:
    """Return the lexicon's nodes for kernels, and a last node that ends the children before it."""
    symbol_of = np.zeros(max([*spelled, *lexicon.code.tolist()], default=0) + 1, np.int32)
    symbol_of[spelled] = np.arange(1, len(spelled) + 1)  # used for single characters alone
    nodes = np.zeros(len(lexicon.code) + 1, NODE)
    nodes["look_ahead"][:-1], nodes["word_end"][:-1], nodes["begin"] = (
        ahead,
        word_end,
        lexicon.begin,
    )
    nodes["code"][:-1], nodes["word"][:-1] = lexicon.code, lexicon.word
    nodes["symbol"][:-1] = symbol_of[lexicon.code]
    return frozen(nodes, NODE)


def _tokens(
    codes: dict[str, int], index: dict[str, int], unknown: int, hotwords: Hotwords
) -> list[int]:
    tokens = [unknown] * hotwords.following.shape[1]
    for character, code in codes.items():
        token = SPACE_TOKEN if code == 0 else character
        tokens[code] = index.get(token, unknown)
    return tokens
