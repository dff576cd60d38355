"""What the user asks of a language model and hotwords -> the tables that the beam's kernels
take."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recog.decoding.fusion.hotwords import SPACES, Hotwords, build_hotwords, no_hotwords
from recog.decoding.fusion.kernels import CHARACTERS, LONGEST, NODE, NOTHING, OPTIONS, WORDS, Fusion
from recog.decoding.fusion.lexicon_trie import Lexicon, build_lexicon
from recog.decoding.validation import InvalidInputError
from recog.lm.query import frozen, make_query
from recog.lm.tables import BEGIN, END, UNKNOWN
from recog.lm.tables import SPACE as SPACE_TOKEN
from recog.lm.text import HYPHENS

if TYPE_CHECKING:
    from recog.lm.trie import NGramTrie

SPECIAL = {UNKNOWN, BEGIN, END}
# state, node of the lexicon, characters spelled, state of the hotwords
Start = tuple[int, int, int, int]


@dataclass(frozen=True)
class Language:
    """A language model and hotwords over some symbols, ready for the beam.

    Attributes:
        fusion: the kernels' tables.
        codes: the number of each character of the symbols; 0 is the space.
        end_token: the language model's ``</s>``.
        begin: the state after ``<s>``.
        hot_start: the hotwords' state at the beginning of a text.
    """

    fusion: Fusion
    codes: dict[str, int]
    end_token: int
    begin: int
    hot_start: int

    def start(self, before: str | None, *, sentence: bool) -> Start:
        """Where decoding begins.

        Args:
            before: the text that this one follows. Where it ends in a hyphen, as a line does, its
                last word goes on.
            sentence: without a text before, begin after ``<s>`` rather than anywhere.
        """
        if not before:
            return (self.begin if sentence else 0, 0, 0, self.hot_start)
        from recog.decoding.beam.kernels import lm_score as context_kernels

        joined = before.rstrip()
        unfinished = joined.endswith(HYPHENS) and not before[-1].isspace()
        text = joined[:-1] if unfinished else joined + " "
        codes = np.array([0 if c.isspace() else self.codes.get(c, -1) for c in text], np.int32)
        state, lex, spelled, hot = context_kernels.position_after(
            self.fusion, codes, (0, 0, 0, self.hot_start)
        )
        if lex < 0 and self.fusion.options[0]["closed"]:  # no word of the vocabulary goes on so
            lex = spelled = 0
        return state, lex, spelled, hot


def make_language(
    symbols: Sequence[str],
    lm: NGramTrie | None,
    *,
    alpha: float,
    beta: float,
    closed_vocabulary: bool,
    unknown_cost: float,
    hotwords: Mapping[str, float],
    lexicon: Mapping[str, Sequence[str]] | None = None,
) -> Language:
    """Check the options and build the tables.

    Args:
        symbols: as the decoder has them, the blank's first.
        lm: an n-gram model of words or characters.
        alpha: weight of ln P_lm, at least 0.
        beta: added to the score for each word (word models) or character.
        closed_vocabulary: allow the words of a word model, or of the lexicon, only.
        unknown_cost: what each character of an unknown word costs beside P(<unk>), natural log,
            weighed by alpha.
        hotwords: phrases and their boosts, natural log.
        lexicon: how words are spelled in the symbols, where not by their own characters.

    Raises:
        InvalidInputError: an option out of range, or a hotword that cannot be spelled.
    """
    if closed_vocabulary and (lm is None or lm.unit != "word"):
        raise InvalidInputError("a closed vocabulary needs a language model of words.")
    codes, first, spelled = _spellings(symbols)
    hot = (
        build_hotwords(hotwords, codes, words=0 in codes.values())
        if hotwords
        else no_hotwords(len(codes) + 1)
    )
    index = {} if lm is None else {word: i for i, word in enumerate(lm.words)}
    known = (
        _lexicon(lm, codes)
        if lm is None or lexicon is None
        else _spelled(lm, codes, lexicon, unknown_cost)
    )
    unknown = index.get(UNKNOWN, 0)
    unknown_log_prob = float(lm.log_prob[1 + unknown]) if lm is not None else 0.0
    most = _most(lm)
    lengths_of_words = np.arange(LONGEST)
    spelled_unknown = unknown_log_prob - unknown_cost * lengths_of_words
    ended_unknown = (most[unknown] if lm is not None else 0.0) - unknown_cost * lengths_of_words
    ahead, closing = known.best, _most_at(known, most)
    if not closed_vocabulary:
        ahead = np.maximum(ahead, unknown_log_prob - unknown_cost * known.depth)
        closing = np.where(
            known.word >= 0, closing, ended_unknown[np.minimum(known.depth, LONGEST - 1)]
        )
    lengths = np.diff(first)
    kind = NOTHING if lm is None else CHARACTERS if lm.unit == "character" else WORDS
    hot_bound = min(300.0, hot.bound * lengths.max(initial=1))
    bound = 0.0  # these are logarithms
    if kind == WORDS:
        begun = max(float(ahead[1:].max(initial=-1e4)), float(spelled_unknown[1]))
        inside = (
            max(0, *(spelled[a:b].count(0) for a, b in itertools.pairwise(first)))
            if len(first) > 2
            else 0
        )
        ended = max(0.0, alpha * float(most.max(initial=-1e4)) + beta)
        bound = max(0.0, alpha * begun + beta) + inside * ended
    elif kind == CHARACTERS and len(lengths) > 1:
        bound = max(beta * float(length) for length in lengths[1:])
    bound, hot_bound = math.exp(max(-300.0, min(300.0, bound))), math.exp(hot_bound)
    options = np.zeros(1, OPTIONS)
    for name, value in (
        ("alpha", alpha), ("beta", beta), ("unknown_cost", unknown_cost),
        ("bound", bound * hot_bound), ("close_bound", max(1.0, math.exp(beta))), ("hot_bound", hot_bound),
        ("unknown", unknown), ("kind", kind), ("closed", closed_vocabulary), ("hot_words", hot.words),
        ("single", bool((lengths[1:] == 1).all()) and len(set(spelled)) == len(spelled)),
    ):  # fmt: skip
        options[name] = value
    fusion = Fusion(
        options=frozen(options, OPTIONS),
        first=frozen(first, np.int32),
        codes=frozen(spelled, np.int32),
        breaks=frozen([0 in spelled[a:b] for a, b in itertools.pairwise(first)], np.bool_),
        tokens=frozen(_tokens(codes, index, unknown, hot), np.int32),
        lexicon=_nodes(known, np.exp(alpha * ahead + beta), _factor(closing, alpha, beta), spelled),
        members=frozen(known.members, np.int32),
        unknown=frozen(
            np.stack([_factor(x, alpha, beta) for x in (spelled_unknown, ended_unknown)], axis=1),
            np.float64,
        ),
        hot_next=frozen(hot.following, np.int32),
        hot_gain=frozen(np.exp(np.stack([hot.gain, hot.lent], axis=1)), np.float64),
        lm=make_query(lm),
    )
    begin = 1 + index[BEGIN] if BEGIN in index and lm is not None and lm.order > 1 else 0
    return Language(fusion, codes, index.get(END, -1), begin, hot.start)


def _spellings(symbols: Sequence[str]) -> tuple[dict[str, int], list[int], list[int]]:
    """Codes of the symbols' characters, and the symbols in them: where each begins, and all one
    after the other."""
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


def _spelled(
    lm: NGramTrie,
    codes: dict[str, int],
    spellings: Mapping[str, Sequence[str]],
    unknown_cost: float,
) -> Lexicon:
    index = lm.index
    unknown = index.get(UNKNOWN, 0)
    rows = [
        (index.get(word, unknown), way)
        for word, ways in spellings.items()
        if word not in SPECIAL
        for way in ways
    ]
    ids, ways = np.array([i for i, _ in rows], np.int32), [way for _, way in rows]
    cost = np.where(
        ids == unknown, unknown_cost * np.array([len(way) for way in ways], np.float64), 0.0
    )
    return build_lexicon(ways, ids, lm.log_prob[1 + ids] - cost, codes)


def _most_at(lexicon: Lexicon, most: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each node the most that ln P of a word that ends there can be; -inf where none does."""
    found = np.full(len(lexicon.word), -np.inf)
    ends = np.flatnonzero(lexicon.word >= 0)
    if len(ends):
        members = np.where(lexicon.members < 0, -1 - lexicon.members, lexicon.members)
        starts = lexicon.word[ends]
        order = np.argsort(starts)
        found[ends[order]] = np.maximum.reduceat(most[members], starts[order])
    return found


def _factor(log_prob: NDArray[Any], alpha: float, beta: float) -> NDArray[np.float64]:
    return np.where(log_prob > -np.inf, np.exp(alpha * np.maximum(log_prob, -1e4) + beta), 0.0)


def _most(lm: NGramTrie | None) -> NDArray[np.float64]:
    """For each word the most that ln P(word | history) can be, whatever the history: its highest
    n-gram, and back-offs that are above 1."""
    if lm is None or lm.unit != "word":
        return np.zeros(1 if lm is None else len(lm.words))
    most = np.full(len(lm.words), -np.inf)
    np.maximum.at(most, lm.word[1:], lm.log_prob[1:].astype(np.float64))
    above = sum(
        max(0.0, float(lm.backoff[a:b].max(initial=0.0)))
        for a, b in itertools.pairwise(lm.level_starts[: lm.order + 1])
    )
    return np.minimum(0.0, most + above)


def _nodes(
    lexicon: Lexicon, ahead: NDArray[np.float64], closing: NDArray[np.float64], spelled: list[int]
) -> NDArray[np.void]:
    """The lexicon as kernels take it, with one more node for the end of the last one's children."""
    symbol_of = np.zeros(max([*spelled, *lexicon.code.tolist()], default=0) + 1, np.int32)
    symbol_of[spelled] = np.arange(1, len(spelled) + 1)  # of one character each, or never asked
    nodes = np.zeros(len(lexicon.code) + 1, NODE)
    nodes["ahead"][:-1], nodes["close"][:-1], nodes["begin"] = ahead, closing, lexicon.begin
    nodes["code"][:-1], nodes["word"][:-1] = lexicon.code, lexicon.word
    nodes["symbol"][:-1] = symbol_of[lexicon.code]
    return frozen(nodes, NODE)


def _tokens(codes: dict[str, int], index: dict[str, int], unknown: int, hot: Hotwords) -> list[int]:
    tokens = [unknown] * hot.following.shape[1]
    for character, code in codes.items():
        token = SPACE_TOKEN if code == 0 else character
        tokens[code] = index.get(token, unknown)
    return tokens
