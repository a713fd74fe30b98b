"""What kombu 5.7's Redis channel gets wrong, or does again for every message.

The core does not know Celery: whoever does hands its transport to ``mend``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def mend(transport: Any) -> None:
    """Make every connection of this process use a mended channel; no setting of Celery's does.

    ``transport`` is the class ``kombu.transport.redis.Transport``.

    - A worker that loses Redis closes its connection twice. If the first close times out, the
      second one meets a channel whose connection is gone, which fails as an AttributeError
      instead of a connection error; nobody expects that, and the worker ends. So may an
      acknowledgement that comes too late. Here both raise ConnectionError.
    - Kombu makes a client, with a table of some 350 commands, to publish a message, to note it as
      delivered and to acknowledge it. Clients are thread-safe: one for each pool will do.
    """
    if getattr(transport.Channel, "mended", False):
        return

    class Channel(transport.Channel):  # type: ignore[misc]  # a base known at run time
        mended = True
        _pooled: Any = None

        def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
            if getattr(self.connection, "client", None) is None:
                raise ConnectionError("this channel's connection to the broker is closed")
            parameters: dict[str, Any] = super()._connparams(asynchronous)
            return parameters

        @contextmanager
        def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
            if client is None:
                client = self._pooled
                if client is None or client.connection_pool is not self.pool:
                    client = self._pooled = self._create_client()
            yield client

    transport.Channel = Channel
