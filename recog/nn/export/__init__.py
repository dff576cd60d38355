"""Networks to ONNX, built node by node from the config and not traced.

graph           an ONNX graph under construction
recogniser      a recogniser's network
cells           its recurrent layers
attention       its self-attention
language_model  a neural language model
page_model      the convolutional networks of page models
"""
