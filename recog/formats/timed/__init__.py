"""Formats of text with times: subtitles, NIST files, Praat annotations.

channels       labels for channels, in formats that have none
line_breaking  where a subtitle breaks into rows and cues
cues           when a subtitle is shown
srt, vtt       SubRip and WebVTT subtitles
tsv            tab-separated segments, as Whisper writes them
ctm, trn       NIST's time-marked words, and transcripts with utterance ids
textgrid       Praat
"""
