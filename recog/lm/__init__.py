"""n-gram and neural language models.

text        tokens of a text
tables      an n-gram model as plain tables
rows        sorting and searching of those tables
estimation  n-gram models from text
arpa        the ARPA format, with its lines in arpa_lines
trie        an n-gram model as a trie
check       validity of a trie
binary      recog's binary format of a trie
files       reading and writing of both formats' files
query       compiled queries of a trie, for the decoder
perplexity  n-gram models measured on a text
neural      LSTM language models
g2p         pronunciations from spellings
"""
