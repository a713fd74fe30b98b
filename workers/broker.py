"""What kombu 5.7 gets wrong when its Redis dies: a channel that has lost its connection.

A worker that loses Redis closes its connection twice. If the first close times out, the second one
meets a channel whose connection is gone, which fails as an AttributeError instead of a connection
error; nobody expects that, and the worker ends. So may an acknowledgement that comes too late.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """Kombu's, but what needs a connection that is gone raises ConnectionError."""

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if getattr(self.connection, "client", None) is None:
            raise ConnectionError("this channel's connection to the broker is closed")
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]  # untyped there
        return parameters


def use() -> None:
    """Let every connection of this process make such channels; no setting of Celery's does."""
    redis.Transport.Channel = Channel
