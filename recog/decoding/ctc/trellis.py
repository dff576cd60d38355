"""Kernels on the CTC trellis of known labellings: sums and maxima (Graves et al. 2006).

A sum is a mantissa of at least 2**-256 and an exponent in units of 256 bits, for each prefix. This
is several times faster than logarithms, however improbable a labelling is. The part lost beside a
prefix's total is below 2**-765 of it, and probability only shrinks from there: a sum above
e**CERTAIN has every digit.
"""

# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np

from recog.util.jit import kernel, maker

STEP = 2.0**-256
LOG_STEP = float(np.log(STEP))
PLAIN = -650.0  # natural log: sums above this need no separate exponent in float64
CERTAIN = -480.0  # natural log, for frames that sum to 1
# natural log: alignments this far below the best of their frame seldom become the best
DEPTH = 30.0
ROUNDING = 1e-3  # natural log, more than the rounding error of added log-probabilities


@kernel("Tuple((float64[:, ::1], float64))(float32[:, ::1])")
def probabilities(log_probs):
    """Scale probabilities to sum to 1 in each frame.

    Returns:
        (time, symbols) float64, and the sum of the logs of the frames' scales.
    """
    frames, symbols = log_probs.shape
    probs = np.empty((frames, symbols), np.float64)
    log_scale = 0.0
    for t in range(frames):
        highest = np.float64(log_probs[t, 0])
        for s in range(1, symbols):
            highest = max(highest, np.float64(log_probs[t, s]))
        total = 0.0
        for s in range(symbols):
            probs[t, s] = np.exp(np.float64(log_probs[t, s]) - highest)
            total += probs[t, s]
        for s in range(symbols):
            probs[t, s] /= total
        log_scale += highest + np.log(total)
    return probs, log_scale


@maker
def _forward_plain(probs, parent, label, first, shortest, floor):
    """:func:`forward` for masses between ``floor`` and 1 that need no separate exponent."""
    frames, nodes, longest = len(probs), len(parent), len(first) - 2
    blank, last = np.zeros(nodes), np.zeros(nodes)
    repeats = np.zeros(nodes, np.bool_)  # whether the label equals the parent's
    for u in range(1, nodes):
        repeats[u] = label[u] == label[parent[u]]
    blank[0] = 1.0
    low, high = 0, 0
    for t in range(frames):
        p = probs[t]
        bottom, top = max(low, shortest - (frames - 1 - t)), min(high + 1, longest)
        low, high = longest, 0
        for length in range(top, bottom - 1, -1):
            alive = False
            for u in range(first[length], first[length + 1]):
                v = parent[u]
                entering = blank[v] if repeats[u] else blank[v] + last[v]
                if u == 0:
                    entering = 0.0
                in_last, in_blank = (last[u] + entering) * p[label[u]], (blank[u] + last[u]) * p[0]
                if in_last + in_blank < floor:
                    in_last = in_blank = 0.0
                else:
                    alive = True
                last[u], blank[u] = in_last, in_blank
            if alive:
                low, high = length, max(high, length)
    result = np.empty(nodes)
    for u in range(nodes):
        total = blank[u] + last[u]
        result[u] = np.log(total) if total > 0.0 else -np.inf
    return result


@kernel("float64[::1](float64[:, ::1], int64[::1], int64[::1], int64[::1], int64, float64)")
def forward(probs, parent, label, first, shortest, negligible):
    """Return the log of the forward sums of several labellings that share prefixes.

    Args:
        probs: (time, symbols) probabilities, each frame's sum at most 1.
        parent: (nodes,) the prefix that a node extends by a label. Node 0 is the empty prefix.
        label: (nodes,) the added label; label[0] is 0.
        first: (longest + 2,) nodes are sorted by length; those of length n are first[n] up to
            first[n + 1].
        shortest: the least length of the results; those of shorter prefixes are undefined.
        negligible: natural log of a mass. A prefix with less is set to 0, which changes a sum by at
            most time * nodes times that mass. -inf sets none.

    Returns:
        (nodes,) natural log; -inf where no alignment fits.
    """
    if negligible > PLAIN:
        return _forward_plain(probs, parent, label, first, shortest, np.exp(negligible))
    frames, nodes, longest = len(probs), len(parent), len(first) - 2
    # masses of the alignments that end in blank, and of those that end in the node's label, in
    # units of STEP ** exponent
    blank, last, exponent = np.zeros(nodes), np.zeros(nodes), np.zeros(nodes, np.int64)
    floor_exponent, floor = np.int64(2**62), 0.0
    if negligible > -np.inf:
        floor_exponent = np.int64(negligible / LOG_STEP)
        floor = np.exp(negligible - floor_exponent * LOG_STEP)
    blank[0] = 1.0
    low, high = 0, 0  # lengths of the shortest and the longest prefix that have mass
    for t in range(frames):
        # shorter prefixes can no longer reach a result
        bottom, top = max(low, shortest - (frames - 1 - t)), min(high + 1, longest)
        low, high = longest, 0
        for length in range(top, bottom - 1, -1):  # down, as parents are still a frame behind
            for u in range(first[length], first[length + 1]):
                v = parent[u]
                entering = 0.0
                if u > 0:
                    entering = blank[v] if label[u] == label[v] else blank[v] + last[v]
                staying, total = last[u], blank[u] + last[u]
                if entering == 0.0 and total == 0.0:
                    continue
                if exponent[u] != exponent[v] and entering != 0.0:
                    if exponent[v] > exponent[u] and total != 0.0:
                        entering *= STEP ** min(exponent[v] - exponent[u], 5)
                    else:
                        factor = STEP ** min(exponent[u] - exponent[v], 5) if total != 0.0 else 0.0
                        staying *= factor
                        total *= factor
                        exponent[u] = exponent[v]
                last[u] = (staying + entering) * probs[t, label[u]]
                blank[u] = total * probs[t, 0]
                total = last[u] + blank[u]
                while 0.0 < total < STEP:
                    last[u] /= STEP
                    blank[u] /= STEP
                    total /= STEP
                    exponent[u] += 1
                if exponent[u] >= floor_exponent and (
                    exponent[u] > floor_exponent or total < floor
                ):
                    last[u] = blank[u] = total = 0.0
                if total > 0.0:
                    low, high = length, max(high, length)
    result = np.empty(nodes)
    for u in range(nodes):
        result[u] = (
            np.log(blank[u] + last[u]) + exponent[u] * LOG_STEP
            if blank[u] + last[u] > 0.0
            else -np.inf
        )
    return result


@maker
def _best_alignment(log_probs, labels, starts, ends, rest, depth):
    """Compute :func:`viterbi_path` without states more than ``depth`` below their frame's best.

    Args:
        rest: (time + 1,) for each frame the log-probability of the best symbols of this frame and
            all later ones; 0 at the end.

    Returns:
        The log-probability, and an upper bound for the alignments left out.
    """
    frames, count = len(log_probs), len(labels)
    back = np.empty((frames, count + 1), np.uint8)
    blank, last = np.empty(count + 1), np.empty(count)  # blank[j] precedes label j
    blank[:] = last[:] = -np.inf
    blank[0] = 0.0
    # first and last label within depth
    begin, end, highest, missed = 0, 0, 0.0, -np.inf
    for t in range(frames):
        p_blank = np.float64(log_probs[t, 0])
        bar = highest + rest[t] - rest[t + 1] - depth
        # earlier labels can no longer reach the end
        bottom, top = max(begin, count - (frames - t)), min(count, end + 1)
        begin, end, highest = count, bottom, -np.inf
        for j in range(top, bottom - 1, -1):  # down, as lower labels are still a frame behind
            before = last[j - 1] if j > 0 else -np.inf
            code = 0
            if j < count:
                best = last[j]
                if blank[j] > best:
                    best = blank[j]
                    code = 1
                if before > best and labels[j] != labels[j - 1]:
                    best = before
                    code = 2
                last[j] = best + log_probs[t, labels[j]]
            best = blank[j]
            if before > best:
                best = before
                code += 4
            blank[j] = best + p_blank
            back[t, j] = code
            best = max(blank[j], last[j]) if j < count else blank[j]
            if best < bar:
                missed = max(missed, best + rest[t + 1])
                blank[j] = -np.inf
                if j < count:
                    last[j] = -np.inf
            else:
                begin, end, highest = j, max(end, j), max(highest, best)
    if count == 0:
        return blank[0], missed
    ends_in_blank = blank[count] > last[count - 1]
    result = blank[count] if ends_in_blank else last[count - 1]
    if result == -np.inf or result <= missed:
        return result, missed
    j = count if ends_in_blank else count - 1
    if not ends_in_blank:
        ends[j] = frames
    in_blank = ends_in_blank
    for t in range(frames - 1, -1, -1):
        code = back[t, j]
        if in_blank:
            if code & 4:
                j -= 1
                in_blank = False
                ends[j] = t
        elif code & 3:
            starts[j] = t
            if code & 3 == 1:
                in_blank = True
            else:
                j -= 1
                ends[j] = t
    return result, missed


@kernel("float64(float32[:, ::1], int32[::1], int32[::1], int32[::1])")
def viterbi_path(log_probs, labels, starts, ends):
    """Find the most probable alignment, and return its log-probability.

    The first frame and one past the last of each label go to ``starts`` and ``ends``. Where no
    alignment fits, the result is -inf and nothing is written. Of equally probable ways into a
    state, staying in it comes first.

    States far below the best of their frame are left out at first. The search is repeated with all
    states if, with the best symbol of every later frame, one of them could have become the best.

    Back-pointers take time * (labels + 1) bytes. Bits 0-1 say where a label was entered from: 0
    itself, 1 the blank before it, 2 the label before that. Bit 2 says that a blank was entered from
    the label before it.
    """
    rest = np.zeros(len(log_probs) + 1)
    for t in range(len(log_probs) - 1, -1, -1):
        best = log_probs[t, 0]
        for s in range(1, log_probs.shape[1]):
            best = max(best, log_probs[t, s])
        rest[t] = rest[t + 1] + best
    result, missed = _best_alignment(log_probs, labels, starts, ends, rest, DEPTH)
    if result < missed + ROUNDING:
        result, missed = _best_alignment(log_probs, labels, starts, ends, rest, np.inf)
    return result
