"""Importers: convert a corpus in its publisher's layout to rows.

speech     corpora of recordings
pages      corpora of pages and lines
tsv        tables of clips or line images
filenames  texts in file names
"""
