"""Encoders: pictures → embeddings.

``spec``, ``header`` and ``encoder`` load no jax of themselves, and this package only does
when ``load_model`` is asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visearch.encoders.registry import load_model

__all__ = ["load_model"]

# XLA's plain CPU code for convolutions takes twice the time (docs/benchmarks.md). The flag
# is read once, when jax starts, so it is set before any module here can import jax.
_CPU_FLAG = "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT"
if "ynn_fusion" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_CPU_FLAG}".strip()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from visearch.encoders.registry import load_model

    return load_model
