"""What a child process may not do: outlive its parent, or take more memory than its share."""

from __future__ import annotations

import ctypes
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(sends: signal.Signals = signal.SIGKILL) -> None:
    """Ask Linux to send this process a signal when its parent ends.

    For Linux, the parent is the thread that started the process: one that ends before its
    process does must not start children that call this.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, sends)


def limit_memory(limit: int) -> None:
    """Bound the address space of this process, in bytes: an allocation above it fails."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
