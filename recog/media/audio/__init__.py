"""Recordings to mono waveforms at one rate.

headers   what the first and last bytes of a file say
decoders  libsndfile and FFmpeg, at the file's own times
downmix   several channels to one
level     too quiet, too loud, silent?
reader    a waveform in blocks or whole
capture   a microphone or a pipe, while it goes on
"""
