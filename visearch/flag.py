"""A flag that signal handlers may raise: it takes no lock."""

from __future__ import annotations


class Flag:
    """Something that has happened, once and for all.

    A handler interrupts its thread anywhere: also where that thread holds the lock of the
    ``threading.Event`` which the handler wants to set, and would then wait for, for ever.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Note that it has happened."""
        self._is_set = True

    def is_set(self) -> bool:
        """Say whether it has happened."""
        return self._is_set
