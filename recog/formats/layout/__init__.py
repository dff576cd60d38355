"""Formats of lines and words on pages: PAGE, ALTO, hOCR, PDF.

xml            bounded XML without entities
shapes         polygons and boxes
bands          outlines for lines known by their baselines
reading_order  orders stated apart from the lines
described      the pages of a PAGE or ALTO file, on an image
turning        pages that were turned before they were read
page           PAGE XML
alto           ALTO 4; alto_reader reads any version
hocr           hOCR 1.2
pdf            searchable PDF; glyphless is its font
"""
