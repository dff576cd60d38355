"""After the beam: better choices among its hypotheses.

language_id             the language model that fits each line
test_time_augmentation  hypotheses from several variants of the input
nbest                   rescoring of the N-best list by a neural language model
combination             the best hypothesis improved by words of the others
hill_climbing           the word-by-word search that both kinds of combination use
"""
