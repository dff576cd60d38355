"""Recordings to mono waveforms at one rate.

file_kind     the container, by the first bytes of a file
data_extent   where its samples lie, and whether their end is missing
open_decoder  the library that decodes it
decoder       what both libraries share
sndfile       libsndfile: WAV, FLAC, AIFF
ffmpeg        FFmpeg: all other formats, at the times of the container
downmix       several channels to one
level         quiet, loud or silent
resampling    one rate, blocks of one size
reader        the waveform in blocks, or whole
capture       a microphone or a pipe, while sound arrives
"""
