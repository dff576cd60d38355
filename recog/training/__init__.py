"""Training of all kinds of model. Needs the ``train`` extra.

recipe_base      what all recipes share
run_folder       the folder of a run: lock, reset, report
progress         the report: progress bar, log, TensorBoard
device           the device, and whether bfloat16 is fast on it
optimiser        AdamW and its learning rate
loop             the training loop
checkpoint       checkpoints, and what differs between two of them
energy           CPU seconds and joules
recogniser/      speech and handwriting recognisers
language_model/  neural language models
page_model/      page models
g2p              grapheme-to-phoneme models
plot, card       the run on a recogniser's model card
"""
