"""Prefix beam search over CTC outputs, in compiled kernels.

prefix_trie    prefixes, in arrays and a hash table
beam           the beam between two frames
heap           the best candidates
expand         pruning of a frame's symbols, and extensions of prefixes
recombination  prefixes that the language model continues alike
step           the beam through the frames
finish         from the last beam to hypotheses
types          Numba types of the kernels' arguments
kernels        compiled entry points, one a file
search         one utterance through all of it
"""
