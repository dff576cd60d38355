"""Waveforms and line images to the frames that a network reads. Numpy only, the same in training
and in use."""
