"""CNN families in Flax NNX, one per file, and how published checkpoints name their arrays."""
