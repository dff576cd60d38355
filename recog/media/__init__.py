"""Sound files to mono waveforms, image files to upright grey pages.

source    what callers pass as a recording or an image
audio     sound files, microphones and pipes
image     image files, and lines cut out of pages
document  PDF and TIFF, page by page
quiet     C libraries kept off the terminal
errors    the error of files that cannot be read
"""
