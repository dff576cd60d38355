"""Shared utilities: files, folders, threads, JIT compilation, edit distance, display."""
