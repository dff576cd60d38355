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
from recog.decoding.fusion import LONGEST, SPACE, WORDS, close_bound, close_of, settle_place, step
from recog.decoding.trie import ROOT, Trie, child_of

LOW, LIFT = 2.0**-200, 2.0**200  # masses are multiplied by LIFT when the best falls below LOW, divided above LIFT


COUNT, LIFTS = 0, 1  # in Beam.marks
ROW = np.dtype(  # of the beam: a prefix, and the masses of its alignments but for their sum
    [
        ("blank", "f8"),  # of those that end in blank
        ("last", "f8"),  # of those that end in its last label
        ("node", "i8"),
        ("parent", "i8"),  # the node's parent
        ("label", "i8"),  # its last label
    ]
)
NEXT = np.dtype(  # what becomes of a row in one frame
    [
        ("blank", "f8"), ("last", "f8"), ("total", "f8"),
        ("child", "i8"),  # first row whose parent is this row, or -1
        ("sibling", "i8"),  # the next such row
        ("kept", "i8"),
    ]
)  # fmt: skip
CANDIDATE = np.dtype(
    [
        ("score", "f8"),
        ("code", "i8"),  # what it is: a rank below width stays, width + rank * symbols + s extends
        ("node", "i8"),  # of a prefix that enters
    ]
)


class Beam(NamedTuple):
    """The live prefixes. Rows keep their place for as long as their prefix lives; ``ranking`` sorts them.

    Few arrays, of records: kernels hand all of a tuple's arrays on with every call, and compile a type for each.
    """

    rows: Any  # (width,) ROW
    total: Any  # (width,) float64, their masses: blank + last
    ranking: Any  # (width,) int64, rows by falling total
    marks: Any  # (2,) int64: rows in use; how many times the masses were multiplied by LIFT, less than 0 where divided


class Scratch(NamedTuple):
    """Room for one frame's work."""

    rows: Any  # (width,) NEXT
    heap: Any  # (width,) CANDIDATE, the best candidates, worst first
    short: Any  # (symbols,) int64, the symbols worth a look
    breaks: Any  # (symbols,) int64, those of them that hold a space
    listed: Any  # (symbols,) bool, whether a symbol is worth a look


def new_beam(width: int, trie: Trie, mass: float) -> Beam:
    """A beam that holds the empty prefix, with this mass. Runs in Python."""
    beam = Beam(np.zeros(width, ROW), np.zeros(width), np.zeros(width, np.int64), np.array([1, 0], np.int64))
    beam.rows[0]["node"] = ROOT
    beam.rows[0]["blank"] = beam.total[0] = mass
    trie.nodes[ROOT]["row"] = 1
    return beam


def make_scratch(width: int, symbols: int) -> Scratch:
    """Room for a beam of this width. Runs in Python."""
    return Scratch(
        np.zeros(width, NEXT), np.zeros(width, CANDIDATE),
        np.zeros(symbols, np.int64), np.zeros(symbols, np.int64), np.zeros(symbols, np.bool_),
    )  # fmt: skip


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
def _sift(heap, i, new_score, new_code):
    """Put a candidate at ``i`` of the heap and let it sink. Worse is a lower score, and of equals the later code."""
    size = len(heap)
    while True:
        j = 2 * i + 1
        if j >= size:
            break
        k = j + 1
        if k < size and _worse(heap[k], heap[j]["score"], heap[j]["code"]):
            j = k
        if not _worse(heap[j], new_score, new_code):
            break
        heap[i]["score"] = heap[j]["score"]
        heap[i]["code"] = heap[j]["code"]
        i = j
    heap[i]["score"] = new_score
    heap[i]["code"] = new_code


@inlined
def _worse(candidate, score, code):
    return candidate["score"] < score or (candidate["score"] == score and candidate["code"] > code)


@inlined
def _heapify(heap):
    for i in range(len(heap) // 2 - 1, -1, -1):
        _sift(heap, i, heap[i]["score"], heap[i]["code"])


@helper
def _stay(p, beam, trie, work, places):
    """Masses of the prefixes in the beam after one more frame, and the links from parents to children in the beam."""
    count = beam.marks[COUNT]
    best, least = 0.0, np.inf
    for i in range(count):
        work.rows[i]["child"] = -1
    for i in range(count):
        row, after = beam.rows[i], work.rows[i]
        label, mass = row["label"], row["last"]
        j = np.int64(trie.nodes[row["parent"]]["row"]) - 1
        if j >= 0:
            flow = beam.rows[j]["blank"] if beam.rows[j]["label"] == label else beam.total[j]
            if places is not None:
                flow *= places[row["node"]]["factor"]
            mass += flow
            after["sibling"] = work.rows[j]["child"]
            work.rows[j]["child"] = i
        last, blank = mass * p[label], beam.total[i] * p[0]
        total = last + blank
        after["last"], after["blank"], after["total"] = last, blank, total
        best = max(best, total)
        least = min(least, total)
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
    """Put ``s`` into its place in ``order[:size]``, which falls by ``key`` and keeps at most ``most``; returns how many."""
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
    """How probable a symbol must be to be worth a look: one that spells on in a word, and one that ends it. Where every
    symbol is one character, those that the lexicon knows need no list, and only the others count."""
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
    """Offer the extensions by symbols with a space: what they multiply a weight by differs from prefix to prefix."""
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
    """Offer the extensions that spell on in a word, where symbols are single characters: those that the lexicon knows
    by going through its node's children, and all others together, as they have the same look-ahead."""
    options, highest = fusion.options[0], 0.0
    for s in range(1, len(p)):
        work.listed[s] = not pruned
        highest = max(highest, p[s])
    for q in range(size):
        work.listed[work.short[q]] = True
    for rank in range(beam.marks[COUNT]):
        i = beam.ranking[rank]
        place = places[beam.rows[i]["node"]]
        base, lex, hot = beam.total[i] / place["ahead"] * options["hot_bound"], np.int64(place["lex"]), place["hot"]
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
            if x <= bar or code == SPACE or _merged(beam, work, i, s) or _child_of(fusion, lex, code):
                continue
            filled, bar = _push(beam, work, filled, bar, x, rank, s, len(p))
    return filled


@inlined
def _repeat_and_hot(beam, i, s, repeated, fusion, hot, code):
    """The factor of a repeated label, which must follow a blank, and of the hotwords."""
    factor = repeated if s == beam.rows[i]["label"] else 1.0
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
    j = work.rows[i]["child"]
    while j >= 0 and beam.rows[j]["label"] != s:
        j = work.rows[j]["sibling"]
    return j >= 0


@inlined
def _push(beam, work, filled, bar, x, rank, s, symbols):
    """Offer an extension to the heap; returns how many candidates it holds, and what the next ones must exceed."""
    width = len(beam.rows)
    if filled < 0:
        filled = _heap_of_stays(beam, work)
    if filled < width:
        work.heap[filled]["score"] = x
        work.heap[filled]["code"] = width + rank * symbols + s
        filled += 1
        if filled < width:
            return filled, bar
        _heapify(work.heap)
    else:
        _sift(work.heap, np.int64(0), x, width + rank * symbols + s)
    return filled, max(bar, work.heap[0]["score"])


@helper
def _heap_of_stays(beam, work):
    count = beam.marks[COUNT]
    for rank in range(count):
        work.heap[rank]["score"] = work.rows[beam.ranking[rank]]["total"]
        work.heap[rank]["code"] = rank
    if count == len(beam.rows):
        _heapify(work.heap)
    return count


@helper
def _enter(beam, trie, work, filled, symbols, fusion, places, rows):
    """Let the heap's extensions take the rows of the prefixes that fell out of it."""
    count, width = beam.marks[COUNT], len(beam.rows)
    for i in range(count):
        work.rows[i]["kept"] = False
    for k in range(filled):
        if work.heap[k]["code"] < width:
            work.rows[beam.ranking[work.heap[k]["code"]]]["kept"] = True
        else:  # all nodes before any row is overwritten: a parent may be among those that leave
            extension = work.heap[k]["code"] - width
            parent = beam.rows[beam.ranking[extension // symbols]]["node"]
            work.heap[k]["node"] = child_of(trie, parent, extension % symbols)
            if fusion is not None:
                settle_place(fusion, places, rows, parent, extension % symbols, work.heap[k]["node"])
    for i in range(count):
        if not work.rows[i]["kept"]:
            trie.nodes[beam.rows[i]["node"]]["row"] = 0
    i = 0
    for k in range(filled):
        if work.heap[k]["code"] >= width:
            while i < count and work.rows[i]["kept"]:
                i += 1
            node = work.heap[k]["node"]
            beam.rows[i]["node"] = node
            beam.rows[i]["parent"] = trie.nodes[node]["parent"]
            beam.rows[i]["label"] = trie.nodes[node]["label"]
            trie.nodes[node]["row"] = i + 1
            work.rows[i]["blank"] = 0.0
            work.rows[i]["last"] = work.rows[i]["total"] = work.heap[k]["score"]
            if i == beam.marks[COUNT]:
                beam.ranking[i] = i
                beam.marks[COUNT] += 1
            i += 1


@helper
def _settle(beam, trie, work, ratio):
    """Take over the new masses, drop the rows below ``ratio`` of the best, sort the others, and keep clear of underflow
    and overflow."""
    count, kept, best = beam.marks[COUNT], np.int64(0), 0.0
    for i in range(count):
        best = max(best, work.rows[i]["total"])
    lift = 1.0
    if best < LOW:
        lift = LIFT
        beam.marks[LIFTS] += 1
    elif best > LIFT:
        lift = LOW
        beam.marks[LIFTS] -= 1
    bar = best * ratio
    for i in range(count):
        if work.rows[i]["total"] < bar:
            trie.nodes[beam.rows[i]["node"]]["row"] = 0
            continue
        if kept < i:
            beam.rows[kept]["node"] = beam.rows[i]["node"]
            beam.rows[kept]["parent"] = beam.rows[i]["parent"]
            beam.rows[kept]["label"] = beam.rows[i]["label"]
            trie.nodes[beam.rows[i]["node"]]["row"] = kept + 1
        beam.rows[kept]["blank"] = work.rows[i]["blank"] * lift
        beam.rows[kept]["last"] = work.rows[i]["last"] * lift
        beam.total[kept] = work.rows[i]["total"] * lift
        kept += 1
    if kept < count:
        beam.marks[COUNT] = kept
        for i in range(kept):
            beam.ranking[i] = i
    sort_down(beam.ranking, kept, beam.total)


@helper
def advance(probs, beam, trie, work, tokens, cutoff, ratio, fusion, places, rows):
    """Take the beam through more frames.

    Args:
        probs: (time, symbols) probabilities, each frame's sum at most 1.
        tokens, cutoff: extend by the ``tokens`` most probable symbols of a frame, and by those that make up ``cutoff``
            of its mass; the number of symbols and 1.0 switch them off.
        ratio: drop prefixes below this share of the best's mass; 0.0 switches it off.
        fusion, places, rows: see :mod:`recog.decoding.fusion`; None without a language model.

    Returns:
        How many frames it went through: fewer than all where the trie, or the places, have no room for another.
    """
    frames, symbols = probs.shape
    width, room = len(beam.rows), len(trie.nodes)
    pruned = tokens < symbols or cutoff < 1.0
    if places is not None:
        room = min(room, len(places))
    for t in range(frames):
        if trie.size[0] + width > room:
            return np.int64(t)
        p = probs[t]
        best, least = _stay(p, beam, trie, work, places)
        bar = best * ratio
        if beam.marks[COUNT] == width:
            bar = max(bar, least)
        size = _shortlist(p, beam, bar, tokens, cutoff, work, fusion, places)
        filled = _extend(p, beam, work, size, bar, pruned, fusion, places, rows)
        if filled >= 0:
            _enter(beam, trie, work, filled, symbols, fusion, places, rows)
        _settle(beam, trie, work, ratio)
    return np.int64(frames)
