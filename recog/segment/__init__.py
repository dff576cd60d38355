"""Recordings to segments of speech, pages to lines in reading order.

voice_activity  which frames of a sound hold speech
speech          segments of at most 30 s, cut at pauses
polarity        negatives to positives
orientation     a page turned upright
page_geometry   where a page is written on, how large and in which direction
page_lines      lines of a page: baselines and outlines
baselines       maps of the line network to baselines and outlines
fold            baselines cut at the fold of two facing pages
line_spacing    size of the writing
marginalia      main text or marginalia
reading_order   columns, rows of a table
"""
