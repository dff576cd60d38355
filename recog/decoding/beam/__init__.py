"""Prefix beam search over CTC outputs, in compiled kernels.

types          Numba types of what passes between Python and the kernels
beam           the beam between two frames
prefix_trie    prefixes, in arrays and a hash table
heap           the best candidates
expand         extensions of prefixes in one frame
recombination  prefixes that the language model continues alike
step           the beam through the frames
finish         from the last beam to hypotheses
search         one utterance through all of it
kernels        compiled entry points, one a file
"""
