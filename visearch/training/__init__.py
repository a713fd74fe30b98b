"""Training of encoders: data, augmentation, losses, the loop, evaluation."""
