"""The training of speech and handwriting recognisers.

recipe          what the YAML file says
data            rows to checked examples
feature_store   features computed once, in a memory-mapped file
augment_sound   SpecAugment, noise, rooms
augment_image   distortions of line strips
word_crops      words cut out of lines, for line synthesis
line_synthesis  lines put together from words of the same hand
batches         batches by length, a function of (seed, epoch)
trainer         the steps: CTC losses, averaged weights, resume, torchrun
scoring         best path on dev after each epoch
diagnosis       why a run does not learn
lm_transfer     the base model's language model, weighed anew
run             from command to model folder
"""
