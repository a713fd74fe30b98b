"""CNN families in Flax NNX, one per file, and the names that published checkpoints use."""
