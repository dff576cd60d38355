"""n-gram language models: estimated from text, read and written as ARPA, queried by the decoder's
kernels."""
