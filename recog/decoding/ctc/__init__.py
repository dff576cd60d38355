"""Sums and maxima over the CTC alignments of a known text.

trellis         compiled kernels
forward_sum     log-probability of a text
viterbi         frames of a text's symbols
word_spans      times and confidences of words and characters
long_alignment  long texts in long recordings, by anchors
"""
