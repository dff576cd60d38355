"""Training: augmentation, batches, the loop. Needs the ``train`` extra."""
