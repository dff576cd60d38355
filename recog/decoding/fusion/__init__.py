"""Language models and hotwords in the beam (shallow fusion).

keywords      words and phrases the user expects, as an automaton
lexicon_trie  the vocabulary as a trie of characters
tables        everything as tables that kernels can read
kernels       what a prefix is worth
"""
