"""Recordings and images to transcripts: a model with its decoder, ready to use."""
