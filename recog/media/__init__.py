"""Sound and image files as arrays: any sound to a mono waveform, any image to an upright grey
page."""
