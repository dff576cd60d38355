"""Text: alphabets, normalisation, right-to-left order, numbers and pronunciations."""
