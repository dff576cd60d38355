"""Corpora of pages and lines: PAGE and ALTO (page_files finds them), IAM, RIMES."""
