"""What is compared: references and hypotheses as texts with ids.

sources    files, folders, manifests and archives to texts
rules      normalisation of the texts before they are compared
recognise  hypotheses made by a model
pairs      references and hypotheses brought together
media      sound or image of a reference, for a report
"""
