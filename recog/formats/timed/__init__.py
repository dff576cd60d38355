"""Formats of words with times: subtitles, annotations, NIST's.

line_breaking  where subtitles break
cues           when a subtitle is shown
srt, vtt       SubRip and WebVTT
tsv            a table of segments
ctm, trn       NIST's time-marked words and transcripts
textgrid       Praat
channels       channels in formats that know none
"""
