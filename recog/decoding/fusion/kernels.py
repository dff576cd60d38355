"""Kernels that weigh prefixes of the beam by a language model and by hotwords.

A prefix's weight W multiplies its mass: W = exp(alpha ln P_lm + beta n + boosts), where n counts
words or characters. It depends on the prefix alone, not on its alignments, so that a whole beam of
weighted masses goes through the frames as one of plain masses does: mass that flows from a prefix
to its extension is multiplied by the quotient of their weights, the extension's *factor*.

Inside a word the weight holds an estimate, the look-ahead: the unigram of the best word that the
spelling may become (Ortmanns et al. 1996, "Language-model look-ahead for large vocabulary speech
recognition"), or of an unknown word.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recog.decoding.beam.prefix_trie import ROOT
from recog.lm.query import Query, score
from recog.util.jit import helper, inlined

NOTHING, CHARACTERS, WORDS = 0, 1, 2  # kinds of language model
SPACE = 0  # the code of the character between words
ROWS_BYTES = 1 << 26
LONGEST = 256  # characters of a word; the look-ahead of longer ones stays the same


OPTIONS = np.dtype(
    [
        ("alpha", "f8"), ("beta", "f8"),
        ("unknown_cost", "f8"),  # what each character of an unknown word costs beside it
        ("bound", "f8"),  # the most that a symbol without a space can multiply a weight by
        ("close_bound", "f8"),  # the most that ending a word can, where none has begun too
        ("hot_bound", "f8"),  # the most that a symbol's hotwords can
        ("unknown", "i4"),  # the language model's index of <unk>
        ("kind", "i1"),
        ("closed", "i1"),  # only words of the lexicon
        ("single", "i1"),  # every symbol is one character, and no two are the same
        ("hot_words", "i1"),  # phrases begin and end at spaces
    ]
)  # fmt: skip
NODE = np.dtype(  # of the lexicon, see recog.decoding.fusion.lexicon_trie
    [
        # the look-ahead's factor: of the best word at or below, or of an unknown one
        ("ahead", "f8"),
        ("close", "f8"),  # the most that ending a word here can multiply by, whatever came before
        ("begin", "i4"),  # its children are begin to the next node's begin - 1
        ("code", "i4"),
        ("word", "i4"),  # the first of the words that end here, in Fusion.members, or -1
        ("symbol", "i4"),  # that spells the code, where options.single
    ]
)  # fmt: skip
PLACE = np.dtype(  # where a prefix stands in the language model, the lexicon and the hotwords
    [
        ("factor", "f8"),  # its weight over its parent's
        ("ahead", "f8"),  # the part of its weight that is an estimate
        # what ending the last word multiplies by, the estimate apart; -1 where not asked yet
        ("close", "f8"),
        ("state", "i4"),  # the language model's, at the last space (words) or character
        ("closed_state", "i4"),  # the same once the last word has ended
        ("lex", "i4"),  # node of the lexicon; -1 where the spelling has none
        ("spelled", "i4"),  # characters of the last word so far
        ("hot", "i4"),  # the hotwords' state
        # the prefix that this one gave way to where they recombined; 0 where it never did
        ("successor", "i4"),
        ("share", "f8"),  # its mass then, of that one's
    ]
)  # fmt: skip


class Fusion(NamedTuple):
    """What does not change while decoding. Codes number the characters of all symbols; logarithms
    are natural."""

    options: Any  # (1,) OPTIONS
    first: Any  # (symbols + 1,) int32: symbol s is spelled codes[first[s]:first[s + 1]]
    codes: Any  # int32
    breaks: Any  # (symbols,) bool: whether it holds a space
    tokens: Any  # (codes,) int32: the language model's indices of the characters
    lexicon: Any  # (nodes + 1,) NODE
    members: (
        # (words,) int32: the language model's indices of the words, the last of those spelled alike
        # as -1 - index
        Any
    )
    # (LONGEST, 2) float64, "ahead" and "close" of an unknown word of so many characters
    unknown: Any
    hot_next: Any  # (states, codes) int32, see recog.decoding.fusion.hotwords
    hot_gain: Any  # (states, 2) float64, factors: the gain, and what is lent
    lm: Query


class Rows(NamedTuple):
    """A character model's answers for all characters at once, by state, as far as they were
    asked."""

    factor: Any  # (rows, codes) float64: exp(alpha ln P + beta)
    state: Any  # (rows, codes) int32
    owner: Any  # (rows,) int32, the state
    table: Any  # (power of two,) int32: rows + 1 hashed by state, open addressing, 0 where free
    count: Any  # (1,) int64


def with_places(places: Any, capacity: int) -> Any:
    """The places, or a larger copy, for a trie of this capacity. Runs in Python."""
    if len(places) >= capacity:
        return places
    larger = np.zeros(capacity, PLACE)
    larger[: len(places)] = places
    return larger


def make_rows(fusion: Fusion) -> Rows:
    """Room for a character model's answers; runs in Python."""
    codes = len(fusion.tokens)
    size = 1
    if fusion.options[0]["kind"] == CHARACTERS:
        size = 1 << min(13, max(6, (ROWS_BYTES // (12 * codes)).bit_length() - 1))
    return Rows(
        np.empty((size, codes)), np.empty((size, codes), np.int32), np.empty(size, np.int32),
        np.zeros(4 * size, np.int32), np.zeros(1, np.int64),
    )  # fmt: skip


@helper
def _row_slot(rows, state):
    mask = len(rows.table) - 1
    slot = (state * 0x2545F4914F6CDD1D >> 20) & mask
    while rows.table[slot] != 0 and rows.owner[rows.table[slot] - 1] != state:
        slot = (slot + 1) & mask
    return slot


@helper
def row_of(fusion, rows, state):
    """The row of a state. A new one is its suffix's times the back-off, but for the characters that
    it lists itself."""
    options = fusion.options[0]
    found = rows.table[_row_slot(rows, state)]
    if found > 0:
        return np.int64(found - 1)
    if rows.count[0] + 32 > len(rows.owner):  # full; suffixes are fewer than that
        rows.count[0] = 0
        rows.table[:] = 0
    lm, below = fusion.lm, state
    while below > 0 and rows.table[_row_slot(rows, below)] == 0:
        below = np.int64(lm.suffix[below])
    row = np.int64(rows.table[_row_slot(rows, below)] - 1)
    if row < 0:  # not even the root
        row = _add_row(rows, below)
        for code in range(len(fusion.tokens)):
            log_prob, after = score(lm, np.int64(0), np.int64(fusion.tokens[code]))
            rows.factor[row, code] = np.exp(options["alpha"] * log_prob + options["beta"])
            rows.state[row, code] = after
    while below != state:
        target = state
        while lm.suffix[target] != below:
            target = np.int64(lm.suffix[target])
        row = _longer_row(fusion, rows, row, target)
        below = target
    return row


@helper
def _add_row(rows, state):
    row = rows.count[0]
    rows.count[0] += 1
    rows.owner[row] = state
    rows.table[_free_slot(rows, state)] = row + 1
    return row


@helper
def _free_slot(rows, state):
    mask = len(rows.table) - 1
    slot = (state * 0x2545F4914F6CDD1D >> 20) & mask
    while rows.table[slot] != 0:
        slot = (slot + 1) & mask
    return slot


@helper
def _longer_row(fusion, rows, shorter, state):
    options = fusion.options[0]
    lm = fusion.lm
    row = _add_row(rows, state)
    factor = np.exp(options["alpha"] * lm.backoff[state])
    inner = len(lm.backoff)
    for code in range(len(fusion.tokens)):
        rows.factor[row, code] = rows.factor[shorter, code] * factor
        rows.state[row, code] = rows.state[shorter, code]
    low, high = np.int64(lm.begin[state]), np.int64(lm.begin[state + 1])
    # both are sorted by nothing in common: look each up among the few children
    for code in range(len(fusion.tokens)):
        token = fusion.tokens[code]
        a, b = low, high - 1
        while a <= b:
            middle = (a + b) >> 1
            if lm.word[middle] < token:
                a = middle + 1
            elif lm.word[middle] > token:
                b = middle - 1
            else:
                rows.factor[row, code] = np.exp(
                    options["alpha"] * lm.log_prob[middle] + options["beta"]
                )
                if middle < inner:
                    rows.state[row, code] = middle
                break
    return row


@inlined
def below(fusion, node, code):
    """The lexicon's node after one more character, or -1."""
    for child in range(fusion.lexicon[node]["begin"], fusion.lexicon[node + 1]["begin"]):
        if fusion.lexicon[child]["code"] == code:
            return np.int64(child)
    return np.int64(-1)


@helper
def likeliest(fusion, state, place, spelled):
    """Natural log of the probability of the likeliest after ``state`` of the words that are spelled
    alike, and the state after it. Spelling one of the lexicon's that the model does not know costs
    ``unknown_cost`` a character."""
    options = fusion.options[0]
    best, after, member = -np.inf, state, np.int64(0)
    while member >= 0:
        member = np.int64(fusion.members[place])
        word = member if member >= 0 else -1 - member
        log_prob, other = score(fusion.lm, state, word)
        if word == options["unknown"]:
            log_prob -= options["unknown_cost"] * spelled
        if log_prob > best:
            best, after = log_prob, other
        place += 1
    return best, after


@helper
def word_score(fusion, state, lex, spelled):
    """Natural log of P(word | state) of the word that ends here, the likeliest of several, and the
    state after it; -inf where the vocabulary is closed and it is none of its words. Spelling an
    unknown word costs ``unknown_cost`` a character."""
    options = fusion.options[0]
    place = np.int64(fusion.lexicon[lex]["word"]) if lex >= 0 else np.int64(-1)
    if place >= 0:
        return likeliest(fusion, state, place, spelled)
    if options["closed"]:
        return -np.inf, state
    log_prob, state = score(fusion.lm, state, np.int64(options["unknown"]))
    return log_prob - options["unknown_cost"] * spelled, state


@inlined
def look_ahead(fusion, lex, spelled, hot):
    """The part of a weight that is an estimate: of the word that is being spelled, and the boosts
    that are lent."""
    options = fusion.options[0]
    ahead = fusion.hot_gain[hot, 1]
    if options["kind"] == WORDS and spelled > 0:
        ahead *= (
            fusion.lexicon[lex]["ahead"]
            if lex >= 0
            else fusion.unknown[min(spelled, LONGEST - 1), 0]
        )
    return ahead


@inlined
def close_of(fusion, places, node):
    """What ending the last word multiplies a prefix's weight by; 1 where none has begun, 0 where it
    may not end."""
    if places[node]["close"] < 0.0:
        _close(fusion, places[node])
    return places[node]["close"]


@inlined
def close_bound(fusion, place):
    """The most that :func:`close_of` can give, known without asking the language model."""
    if place["close"] >= 0.0 or place["spelled"] == 0:
        return abs(place["close"])
    if place["lex"] >= 0:
        return fusion.lexicon[place["lex"]]["close"]
    return fusion.unknown[min(place["spelled"], LONGEST - 1), 1]


@helper
def _close(fusion, place):
    options, spelled = fusion.options[0], np.int64(place["spelled"])
    place["close"] = 1.0
    place["closed_state"] = place["state"]
    if options["kind"] == WORDS and spelled > 0:
        log_prob, state = word_score(
            fusion, np.int64(place["state"]), np.int64(place["lex"]), spelled
        )
        place["close"] = (
            np.exp(options["alpha"] * log_prob + options["beta"]) if log_prob > -np.inf else 0.0
        )
        place["closed_state"] = state


@helper
def step(fusion, places, rows, node, symbol):
    """What extending a prefix by a symbol gives: factor (0 where it may not be), look-ahead, and
    the new place (state, lex, spelled, hot)."""
    options = fusion.options[0]
    state, lex = np.int64(places[node]["state"]), np.int64(places[node]["lex"])
    spelled, hot = np.int64(places[node]["spelled"]), np.int64(places[node]["hot"])
    factor = 1.0 / places[node]["ahead"]
    for k in range(fusion.first[symbol], fusion.first[symbol + 1]):
        code = fusion.codes[k]
        if options["kind"] == CHARACTERS:
            row = row_of(fusion, rows, state)
            factor *= rows.factor[row, code]
            state = np.int64(rows.state[row, code])
        elif options["kind"] == WORDS:
            if code != SPACE:
                spelled += 1
                if lex >= 0:
                    lex = below(fusion, lex, code)
                    if lex < 0 and options["closed"]:
                        return 0.0, 1.0, state, lex, spelled, hot
            elif spelled > 0:
                if k == fusion.first[symbol]:
                    factor *= close_of(fusion, places, node)
                    state = np.int64(places[node]["closed_state"])
                else:
                    log_prob, state = word_score(fusion, state, lex, spelled)
                    factor *= (
                        np.exp(options["alpha"] * log_prob + options["beta"])
                        if log_prob > -np.inf
                        else 0.0
                    )
                lex, spelled = np.int64(0), np.int64(0)
            elif options["closed"] and fusion.first[symbol + 1] - fusion.first[symbol] == 1:
                # a space after no word; in "▁the" it begins one
                return 0.0, 1.0, state, lex, spelled, hot
        hot = np.int64(fusion.hot_next[hot, code])
        factor *= fusion.hot_gain[hot, 0]
    ahead = look_ahead(fusion, lex, spelled, hot)
    return factor * ahead, ahead, state, lex, spelled, hot


@helper
def settle_place(fusion, places, rows, parent, symbol, node):
    """Write down the place of a prefix that enters the beam."""
    factor, ahead, state, lex, spelled, hot = step(fusion, places, rows, parent, symbol)
    places[node]["factor"] = factor
    places[node]["ahead"] = ahead
    places[node]["close"] = -1.0
    places[node]["state"] = state
    places[node]["lex"] = lex
    places[node]["spelled"] = spelled
    places[node]["hot"] = hot


def make_places(fusion: Fusion, capacity: int, start: tuple[int, int, int, int]) -> Any:
    """Room for the places of a trie's prefixes, the empty one put where the text before it leaves
    off: at ``start``, as (state, lex, spelled, hot). Runs in Python."""
    options = fusion.options[0]
    state, lex, spelled, hot = start
    ahead = fusion.hot_gain[hot, 1]
    if options["kind"] == WORDS and spelled > 0:
        ahead *= (
            fusion.lexicon[lex]["ahead"]
            if lex >= 0
            else fusion.unknown[min(spelled, LONGEST - 1), 0]
        )
    places = np.zeros(capacity, PLACE)
    places[ROOT] = (1.0, ahead, -1.0, state, 0, lex, spelled, hot, 0, 0.0)
    return places


@inlined
def last_hot(fusion, hot, ends_in_space):
    """The factor of the phrases that are complete because the text ends."""
    options = fusion.options[0]
    if options["hot_words"] and not ends_in_space:
        return fusion.hot_gain[fusion.hot_next[hot, SPACE], 0]
    return 1.0


@helper
def weigh(fusion, labels, start, end_token):
    """Natural log of a whole text's weight, its last word ended, nothing estimated; -inf where the
    vocabulary does not allow it. ``end_token`` is </s>, or -1 where the text is not the end of a
    sentence."""
    options = fusion.options[0]
    state, lex = np.int64(start[0]), np.int64(start[1])
    spelled, hot = np.int64(start[2]), np.int64(start[3])
    total, code = 0.0, -1
    for label in labels:
        for k in range(fusion.first[label], fusion.first[label + 1]):
            code = fusion.codes[k]
            if options["kind"] == CHARACTERS:
                log_prob, state = score(fusion.lm, state, np.int64(fusion.tokens[code]))
                total += options["alpha"] * log_prob + options["beta"]
            elif options["kind"] == WORDS:
                if code != SPACE:
                    spelled += 1
                    if lex >= 0:
                        lex = below(fusion, lex, code)
                elif spelled > 0:
                    log_prob, state = word_score(fusion, state, lex, spelled)
                    total += (
                        options["alpha"] * log_prob + options["beta"]
                        if log_prob > -np.inf
                        else -np.inf
                    )
                    lex, spelled = np.int64(0), np.int64(0)
                elif options["closed"] and fusion.first[label + 1] - fusion.first[label] == 1:
                    return -np.inf
            hot = np.int64(fusion.hot_next[hot, code])
            total += np.log(fusion.hot_gain[hot, 0])
    if options["kind"] == WORDS and spelled > 0:
        log_prob, state = word_score(fusion, state, lex, spelled)
        total += options["alpha"] * log_prob + options["beta"] if log_prob > -np.inf else -np.inf
    if end_token >= 0:
        total += options["alpha"] * score(fusion.lm, state, np.int64(end_token))[0]
    return total + np.log(last_hot(fusion, hot, code == SPACE))
