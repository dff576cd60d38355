"""Formats of lines and words on pages: PAGE, ALTO, hOCR, PDF.

xml                 parses XML safely and writes elements
shapes              polygons, boxes and text as XML formats write them
rotation            rotates points, boxes and lines by quarter turns
reading_order       the reading order that a PAGE or ALTO file states
baseline_polygons   polygons for lines that have only a baseline
page                PAGE XML
alto, alto_reader   ALTO: the writer (version 4) and the reader (any version)
page_layout         lines of a PAGE or ALTO file, in pixels of an image of that page
hocr                hOCR 1.2
glyphless, pdf      searchable PDF, and the font of its invisible text
"""
