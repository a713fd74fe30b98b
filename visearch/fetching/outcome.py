"""What is wanted from a URL, within which limits, and what can come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from visearch.errors import FetchError
from visearch.settings import Settings


class Validators(NamedTuple):
    """What a host said by which it can tell whether something has changed since.

    ``url`` is where they came from, after redirects: to another URL they mean nothing.
    """

    url: str
    etag: str | None
    modified: str | None


@dataclass(frozen=True)
class Wanted:
    """A URL to fetch.

    ``key`` is for the caller: it comes back with the outcome. With the ``validators`` of the
    last time, the outcome is ``Unchanged`` if nothing has changed. ``attempt`` counts those
    before this one; the more, the longer the next one should wait.
    """

    url: str
    key: object = None
    validators: Validators | None = None
    attempt: int = 0


@dataclass(frozen=True)
class Fetched:
    """The bytes behind a URL; ``validators`` are for the next time."""

    wanted: Wanted
    data: bytes
    validators: Validators | None


@dataclass(frozen=True)
class Saved:
    """What is behind a URL was written to a file, ``size`` bytes of it."""

    wanted: Wanted
    size: int
    validators: Validators | None


@dataclass(frozen=True)
class Unchanged:
    """What is behind the URL is what it was when the validators were made."""

    wanted: Wanted


@dataclass(frozen=True)
class Failed:
    """Why there is nothing.

    ``retry_after_s``: how long to wait before the next attempt; None if it would be in vain.
    ``tried``: whether a connection was attempted at all. It was not while the host is being left
    alone or the time for all is over; such an outcome need not count as an attempt.
    """

    wanted: Wanted
    error: FetchError
    retry_after_s: float | None
    tried: bool


Outcome = Fetched | Saved | Unchanged | Failed


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a host may send and how long it may take; the defaults are those of settings.

    ``connect_s`` is for looking up the name, connecting and TLS; ``answer_s`` for the head of the
    answer, and for each silence in its body; ``whole_s`` for everything, redirects included.
    """

    max_bytes: int = Settings.max_image_bytes
    connect_s: float = 5.0
    answer_s: float = 10.0
    whole_s: float = Settings.fetch_timeout_s
    at_once: int = Settings.fetch_at_once
    per_host: int = Settings.fetch_per_host

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return the limits for pictures that the settings state."""
        return cls(
            max_bytes=settings.max_image_bytes,
            whole_s=settings.fetch_timeout_s,
            at_once=settings.fetch_at_once,
            per_host=settings.fetch_per_host,
        )
