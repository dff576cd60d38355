"""The networks of page models: lines, marginalia and geometry.

network     the lines network, a small U-Net
marginalia  its head that tells the main text from notes on it
geometry    size and direction of the writing, from a small copy of the page
"""
