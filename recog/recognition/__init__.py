"""Recordings and images to transcripts: a model with its decoder, ready to use.

options           what a caller may choose, checked
load              a model by name or folder
decoders          beam search, language models, lexicon and rescorer, as the options ask for them
base              what speech and handwriting share: log-probabilities to text
words             spans of words to times, logical order and confidences
speech            recordings
chunk_merging     segments of a recording that share sound
live              sound that is still arriving
handwriting       line images and pages
layout_xml        lines that a PAGE or ALTO file gives
forced_alignment  a known text to the times or boxes of its words
dataset           the rows of a corpus
"""
