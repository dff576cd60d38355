"""Importers: a corpus as its publisher lays it out to rows.

speech     corpora of recordings
pages      corpora of pages and lines
tsv        tables of clips or line images
filenames  texts in file names
"""
