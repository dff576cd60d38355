"""Corpora of recordings: commonvoice, fsdd, kaldi, librispeech, ljspeech, sphinx, vctk."""
