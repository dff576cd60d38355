"""The training of page models: lines, marginalia and geometry.

recipe          what the YAML file says
data            pages to crops and target maps
page_synthesis  pages with notes by other hands
trainer         the lines network
marginalia      the head that tells notes from the main text
geometry        the geometry network
run             from command to model folder
"""
