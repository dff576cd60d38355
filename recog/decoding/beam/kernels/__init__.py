"""Compiled entry points of the beam search, one a file so that they compile in parallel.

plain_step, lm_step      the beam through frames, without and with a language model
partial                  partial results
plain_finish, lm_finish  the last beam to hypotheses
lm_score                 the language model's score of a text
"""
