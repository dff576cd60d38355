"""Language models and hotwords in the beam (shallow fusion).

hotwords         expected words and phrases, as an automaton
lexicon_trie     the vocabulary, as a trie of characters
tables           language model, lexicon and hotwords as tables for kernels
character_cache  probabilities of a character model
kernels          weights of prefixes
"""
