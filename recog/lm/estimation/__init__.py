"""Estimation of n-gram models from text.

workspace   arrays larger than memory
counts      counts of n-grams
kneser_ney  modified Kneser-Ney smoothing
prune       entropy pruning
mix         linear interpolation
"""
