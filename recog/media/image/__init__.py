"""Image files to upright grey pages, and lines cut out of them.

headers    size, orientation and completeness, before anything is decoded
tiff       directories of TIFF files and Exif blocks
exif       orientation
depth      16 bits and floats to 8 bits
reader     a grey page
line_crop  a line along its polygon, level and straight
"""
