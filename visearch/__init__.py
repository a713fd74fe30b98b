"""Visual product search that a company can own.

``Catalog`` is the whole of it in one process; ``Encoder`` turns pictures into embeddings.
Both load jax, so they are imported on first use: the web server imports this package too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visearch.catalog import Catalog
    from visearch.encoders.encoder import Encoder

__all__ = ["Catalog", "Encoder", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Catalog":
        from visearch.catalog import Catalog

        return Catalog
    if name == "Encoder":
        from visearch.encoders.encoder import Encoder

        return Encoder
    raise AttributeError(f"module 'visearch' has no attribute {name!r}")
