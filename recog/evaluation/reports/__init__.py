"""An evaluation for people to read.

terminal     as tables
differences  word by word and letter by letter
analysis     the lines that matter most, and how length tells
clips        a row's sound or image as a data URI
html         all of it in one HTML file
"""
