"""Tuning: the best decoding of a model, searched on data that it was not trained on.

data         rows to utterances with the network's outputs
search       weights, temperature and beam with the lowest error rate
rescoring    the weight of a neural language model
calibration  word confidences
lm_files     the language models of the tuned recogniser
card         the tuning on the model card
model        all of it, from rows to the model folder
"""
