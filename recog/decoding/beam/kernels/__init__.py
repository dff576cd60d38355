"""Compiled entry points of the beam search, one a file so that they compile in parallel.

Importing an entry point compiles it, or loads it from the cache.

plain_step, lm_step      the beam through frames, without and with a language model
partial                  partial results of a stream
plain_finish, lm_finish  the last beam to hypotheses, without and with a language model
lm_score                 the language model's score of a text
"""
