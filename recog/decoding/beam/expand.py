"""Compiled functions that find the extensions of prefixes which enter the beam in a frame.

:mod:`recog.decoding.beam.step` calls them. Symbols are pruned here.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np

from recog.decoding.beam.beam import COUNT
from recog.decoding.beam.heap import heapify, sift, sort_down
from recog.decoding.fusion.kernels import (
    LONGEST,
    SPACE,
    WORDS,
    transition,
    word_end_bound,
    word_end_factor,
)
from recog.util.jit import helper, inlined


@helper
def shortlist(p, beam, bar, tokens, cutoff, scratch, fusion, states):
    """Fill ``scratch.short`` with the symbols that may matter in a frame, best first.

    These are the symbols that can lift an extension above ``bar``, after pruning by ``tokens`` and
    ``cutoff``. The blank counts for the pruning, but is never listed. Returns their number.
    """
    pruned, size = tokens < len(p) or cutoff < 1.0, np.int64(0)
    floor = break_floor = bar / beam.total[beam.ranking[0]]
    if fusion is not None:
        floor = break_floor = floor / fusion.options[0]["bound"]
        if fusion.options[0]["kind"] == WORDS and not pruned:
            floor, break_floor = _floors(beam, bar, fusion, states)
    if pruned and fusion is not None:
        floor = break_floor = 0.0
    for s in range(1, len(p)):
        threshold = floor
        if fusion is not None and fusion.breaks[s]:
            threshold = break_floor
        if p[s] > threshold:
            if tokens < len(p):
                if size < tokens or p[s] > p[scratch.short[size - 1]]:
                    size = _insert(scratch.short, size, tokens, s, p)
            else:
                scratch.short[size] = s
                size += 1
    if tokens == len(p):
        sort_down(scratch.short, size, p)
    if not pruned:
        return size
    mass, count, blank_due = 0.0, 0, True
    for q in range(size):
        if blank_due and p[0] >= p[scratch.short[q]]:
            mass += p[0]
            count += 1
            blank_due = False
        if count >= tokens or mass >= cutoff:
            return q
        mass += p[scratch.short[q]]
        count += 1
    return size


@inlined
def _insert(order, size, limit, s, key):
    """Insert ``s`` into ``order[:size]``, sorted by falling ``key``; return the new size."""
    if size == limit:
        size -= 1
    j = size
    while j > 0 and key[order[j - 1]] < key[s]:
        order[j] = order[j - 1]
        j -= 1
    order[j] = s
    return size + 1


@helper
def _floors(beam, bar, fusion, states):
    """Return the least probability of symbols inside words, and of symbols that end a word.

    Where every symbol is a single character, the children of a lexicon node need no shortlist, so
    only spellings outside the lexicon count.
    """
    options, spelling, ending = fusion.options[0], 0.0, 0.0
    for i in range(beam.counters[COUNT]):
        prefix = states[beam.rows[i]["node"]]
        base = beam.total[i] / prefix["look_ahead"]
        ending = max(ending, base * word_end_bound(fusion, prefix))
        if not options["single"]:
            spelling = max(spelling, beam.total[i] * options["bound"])
        elif not options["closed"]:
            unknown = fusion.unknown[min(prefix["spelled"] + 1, LONGEST - 1), 0]
            spelling = max(spelling, base * unknown * options["hotword_bound"])
    return bar / spelling, bar / (ending * options["bound"])


@helper
def expand(p, beam, scratch, size, bar, pruned, fusion, states, rows):
    """Fill the heap with the best prefixes of the beam and the best extensions above ``bar``.

    Returns:
        The number of candidates; -1 where nothing enters and the heap is not filled.
    """
    filled = np.int64(-1)
    if fusion is not None and fusion.options[0]["kind"] == WORDS:
        filled, bar = _expand_word_ends(p, beam, scratch, size, bar, fusion, states, rows)
        if fusion.options[0]["single"]:
            return _expand_spellings(p, beam, scratch, size, bar, filled, pruned, fusion, states)
    bound = 1.0
    if fusion is not None:
        bound = fusion.options[0]["bound"]
    for rank in range(beam.counters[COUNT]):
        i = beam.ranking[rank]
        total = beam.total[i] * bound
        if size == 0 or total * p[scratch.short[0]] <= bar:
            break
        for q in range(size):
            s = scratch.short[q]
            x = total * p[s]
            if x <= bar:
                break
            if s == beam.rows[i]["label"]:  # a repeat is a new label only after a blank
                x = beam.rows[i]["blank"] * bound * p[s]
                if x <= bar:
                    continue
            if _in_beam(beam, scratch, i, s):
                continue
            if fusion is not None:
                if fusion.options[0]["kind"] == WORDS and fusion.breaks[s]:
                    continue  # done in _expand_word_ends
                x *= transition(fusion, states, rows, beam.rows[i]["node"], s)[0] / bound
                if x <= bar:
                    continue
            filled, bar = _push(beam, scratch, filled, bar, x, rank, s, len(p))
    return filled


@helper
def _expand_word_ends(p, beam, scratch, size, bar, fusion, states, rows):
    """Offer the extensions by symbols with a space, whose factors differ between prefixes."""
    options, breaks, filled = fusion.options[0], 0, np.int64(-1)
    for q in range(size):
        if fusion.breaks[scratch.short[q]]:
            scratch.breaks[breaks] = scratch.short[q]
            breaks += 1
    if breaks == 0:
        return filled, bar
    for rank in range(beam.counters[COUNT]):
        i = beam.ranking[rank]
        node = beam.rows[i]["node"]
        total = beam.total[i] / states[node]["look_ahead"] * options["bound"]
        if total * word_end_bound(fusion, states[node]) * p[scratch.breaks[0]] <= bar:
            continue
        total *= word_end_factor(fusion, states, node)
        for q in range(breaks):
            s = scratch.breaks[q]
            if total * p[s] <= bar:
                break
            if _in_beam(beam, scratch, i, s):
                continue
            x = (beam.rows[i]["blank"] if s == beam.rows[i]["label"] else beam.total[i]) * p[s]
            x *= transition(fusion, states, rows, node, s)[0]
            if x > bar:
                filled, bar = _push(beam, scratch, filled, bar, x, rank, s, len(p))
    return filled, bar


@helper
def _expand_spellings(p, beam, scratch, size, bar, filled, pruned, fusion, states):
    """Offer the extensions inside words, where symbols are single characters.

    Those in the lexicon are the children of the prefix's lexicon node. All others have the same
    look-ahead.
    """
    options, highest = fusion.options[0], 0.0
    for s in range(1, len(p)):
        scratch.listed[s] = not pruned
        highest = max(highest, p[s])
    for q in range(size):
        scratch.listed[scratch.short[q]] = True
    for rank in range(beam.counters[COUNT]):
        i = beam.ranking[rank]
        prefix = states[beam.rows[i]["node"]]
        base, lexicon_node, hotword_state = (
            beam.total[i] / prefix["look_ahead"] * options["hotword_bound"],
            np.int64(prefix["lexicon_node"]),
            prefix["hotword_state"],
        )
        top = (
            fusion.lexicon[lexicon_node]["look_ahead"]
            if lexicon_node >= 0
            else prefix["look_ahead"]
        )
        if base * top * highest <= bar:
            continue
        repeated = beam.rows[i]["blank"] / beam.total[i]
        if lexicon_node >= 0:
            for child in range(
                fusion.lexicon[lexicon_node]["begin"], fusion.lexicon[lexicon_node + 1]["begin"]
            ):
                after = fusion.lexicon[child]
                symbol = np.int64(after["symbol"])
                x = base * p[symbol] * after["look_ahead"]
                if x <= bar or not scratch.listed[symbol]:
                    continue
                x *= _repeat_and_hotwords(
                    beam, i, symbol, repeated, fusion, hotword_state, after["code"]
                )
                if x > bar and not _in_beam(beam, scratch, i, symbol):
                    filled, bar = _push(beam, scratch, filled, bar, x, rank, symbol, len(p))
        if options["closed"]:
            continue
        base *= fusion.unknown[min(prefix["spelled"] + 1, LONGEST - 1), 0]
        for q in range(size):
            s = scratch.short[q]
            x = base * p[s]
            if x <= bar:
                break
            code = fusion.codes[fusion.first[s]]
            x *= _repeat_and_hotwords(beam, i, s, repeated, fusion, hotword_state, code)
            if (
                x <= bar
                or code == SPACE
                or _in_beam(beam, scratch, i, s)
                or _has_child(fusion, lexicon_node, code)
            ):
                continue
            filled, bar = _push(beam, scratch, filled, bar, x, rank, s, len(p))
    return filled


@inlined
def _repeat_and_hotwords(beam, i, s, repeated, fusion, hotword_state, code):
    """Return the factor of a repeated label, which must follow a blank, and of the hotwords."""
    factor = repeated if s == beam.rows[i]["label"] else 1.0
    if len(fusion.hotword_next) > 1:
        after = fusion.hotword_next[hotword_state, code]
        factor *= (
            fusion.hotword_gain[after, 0]
            * fusion.hotword_gain[after, 1]
            / fusion.options[0]["hotword_bound"]
        )
    return factor


@inlined
def _has_child(fusion, lexicon_node, code):
    """Whether the lexicon node has a child for a character."""
    exists = False
    if lexicon_node >= 0:
        for child in range(
            fusion.lexicon[lexicon_node]["begin"], fusion.lexicon[lexicon_node + 1]["begin"]
        ):
            exists |= fusion.lexicon[child]["code"] == code
    return exists


@inlined
def _in_beam(beam, scratch, i, s):
    """Whether the extension of row ``i`` by ``s`` is in the beam already.

    :func:`recog.decoding.beam.step._update_masses` has then added its mass there.
    """
    j = scratch.rows[i]["child"]
    while j >= 0 and beam.rows[j]["label"] != s:
        j = scratch.rows[j]["sibling"]
    return j >= 0


@inlined
def _push(beam, scratch, filled, bar, x, rank, s, symbols):
    """Offer an extension to the heap; return the number of candidates, and the new ``bar``."""
    width = len(beam.rows)
    if filled < 0:
        filled = _fill_heap(beam, scratch)
    if filled < width:
        scratch.heap[filled]["score"] = x
        scratch.heap[filled]["code"] = width + rank * symbols + s
        filled += 1
        if filled < width:
            return filled, bar
        heapify(scratch.heap)
    else:
        sift(scratch.heap, np.int64(0), x, width + rank * symbols + s)
    return filled, max(bar, scratch.heap[0]["score"])


@helper
def _fill_heap(beam, scratch):
    """Put the prefixes of the beam into the heap; return their number."""
    count = beam.counters[COUNT]
    for rank in range(count):
        scratch.heap[rank]["score"] = scratch.rows[beam.ranking[rank]]["total"]
        scratch.heap[rank]["code"] = rank
    if count == len(beam.rows):
        heapify(scratch.heap)
    return count
