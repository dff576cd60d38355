"""The networks, in torch. Needs the ``train`` extra; only ``nn`` and ``training`` import it.

encoder         a recogniser's network: convolutions, recurrent layers, heads
dropout         a faster dropout
attention       self-attention
cells/          the LSTM and its relatives
language_model  a neural language model
conv            the block of page networks
page/           the networks of page models
weights         weights in and out of model folders
torch_runtime   running a recogniser in torch
export/         networks to ONNX
"""
