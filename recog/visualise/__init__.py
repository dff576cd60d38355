"""Transcripts to look at: a page with its lines and what they say, a spectrogram with its words."""
