"""Kernels that take a beam of prefixes through the frames (Hannun et al. 2014, "First-Pass Large Vocabulary Continuous
Speech Recognition using Bi-Directional Recurrent DNNs"): alignments are summed, and those of a prefix that end in blank
and those that end in its last label share one row of the beam.

What makes it fast, without changing what is found:

- Masses are plain float64, each frame's probabilities summing to 1, rescaled by powers of two: no logarithm in the
  loop.
- A prefix that is not in the beam has one parent, so extensions never have to be merged with one another. Mass merges
  only inside the beam, from parent to child, and the trie is consulted only for the few extensions that enter.
- To enter, an extension needs more than the least of the beam. With rows and symbols both sorted, each row's scan stops
  at the first symbol that cannot, and the whole scan at the first row that cannot; in a typical frame that is at once.

With a language model the masses are weighted ones (see :mod:`recog.decoding.fusion`): a scan stops where even the
largest factor would not be enough, and the model is asked only for what is left. Without one, ``fusion``, ``places`` and
``rows`` are None, and Numba leaves their branches out of what it compiles.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recog.compilation import helper, inlined
from recog.decoding.fusion import LONGEST, SPACE, WORDS, close_bound, close_of, settle_place, step, with_places
from recog.decoding.trie import ROOT, Trie, child_of, with_room

LOW, LIFT = 2.0**-200, 2.0**200  # masses are multiplied by LIFT when the best falls below LOW, divided above LIFT


class Beam(NamedTuple):
    """The live prefixes. Rows keep their place for as long as their prefix lives; ``ranking`` sorts them."""

    node: Any  # (width,) int64
    parent: Any  # (width,) int64, the node's parent
    label: Any  # (width,) int64, its last label
    blank: Any  # (width,) float64, mass of its alignments that end in blank
    last: Any  # (width,) float64, of those that end in its last label
    total: Any  # (width,) float64, their sum
    ranking: Any  # (width,) int64, rows by falling total
    count: Any  # (1,) int64, rows in use
    lifts: Any  # (1,) int64, how many times the masses were multiplied by LIFT; less than 0 where divided


class Scratch(NamedTuple):
    """Room for one frame's work."""

    blank: Any  # (width,) float64, the masses of the next frame
    last: Any
    total: Any
    child: Any  # (width,) int64, first row whose parent is this row, or -1
    sibling: Any  # (width,) int64, the next such row
    score: Any  # (width,) float64, heap of the best candidates, worst first
    code: Any  # (width,) int64, what each is: a rank below width stays, width + rank * symbols + s extends
    node: Any  # (width,) int64, nodes of the prefixes that enter
    kept: Any  # (width,) bool, rows that stay
    short: Any  # (symbols,) int64, the symbols worth a look
    breaks: Any  # (symbols,) int64, those of them that hold a space
    listed: Any  # (symbols,) bool, whether a symbol is worth a look


def new_beam(width: int, trie: Trie, mass: float) -> Beam:
    """A beam that holds the empty prefix, with this mass. Runs in Python."""
    beam = Beam(
        np.zeros(width, np.int64), np.zeros(width, np.int64), np.zeros(width, np.int64),
        np.zeros(width), np.zeros(width), np.zeros(width),
        np.zeros(width, np.int64), np.ones(1, np.int64), np.zeros(1, np.int64),
    )  # fmt: skip
    beam.node[0] = ROOT
    beam.blank[0] = beam.total[0] = mass
    trie.row[ROOT] = 0
    return beam


@helper
def sort_down(order, count, key):
    """Sort ``order[:count]`` by falling ``key[order]``, equals by rising index (Shell sort, gaps of Ciura 2001)."""
    for gap in (1750, 701, 301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, count):
            item = order[i]
            value = key[item]
            j = i
            while j >= gap:
                other = order[j - gap]
                if key[other] > value or (key[other] == value and other < item):
                    break
                order[j] = other
                j -= gap
            order[j] = item


@helper
def _sift(score, code, i, new_score, new_code):
    """Put a candidate at ``i`` of the heap and let it sink. Worse is a lower score, and of equals the later code."""
    size = len(score)
    while True:
        j = 2 * i + 1
        if j >= size:
            break
        k = j + 1
        if k < size and (score[k] < score[j] or (score[k] == score[j] and code[k] > code[j])):
            j = k
        if not (score[j] < new_score or (score[j] == new_score and code[j] > new_code)):
            break
        score[i] = score[j]
        code[i] = code[j]
        i = j
    score[i] = new_score
    code[i] = new_code


@inlined
def _heapify(score, code):
    for i in range(len(score) // 2 - 1, -1, -1):
        _sift(score, code, i, score[i], code[i])


@helper
def _stay(p, beam, trie, work, places):
    """Masses of the prefixes in the beam after one more frame, and the links from parents to children in the beam."""
    count = beam.count[0]
    best, least = 0.0, np.inf
    for i in range(count):
        work.child[i] = -1
    for i in range(count):
        mass = beam.last[i]
        j = trie.row[beam.parent[i]]
        if j >= 0:
            flow = beam.blank[j] if beam.label[j] == beam.label[i] else beam.total[j]
            if places is not None:
                flow *= places[beam.node[i]]["factor"]
            mass += flow
            work.sibling[i] = work.child[j]
            work.child[j] = i
        work.last[i] = mass * p[beam.label[i]]
        work.blank[i] = beam.total[i] * p[0]
        work.total[i] = work.last[i] + work.blank[i]
        best = max(best, work.total[i])
        least = min(least, work.total[i])
    return best, least


@helper
def _shortlist(p, beam, bar, tokens, cutoff, work, fusion, places):
    """Symbols that could lift some extension above ``bar``, best first, after the user's own pruning; the blank counts,
    but is not listed. Returns how many."""
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


@helper
def _insert(order, size, most, s, key):
    """Put ``s`` into its place in ``order[:size]``, which falls by ``key`` and keeps at most ``most``; returns how many."""
    if size == most:
        if key[s] <= key[order[size - 1]]:
            return size
        size -= 1
    j = size
    while j > 0 and key[order[j - 1]] < key[s]:
        order[j] = order[j - 1]
        j -= 1
    order[j] = s
    return size + 1


@helper
def _floors(beam, bar, fusion, places):
    """How probable a symbol must be to be worth a look: one that spells on in a word, and one that ends it. Where every
    symbol is one character, those that the lexicon knows need no list, and only the others count."""
    options, spelling, ending = fusion.options[0], 0.0, 0.0
    for i in range(beam.count[0]):
        place = places[beam.node[i]]
        base = beam.total[i] / place["ahead"]
        ending = max(ending, base * close_bound(fusion, place))
        if not options["single"]:
            spelling = max(spelling, beam.total[i] * options["bound"])
        elif not options["closed"]:
            unknown = fusion.unknown[min(place["spelled"] + 1, LONGEST - 1), 0]
            spelling = max(spelling, base * unknown * options["hot_bound"])
    return bar / spelling, bar / (ending * options["bound"])


@helper
def _extend(p, beam, work, size, bar, pruned, fusion, places, rows):
    """Fill the heap with the best of what stays and what extends; only extensions of more than ``bar`` may enter.

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
    for rank in range(beam.count[0]):
        i = beam.ranking[rank]
        total = beam.total[i] * bound
        if size == 0 or total * p[work.short[0]] <= bar:
            break
        for q in range(size):
            s = work.short[q]
            x = total * p[s]
            if x <= bar:
                break
            if s == beam.label[i]:  # a repeat is a new label only after a blank
                x = beam.blank[i] * bound * p[s]
                if x <= bar:
                    continue
            if _merged(beam, work, i, s):
                continue
            if fusion is not None:
                if fusion.options[0]["kind"] == WORDS and fusion.breaks[s]:
                    continue  # _end_words had it
                x *= step(fusion, places, rows, beam.node[i], s)[0] / bound
                if x <= bar:
                    continue
            filled, bar = _push(beam, work, filled, bar, x, rank, s, len(p))
    return filled


@helper
def _end_words(p, beam, work, size, bar, fusion, places, rows):
    """Offer the extensions by symbols with a space: what they multiply a weight by differs from prefix to prefix."""
    options, breaks, filled = fusion.options[0], 0, np.int64(-1)
    for q in range(size):
        if fusion.breaks[work.short[q]]:
            work.breaks[breaks] = work.short[q]
            breaks += 1
    if breaks == 0:
        return filled, bar
    for rank in range(beam.count[0]):
        i = beam.ranking[rank]
        node = beam.node[i]
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
            x = (beam.blank[i] if s == beam.label[i] else beam.total[i]) * p[s]
            x *= step(fusion, places, rows, node, s)[0]
            if x > bar:
                filled, bar = _push(beam, work, filled, bar, x, rank, s, len(p))
    return filled, bar


@helper
def _spell_words(p, beam, work, size, bar, filled, pruned, fusion, places):
    """Offer the extensions that spell on in a word, where symbols are single characters: those that the lexicon knows
    by going through its node's children, and all others together, as they have the same look-ahead."""
    options, highest = fusion.options[0], 0.0
    for s in range(1, len(p)):
        work.listed[s] = not pruned
        highest = max(highest, p[s])
    for q in range(size):
        work.listed[work.short[q]] = True
    for rank in range(beam.count[0]):
        i = beam.ranking[rank]
        place = places[beam.node[i]]
        base, lex, hot = beam.total[i] / place["ahead"] * options["hot_bound"], np.int64(place["lex"]), place["hot"]
        top = fusion.lexicon[lex]["ahead"] if lex >= 0 else place["ahead"]
        if base * top * highest <= bar:
            continue
        repeated = beam.blank[i] / beam.total[i]
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
            if x <= bar or code == SPACE or _merged(beam, work, i, s) or _child_of(fusion, lex, code):
                continue
            filled, bar = _push(beam, work, filled, bar, x, rank, s, len(p))
    return filled


@inlined
def _repeat_and_hot(beam, i, s, repeated, fusion, hot, code):
    """The factor of a repeated label, which must follow a blank, and of the hotwords."""
    factor = repeated if s == beam.label[i] else 1.0
    if len(fusion.hot_next) > 1:
        after = fusion.hot_next[hot, code]
        factor *= fusion.hot_gain[after, 0] * fusion.hot_gain[after, 1] / fusion.options[0]["hot_bound"]
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
    """Whether the extension is in the beam, so that :func:`_stay` has merged it."""
    j = work.child[i]
    while j >= 0 and beam.label[j] != s:
        j = work.sibling[j]
    return j >= 0


@inlined
def _push(beam, work, filled, bar, x, rank, s, symbols):
    """Offer an extension to the heap; returns how many candidates it holds, and what the next ones must exceed."""
    width = len(beam.node)
    if filled < 0:
        filled = _heap_of_stays(beam, work)
    if filled < width:
        work.score[filled] = x
        work.code[filled] = width + rank * symbols + s
        filled += 1
        if filled < width:
            return filled, bar
        _heapify(work.score, work.code)
    else:
        _sift(work.score, work.code, np.int64(0), x, width + rank * symbols + s)
    return filled, max(bar, work.score[0])


@helper
def _heap_of_stays(beam, work):
    count = beam.count[0]
    for rank in range(count):
        work.score[rank] = work.total[beam.ranking[rank]]
        work.code[rank] = rank
    if count == len(beam.node):
        _heapify(work.score, work.code)
    return count


@helper
def _enter(beam, trie, work, filled, symbols, fusion, places, rows):
    """Let the heap's extensions take the rows of the prefixes that fell out of it."""
    count, width = beam.count[0], len(beam.node)
    for i in range(count):
        work.kept[i] = False
    for k in range(filled):
        if work.code[k] < width:
            work.kept[beam.ranking[work.code[k]]] = True
        else:  # all nodes before any row is overwritten: a parent may be among those that leave
            extension = work.code[k] - width
            parent = beam.node[beam.ranking[extension // symbols]]
            work.node[k] = child_of(trie, parent, extension % symbols)
            if fusion is not None:
                settle_place(fusion, places, rows, parent, extension % symbols, work.node[k])
    for i in range(count):
        if not work.kept[i]:
            trie.row[beam.node[i]] = -1
    i = 0
    for k in range(filled):
        if work.code[k] >= width:
            while i < count and work.kept[i]:
                i += 1
            node = work.node[k]
            beam.node[i] = node
            beam.parent[i] = trie.parent[node]
            beam.label[i] = trie.label[node]
            trie.row[node] = i
            work.blank[i] = 0.0
            work.last[i] = work.total[i] = work.score[k]
            if i == beam.count[0]:
                beam.ranking[i] = i
                beam.count[0] += 1
            i += 1


@helper
def _settle(beam, trie, work, ratio):
    """Take over the new masses, drop the rows below ``ratio`` of the best, sort the others, and keep clear of underflow
    and overflow."""
    count, kept, best = beam.count[0], np.int64(0), 0.0
    for i in range(count):
        best = max(best, work.total[i])
    lift = 1.0
    if best < LOW:
        lift = LIFT
        beam.lifts[0] += 1
    elif best > LIFT:
        lift = LOW
        beam.lifts[0] -= 1
    bar = best * ratio
    for i in range(count):
        if work.total[i] < bar:
            trie.row[beam.node[i]] = -1
            continue
        if kept < i:
            beam.node[kept] = beam.node[i]
            beam.parent[kept] = beam.parent[i]
            beam.label[kept] = beam.label[i]
            trie.row[beam.node[i]] = kept
        beam.blank[kept] = work.blank[i] * lift
        beam.last[kept] = work.last[i] * lift
        beam.total[kept] = work.total[i] * lift
        kept += 1
    if kept < count:
        beam.count[0] = kept
        for i in range(kept):
            beam.ranking[i] = i
    sort_down(beam.ranking, kept, beam.total)


def advance(probs, beam, trie, tokens, cutoff, ratio, fusion, places, rows):
    """Take the beam through more frames: not compiled by itself, but by :mod:`recog.decoding.kernels_extend` without
    and by :mod:`recog.decoding.weighted_extend` with a language model.

    Args:
        probs: (time, symbols) probabilities, each frame's sum at most 1.
        tokens, cutoff: extend by the ``tokens`` most probable symbols of a frame, and by those that make up ``cutoff``
            of its mass; the number of symbols and 1.0 switch them off.
        ratio: drop prefixes below this share of the best's mass; 0.0 switches it off.
        fusion, places, rows: see :mod:`recog.decoding.fusion`; None without a language model.

    Returns:
        The trie and the places, which may have had to grow.
    """
    frames, symbols = probs.shape
    width = len(beam.node)
    work = Scratch(
        np.empty(width), np.empty(width), np.empty(width),
        np.empty(width, np.int64), np.empty(width, np.int64),
        np.empty(width), np.empty(width, np.int64), np.empty(width, np.int64), np.empty(width, np.bool_),
        np.empty(symbols, np.int64), np.empty(symbols, np.int64), np.zeros(symbols, np.bool_),
    )  # fmt: skip
    for t in range(frames):
        p = probs[t]
        trie = with_room(trie, width)
        if fusion is not None:
            places = with_places(places, len(trie.parent))
        best, least = _stay(p, beam, trie, work, places)
        bar = best * ratio
        if beam.count[0] == width:
            bar = max(bar, least)
        size = _shortlist(p, beam, bar, tokens, cutoff, work, fusion, places)
        pruned = tokens < symbols or cutoff < 1.0
        filled = _extend(p, beam, work, size, bar, pruned, fusion, places, rows)
        if filled >= 0:
            _enter(beam, trie, work, filled, symbols, fusion, places, rows)
        _settle(beam, trie, work, ratio)
    return trie, places
