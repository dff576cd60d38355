"""The training of speech and handwriting recognisers.

recipe          what the YAML file says
rows            the rows of its sources: split, normalised
data            rows to checked examples
feature_store   features computed once, in a memory-mapped file
augment_sound   SpecAugment, noise, rooms
augment_image   distortions of line strips
word_crops      words cut out of lines, for line synthesis
line_synthesis  lines put together from words of the same hand
batches         batches by length, a function of (seed, epoch)
ctc_loss        CTC losses of the heads
trainer         updates, averaged weights, resume, torchrun
scoring         best path on dev after each epoch
diagnosis       why a run does not learn
lm_transfer     the base model's language model, weighed anew
export          the model folder
run_recipe      the recipe of a run, fitted to a base model and to the data
distributed     processes, threads, determinism
run             from command to model folder
"""
