"""After the beam: better choices among its hypotheses.

language_id             which language model fits a line
test_time_augmentation  hypotheses of several variants of the input
nbest                   a neural language model orders the N-best list
combination             words of other hypotheses in the best one
"""
