"""Inputs of an evaluation: references and hypotheses as texts with ids.

sources        read texts from files and folders
normalisation  rewrite the texts before they are compared
recognise      recognise hypotheses with a model
pairs          match references and hypotheses
media          find the sound or image of a reference, for a report
"""
