"""Reports of an evaluation, for people to read.

terminal     tables in a terminal
differences  differences of two texts by word and by letter
analysis     lines with the most errors, and scores by length
clips        sound or image of a row as a data URI
html         a report in a single HTML file
"""
