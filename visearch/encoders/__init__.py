"""Encoders: pictures → embeddings. ``spec`` and ``header`` read no arithmetic and load no jax."""
