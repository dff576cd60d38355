"""Compiled functions that weight the beam's prefixes by a language model and by hotwords.

A prefix's weight W multiplies its mass: W = exp(alpha ln P_lm + beta n + boosts), where n counts
words or characters. W depends on the prefix alone, not on its alignments. So a beam of weighted
masses goes through the frames as a beam of plain masses does: mass that flows from a prefix to its
extension is multiplied by the quotient of their weights, the extension's *factor*.

Inside a word the weight contains an estimate, the look-ahead: the unigram of the best word that
begins so (Ortmanns et al. 1996, "Language-model look-ahead for large vocabulary speech
recognition"), or of an unknown word.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recog.decoding.beam.prefix_trie import ROOT
from recog.decoding.fusion.character_cache import row_of
from recog.lm.query import Query, score
from recog.util.jit import helper, inlined

NOTHING, CHARACTERS, WORDS = 0, 1, 2  # kinds of language model
SPACE = 0  # the code of the character between words
LONGEST = 256  # characters; the look-ahead of longer words stays the same

OPTIONS = np.dtype(
    [
        ("alpha", "f8"), ("beta", "f8"),
        ("unknown_cost", "f8"),  # of each character of an unknown word, besides P(<unk>)
        ("bound", "f8"),  # largest factor of a symbol without a space
        ("hotword_bound", "f8"),  # largest factor of a symbol's hotwords
        ("unknown", "i4"),  # the language model's index of <unk>
        ("kind", "i1"),
        ("closed", "i1"),  # allow only words of the lexicon
        ("single", "i1"),  # every symbol is a single character, and no two are the same
        ("whole_words", "i1"),  # hotwords begin and end at spaces
    ]
)  # fmt: skip
NODE = np.dtype(  # of the lexicon, see recog.decoding.fusion.lexicon_trie
    [
        # factor of the best word at or below the node, or of an unknown word
        ("look_ahead", "f8"),
        ("word_end", "f8"),  # largest factor of a word that ends here, in any context
        ("begin", "i4"),  # the children are begin to the next node's begin - 1
        ("code", "i4"),
        ("word", "i4"),  # the first of the words that end here, in FusionTables.members, or -1
        ("symbol", "i4"),  # the symbol of the code, where options.single
    ]
)  # fmt: skip
PREFIX_STATE = np.dtype(  # of a prefix, in the language model, the lexicon and the hotwords
    [
        ("factor", "f8"),  # the prefix's weight over its parent's
        ("look_ahead", "f8"),  # the part of the weight that is an estimate
        # factor of ending the last word, without the estimate; -1 where not computed yet
        ("word_end", "f8"),
        ("state", "i4"),  # the language model's, at the last space (words) or character
        ("state_after_word", "i4"),  # the same after the end of the last word
        ("lexicon_node", "i4"),  # -1 for spellings outside the lexicon
        ("spelled", "i4"),  # characters of the last word so far
        ("hotword_state", "i4"),
        # the prefix that replaced this one when they recombined, or 0
        ("successor", "i4"),
        ("share", "f8"),  # this prefix's mass at that moment, over the successor's
    ]
)  # fmt: skip


class FusionTables(NamedTuple):
    """The tables that stay the same while decoding.

    Codes number the characters of all symbols. Logarithms are natural.
    """

    options: Any  # (1,) OPTIONS
    first: Any  # (symbols + 1,) int32: symbol s is spelled codes[first[s]:first[s + 1]]
    codes: Any  # int32
    breaks: Any  # (symbols,) bool: whether the symbol contains a space
    tokens: Any  # (codes,) int32: the language model's indices of the characters
    lexicon: Any  # (nodes + 1,) NODE
    # (words,) int32: the language model's indices of the words; -1 - index for the last of each
    # group of words that are spelled alike
    members: Any
    # (LONGEST, 2) float64, "look_ahead" and "word_end" of unknown words by number of characters
    unknown: Any
    hotword_next: Any  # (states, codes) int32, see recog.decoding.fusion.hotwords
    hotword_gain: Any  # (states, 2) float64, factors: the gain, and the loan
    lm: Query


def with_capacity(states: Any, capacity: int) -> Any:
    """Return the prefix states, or a larger copy, for a trie of this capacity. Runs in Python."""
    if len(states) >= capacity:
        return states
    larger = np.zeros(capacity, PREFIX_STATE)
    larger[: len(states)] = states
    return larger


@inlined
def lexicon_child(fusion, node, code):
    """Return the lexicon's node after another character, or -1."""
    for child in range(fusion.lexicon[node]["begin"], fusion.lexicon[node + 1]["begin"]):
        if fusion.lexicon[child]["code"] == code:
            return np.int64(child)
    return np.int64(-1)


@helper
def best_homophone(fusion, state, entry, spelled):
    """Return ln P of the best of several words spelled alike, and the state after it.

    A word that the model does not know costs ``unknown_cost`` for each character.

    Args:
        entry: the first of the words, in ``members``.
        spelled: characters of the spelling.
    """
    options = fusion.options[0]
    best, after, member = -np.inf, state, np.int64(0)
    while member >= 0:
        member = np.int64(fusion.members[entry])
        word = member if member >= 0 else -1 - member
        log_prob, other = score(fusion.lm, state, word)
        if word == options["unknown"]:
            log_prob -= options["unknown_cost"] * spelled
        if log_prob > best:
            best, after = log_prob, other
        entry += 1
    return best, after


@helper
def word_score(fusion, state, lexicon_node, spelled):
    """Return ln P(word | state) of a finished word, and the state after it.

    Of several words spelled alike the best counts. An unknown word costs ``unknown_cost`` for each
    character, or has -inf where the vocabulary is closed.
    """
    options = fusion.options[0]
    entry = np.int64(fusion.lexicon[lexicon_node]["word"]) if lexicon_node >= 0 else np.int64(-1)
    if entry >= 0:
        return best_homophone(fusion, state, entry, spelled)
    if options["closed"]:
        return -np.inf, state
    log_prob, state = score(fusion.lm, state, np.int64(options["unknown"]))
    return log_prob - options["unknown_cost"] * spelled, state


def _look_ahead(fusion, lexicon_node, spelled, hotword_state):
    """Return the estimated part of a weight: of the unfinished word, and of unfinished hotwords."""
    options = fusion.options[0]
    ahead = fusion.hotword_gain[hotword_state, 1]
    if options["kind"] == WORDS and spelled > 0:
        ahead *= (
            fusion.lexicon[lexicon_node]["look_ahead"]
            if lexicon_node >= 0
            else fusion.unknown[min(spelled, LONGEST - 1), 0]
        )
    return ahead


look_ahead = inlined(_look_ahead)


@inlined
def word_end_factor(fusion, states, node):
    """Return the factor of ending a prefix's last word.

    1 where no word has begun, 0 where the word is not allowed.
    """
    if states[node]["word_end"] < 0.0:
        _end_word(fusion, states[node])
    return states[node]["word_end"]


@inlined
def word_end_bound(fusion, prefix):
    """Return an upper bound of :func:`word_end_factor` that needs no language model."""
    if prefix["word_end"] >= 0.0 or prefix["spelled"] == 0:
        return abs(prefix["word_end"])
    if prefix["lexicon_node"] >= 0:
        return fusion.lexicon[prefix["lexicon_node"]]["word_end"]
    return fusion.unknown[min(prefix["spelled"], LONGEST - 1), 1]


@helper
def _end_word(fusion, prefix):
    options, spelled = fusion.options[0], np.int64(prefix["spelled"])
    prefix["word_end"] = 1.0
    prefix["state_after_word"] = prefix["state"]
    if options["kind"] == WORDS and spelled > 0:
        log_prob, state = word_score(
            fusion, np.int64(prefix["state"]), np.int64(prefix["lexicon_node"]), spelled
        )
        prefix["word_end"] = (
            np.exp(options["alpha"] * log_prob + options["beta"]) if log_prob > -np.inf else 0.0
        )
        prefix["state_after_word"] = state


@helper
def transition(fusion, states, rows, node, symbol):
    """Extend a prefix by a symbol.

    Returns:
        Factor (0 where the extension is not allowed), look-ahead, and the new state, lexicon_node,
        spelled and hotword_state.
    """
    options = fusion.options[0]
    state, lexicon_node = np.int64(states[node]["state"]), np.int64(states[node]["lexicon_node"])
    spelled, hotword_state = (
        np.int64(states[node]["spelled"]),
        np.int64(states[node]["hotword_state"]),
    )
    factor = 1.0 / states[node]["look_ahead"]
    for k in range(fusion.first[symbol], fusion.first[symbol + 1]):
        code = fusion.codes[k]
        if options["kind"] == CHARACTERS:
            row = row_of(fusion, rows, state)
            factor *= rows.factor[row, code]
            state = np.int64(rows.state[row, code])
        elif options["kind"] == WORDS:
            if code != SPACE:
                spelled += 1
                if lexicon_node >= 0:
                    lexicon_node = lexicon_child(fusion, lexicon_node, code)
                    if lexicon_node < 0 and options["closed"]:
                        return 0.0, 1.0, state, lexicon_node, spelled, hotword_state
            elif spelled > 0:
                if k == fusion.first[symbol]:
                    factor *= word_end_factor(fusion, states, node)
                    state = np.int64(states[node]["state_after_word"])
                else:
                    log_prob, state = word_score(fusion, state, lexicon_node, spelled)
                    factor *= (
                        np.exp(options["alpha"] * log_prob + options["beta"])
                        if log_prob > -np.inf
                        else 0.0
                    )
                lexicon_node, spelled = np.int64(0), np.int64(0)
            elif options["closed"] and fusion.first[symbol + 1] - fusion.first[symbol] == 1:
                # a space without a word before it; in "▁the" a space begins the word
                return 0.0, 1.0, state, lexicon_node, spelled, hotword_state
        hotword_state = np.int64(fusion.hotword_next[hotword_state, code])
        factor *= fusion.hotword_gain[hotword_state, 0]
    ahead = look_ahead(fusion, lexicon_node, spelled, hotword_state)
    return factor * ahead, ahead, state, lexicon_node, spelled, hotword_state


@helper
def store_prefix_state(fusion, states, rows, parent, symbol, node):
    """Store the state of a prefix that enters the beam."""
    factor, ahead, state, lexicon_node, spelled, hotword_state = transition(
        fusion, states, rows, parent, symbol
    )
    states[node]["factor"] = factor
    states[node]["look_ahead"] = ahead
    states[node]["word_end"] = -1.0
    states[node]["state"] = state
    states[node]["lexicon_node"] = lexicon_node
    states[node]["spelled"] = spelled
    states[node]["hotword_state"] = hotword_state


def make_prefix_states(
    fusion: FusionTables, capacity: int, start: tuple[int, int, int, int]
) -> Any:
    """Make the prefix states of a trie. Runs in Python.

    Args:
        capacity: of the trie.
        start: state, lexicon_node, spelled and hotword_state of the empty prefix.
    """
    state, lexicon_node, spelled, hotword_state = start
    ahead = _look_ahead(fusion, lexicon_node, spelled, hotword_state)
    states = np.zeros(capacity, PREFIX_STATE)
    states[ROOT] = (1.0, ahead, -1.0, state, 0, lexicon_node, spelled, hotword_state, 0, 0.0)
    return states


@inlined
def final_hotword_factor(fusion, hotword_state, ends_in_space):
    """Return the factor of the hotwords that the end of the text completes."""
    options = fusion.options[0]
    if options["whole_words"] and not ends_in_space:
        return fusion.hotword_gain[fusion.hotword_next[hotword_state, SPACE], 0]
    return 1.0


@helper
def text_weight(fusion, labels, start, end_token):
    """Return the natural log of a finished text's weight.

    -inf where the vocabulary does not allow the text.

    Args:
        start: state, lexicon_node, spelled and hotword_state before the text.
        end_token: </s>, or -1 where the text is not the end of a sentence.
    """
    options = fusion.options[0]
    state, lexicon_node = np.int64(start[0]), np.int64(start[1])
    spelled, hotword_state = np.int64(start[2]), np.int64(start[3])
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
                    if lexicon_node >= 0:
                        lexicon_node = lexicon_child(fusion, lexicon_node, code)
                elif spelled > 0:
                    log_prob, state = word_score(fusion, state, lexicon_node, spelled)
                    total += (
                        options["alpha"] * log_prob + options["beta"]
                        if log_prob > -np.inf
                        else -np.inf
                    )
                    lexicon_node, spelled = np.int64(0), np.int64(0)
                elif options["closed"] and fusion.first[label + 1] - fusion.first[label] == 1:
                    return -np.inf
            hotword_state = np.int64(fusion.hotword_next[hotword_state, code])
            total += np.log(fusion.hotword_gain[hotword_state, 0])
    if options["kind"] == WORDS and spelled > 0:
        log_prob, state = word_score(fusion, state, lexicon_node, spelled)
        total += options["alpha"] * log_prob + options["beta"] if log_prob > -np.inf else -np.inf
    if end_token >= 0:
        total += options["alpha"] * score(fusion.lm, state, np.int64(end_token))[0]
    return total + np.log(final_hotword_factor(fusion, hotword_state, code == SPACE))
