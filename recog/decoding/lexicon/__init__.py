"""From phones to words.

lexicon_decoding  phones to words, by dictionary and language model
homophones        words that sound alike, by context
"""
