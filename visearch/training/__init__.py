"""Trains encoders: recipes, data, augmentation, losses, the training loop."""
