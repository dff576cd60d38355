"""The training of page models: lines, marginalia and geometry.

recipe          what the YAML file says
data            pages with known lines
crops           pages to crops and target maps
page_synthesis  pages with notes by other hands
trainer         the lines network
marginalia      the head that tells marginalia from the main text
geometry        the geometry network
export          the model folder
run             from command to model folder
"""
