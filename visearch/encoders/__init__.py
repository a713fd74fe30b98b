"""Encoders: pictures → embeddings.

    families      CNN architectures in Flax, and the names that published checkpoints use
    checkpoints   files of weights: read, convert, pull from a hub
    registry      every architecture by name, and models made from checkpoints
    runtimes      what runs a network: XLA, ONNX Runtime, OpenVINO; export and quantisation
    spec          what an encoder is, read from its file without loading jax
    protocol      what importing and reindexing need of an encoder
    encoder       the encoder that workers, the command line and the embedded catalog open

Imports inside go one way: ``families`` import none of the others; ``checkpoints`` may import
``families``; ``runtimes`` may import both; ``encoder`` joins them. Importing this package,
``spec``, ``protocol`` or ``encoder`` does not load jax; asking for ``load_model`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visearch.encoders.registry import load_model

__all__ = ["load_model"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from visearch.encoders.registry import load_model

    return load_model
