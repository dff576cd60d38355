"""How a model's outputs are best decoded, found on data that it was not trained on."""
