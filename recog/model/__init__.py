"""The model folder and how to run it."""
