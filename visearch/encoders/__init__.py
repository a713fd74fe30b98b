"""Encoders: pictures → embeddings.

``spec``, ``header`` and ``encoder`` load no jax of themselves, and this package only does
when ``load_model`` is asked for.
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
