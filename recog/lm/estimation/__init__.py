"""N-gram models from texts.

workspace   arrays larger than memory
counts      n-grams counted and sorted
kneser_ney  modified Kneser-Ney smoothing
prune       entropy pruning
mix         linear interpolation
"""
