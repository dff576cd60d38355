"""Symbols and their normalisation."""
