"""Kernels that look for the extensions of a beam's prefixes that may enter it in one frame; see
:mod:`recog.decoding.beam.step`."""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np

from recog.decoding.beam.beam import COUNT
from recog.decoding.beam.heap import heapify, sift, sort_down
from recog.decoding.fusion.kernels import LONGEST, SPACE, WORDS, close_bound, close_of, step
from recog.util.jit import helper, inlined


@helper
def shortlist(p, beam, bar, tokens, cutoff, work, fusion, places):
    """Symbols that could lift some extension above ``bar``, best first, after the user's own
    pruning; the blank counts, but is not listed. Returns how many."""
    pruned, size = tokens < len(p) or cutoff < 1.0, np.int64(0)
    floor = break_floor = bar / beam.total[beam.ranking[0]]
    if fusion is not None:
        floor = break_floor = floor / fusion.options[0]["bound"]
        if fusion.options[0]["kind"] == WORDS and not pruned:
            floor, break_floor = _floors(beam, bar, fusion, places)
    if pruned and fusion is not None:
        floor = break_floor = 0.0
    for s in range(1, len(p)):
        least = floor
        if fusion is not None and fusion.breaks[s]:
            least = break_floor
        if p[s] > least:
            if tokens < len(p):
                if size < tokens or p[s] > p[work.short[size - 1]]:
                    size = _insert(work.short, size, tokens, s, p)
            else:
                work.short[size] = s
                size += 1
    if tokens == len(p):
        sort_down(work.short, size, p)
    if not pruned:
        return size
    mass, taken, blank_due = 0.0, 0, True
    for q in range(size):
        if blank_due and p[0] >= p[work.short[q]]:
            mass += p[0]
            taken += 1
            blank_due = False
        if taken >= tokens or mass >= cutoff:
            return q
        mass += p[work.short[q]]
        taken += 1
    return size


@inlined
def _insert(order, size, most, s, key):
    """Put ``s`` into its place in ``order[:size]``, which falls by ``key`` and keeps at most
    ``most``; returns how many."""
    if size == most:
        size -= 1
    j = size
    while j > 0 and key[order[j - 1]] < key[s]:
        order[j] = order[j - 1]
        j -= 1
    order[j] = s
    return size + 1


@helper
def _floors(beam, bar, fusion, places):
    """How probable a symbol must be to be worth a look: one that spells on in a word, and one that
    ends it. Where every symbol is one character, those that the lexicon knows need no list, and
    only the others count."""
    options, spelling, ending = fusion.options[0], 0.0, 0.0
    for i in range(beam.marks[COUNT]):
        place = places[beam.rows[i]["node"]]
        base = beam.total[i] / place["ahead"]
        ending = max(ending, base * close_bound(fusion, place))
        if not options["single"]:
            spelling = max(spelling, beam.total[i] * options["bound"])
        elif not options["closed"]:
            unknown = fusion.unknown[min(place["spelled"] + 1, LONGEST - 1), 0]
            spelling = max(spelling, base * unknown * options["hot_bound"])
    return bar / spelling, bar / (ending * options["bound"])


@helper
def extend(p, beam, work, size, bar, pruned, fusion, places, rows):
    """Fill the heap with the best of what stays and what extends; only extensions of more than
    ``bar`` may enter.

    Returns how many candidates there are, or -1 where nothing enters and the heap is not filled.
    """
    filled = np.int64(-1)
    if fusion is not None and fusion.options[0]["kind"] == WORDS:
        filled, bar = _end_words(p, beam, work, size, bar, fusion, places, rows)
        if fusion.options[0]["single"]:
            return _spell_words(p, beam, work, size, bar, filled, pruned, fusion, places)
    bound = 1.0
    if fusion is not None:
        bound = fusion.options[0]["bound"]
    for rank in range(beam.marks[COUNT]):
        i = beam.ranking[rank]
        total = beam.total[i] * bound
        if size == 0 or total * p[work.short[0]] <= bar:
            break
        for q in range(size):
            s = work.short[q]
            x = total * p[s]
            if x <= bar:
                break
            if s == beam.rows[i]["label"]:  # a repeat is a new label only after a blank
                x = beam.rows[i]["blank"] * bound * p[s]
                if x <= bar:
                    continue
            if _merged(beam, work, i, s):
                continue
            if fusion is not None:
                if fusion.options[0]["kind"] == WORDS and fusion.breaks[s]:
                    continue  # _end_words had it
                x *= step(fusion, places, rows, beam.rows[i]["node"], s)[0] / bound
                if x <= bar:
                    continue
            filled, bar = _push(beam, work, filled, bar, x, rank, s, len(p))
    return filled


@helper
def _end_words(p, beam, work, size, bar, fusion, places, rows):
    """Offer the extensions by symbols with a space: what they multiply a weight by differs from
    prefix to prefix."""
    options, breaks, filled = fusion.options[0], 0, np.int64(-1)
    for q in range(size):
        if fusion.breaks[work.short[q]]:
            work.breaks[breaks] = work.short[q]
            breaks += 1
    if breaks == 0:
        return filled, bar
    for rank in range(beam.marks[COUNT]):
        i = beam.ranking[rank]
        node = beam.rows[i]["node"]
        total = beam.total[i] / places[node]["ahead"] * options["bound"]
        if total * close_bound(fusion, places[node]) * p[work.breaks[0]] <= bar:
            continue
        total *= close_of(fusion, places, node)
        for q in range(breaks):
            s = work.breaks[q]
            if total * p[s] <= bar:
                break
            if _merged(beam, work, i, s):
                continue
            x = (beam.rows[i]["blank"] if s == beam.rows[i]["label"] else beam.total[i]) * p[s]
            x *= step(fusion, places, rows, node, s)[0]
            if x > bar:
                filled, bar = _push(beam, work, filled, bar, x, rank, s, len(p))
    return filled, bar


@helper
def _spell_words(p, beam, work, size, bar, filled, pruned, fusion, places):
    """Offer the extensions that spell on in a word, where symbols are single characters: those that
    the lexicon knows by going through its node's children, and all others together, as they have
    the same look-ahead."""
    options, highest = fusion.options[0], 0.0
    for s in range(1, len(p)):
        work.listed[s] = not pruned
        highest = max(highest, p[s])
    for q in range(size):
        work.listed[work.short[q]] = True
    for rank in range(beam.marks[COUNT]):
        i = beam.ranking[rank]
        place = places[beam.rows[i]["node"]]
        base, lex, hot = (
            beam.total[i] / place["ahead"] * options["hot_bound"],
            np.int64(place["lex"]),
            place["hot"],
        )
        top = fusion.lexicon[lex]["ahead"] if lex >= 0 else place["ahead"]
        if base * top * highest <= bar:
            continue
        repeated = beam.rows[i]["blank"] / beam.total[i]
        if lex >= 0:
            for child in range(fusion.lexicon[lex]["begin"], fusion.lexicon[lex + 1]["begin"]):
                after = fusion.lexicon[child]
                symbol = np.int64(after["symbol"])
                x = base * p[symbol] * after["ahead"]
                if x <= bar or not work.listed[symbol]:
                    continue
                x *= _repeat_and_hot(beam, i, symbol, repeated, fusion, hot, after["code"])
                if x > bar and not _merged(beam, work, i, symbol):
                    filled, bar = _push(beam, work, filled, bar, x, rank, symbol, len(p))
        if options["closed"]:
            continue
        base *= fusion.unknown[min(place["spelled"] + 1, LONGEST - 1), 0]
        for q in range(size):
            s = work.short[q]
            x = base * p[s]
            if x <= bar:
                break
            code = fusion.codes[fusion.first[s]]
            x *= _repeat_and_hot(beam, i, s, repeated, fusion, hot, code)
            if (
                x <= bar
                or code == SPACE
                or _merged(beam, work, i, s)
                or _child_of(fusion, lex, code)
            ):
                continue
            filled, bar = _push(beam, work, filled, bar, x, rank, s, len(p))
    return filled


@inlined
def _repeat_and_hot(beam, i, s, repeated, fusion, hot, code):
    """The factor of a repeated label, which must follow a blank, and of the hotwords."""
    factor = repeated if s == beam.rows[i]["label"] else 1.0
    if len(fusion.hot_next) > 1:
        after = fusion.hot_next[hot, code]
        factor *= (
            fusion.hot_gain[after, 0] * fusion.hot_gain[after, 1] / fusion.options[0]["hot_bound"]
        )
    return factor


@inlined
def _child_of(fusion, lex, code):
    found = False
    if lex >= 0:
        for child in range(fusion.lexicon[lex]["begin"], fusion.lexicon[lex + 1]["begin"]):
            found |= fusion.lexicon[child]["code"] == code
    return found


@inlined
def _merged(beam, work, i, s):
    """Whether the extension is in the beam, so that :func:`recog.decoding.beam.step._stay` has
    merged it."""
    j = work.rows[i]["child"]
    while j >= 0 and beam.rows[j]["label"] != s:
        j = work.rows[j]["sibling"]
    return j >= 0


@inlined
def _push(beam, work, filled, bar, x, rank, s, symbols):
    """Offer an extension to the heap; returns how many candidates it holds, and what the next ones
    must exceed."""
    width = len(beam.rows)
    if filled < 0:
        filled = _heap_of_stays(beam, work)
    if filled < width:
        work.heap[filled]["score"] = x
        work.heap[filled]["code"] = width + rank * symbols + s
        filled += 1
        if filled < width:
            return filled, bar
        heapify(work.heap)
    else:
        sift(work.heap, np.int64(0), x, width + rank * symbols + s)
    return filled, max(bar, work.heap[0]["score"])


@helper
def _heap_of_stays(beam, work):
    count = beam.marks[COUNT]
    for rank in range(count):
        work.heap[rank]["score"] = work.rows[beam.ranking[rank]]["total"]
        work.heap[rank]["code"] = rank
    if count == len(beam.rows):
        heapify(work.heap)
    return count
