"""From phones to written words.

lexicon_decoding  phones to words by dictionary and language model
homophones        "there", "their" or "they're"
"""
