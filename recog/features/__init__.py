"""Waveforms and line images to the frames that a network reads, with NumPy and OpenCV alone.

log_mel     log-mel frames of a waveform
line_strip  a line image at a fixed height
"""
