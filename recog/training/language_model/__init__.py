"""The training of neural language models.

recipe   what the YAML file says
data     texts to streams of symbols
trainer  truncated back-propagation through time
export   the model folder
run      from command to model folder
"""
