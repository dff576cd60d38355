"""Recordings to stretches of speech, pages to lines."""
