"""Sums and maxima over CTC alignments of a known text.

trellis         the kernels
forward_sum     log-probability of a text
viterbi         times of symbols, characters and words
long_alignment  long texts in long recordings, by anchors
"""
