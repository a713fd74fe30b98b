"""The index: an immutable ScaNN base, a small exact delta, and tombstones over both.

``write`` builds a base and ``open_generation`` opens one, a ``LiveIndex`` is what a worker
searches, and ``exact_search`` is the reference that both are measured against. Importing this
package does not import ScaNN; only building or opening a generation with a tree does.
"""

from __future__ import annotations

from visearch.index.exact import exact_search
from visearch.index.generation import open_generation, write
from visearch.index.live import LiveIndex

__all__ = ["LiveIndex", "exact_search", "open_generation", "write"]
