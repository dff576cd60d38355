"""Image files to upright grey pages, and lines cut out of them.

headers    what a header says before anything is decoded
exif       orientation
depth      16 bits and floats to 8 bits
reader     a grey page
line_crop  a line along its polygon, level and unbent
"""
