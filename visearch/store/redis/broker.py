"""What kombu 5.7's Redis channel gets wrong, or does again for every message.

The core does not know Celery: whoever does hands its transport to ``mend``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from redis.exceptions import ResponseError

from visearch.store.redis.client import is_full


def _pipeline(make: Callable[[bool, Any], Any], transaction: bool = False, hint: Any = None) -> Any:
    return make(transaction, hint)


def mend(transport: Any) -> None:
    """Make every connection of this process use a mended channel; no setting of Celery's does.

    ``transport`` is the class ``kombu.transport.redis.Transport``.

    - A worker that loses Redis closes its connection twice. If the first close times out, the
      second one meets a channel whose connection is gone, which fails as an AttributeError
      instead of a connection error; nobody expects that, and the worker ends. So may an
      acknowledgement that comes too late. Here both raise ConnectionError.
    - Kombu makes a client, with a table of some 350 commands, to publish a message, to note it as
      delivered and to acknowledge it. Clients are thread-safe: one for each pool will do.
    - A message is taken from its queue and then noted as held. A full Redis refuses the note, and
      the message would be lost. Here it is run without one. A full Redis also refuses whatever is
      in a transaction, even to forget a message or to count those that wait: here these are
      pipelines without one, which arrive as a whole all the same.
    """
    if getattr(transport.Channel, "mended", False):
        return
    theirs = transport.Channel.QoS

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
                    client.pipeline = partial(_pipeline, client.pipeline)
            yield client

        class QoS(transport.Channel.QoS):  # type: ignore[misc]  # a base known at run time
            def append(self, message: Any, delivery_tag: str) -> None:
                try:
                    super().append(message, delivery_tag)
                except ResponseError as error:
                    if not is_full(error):
                        raise
                    super(theirs, self).append(message, delivery_tag)

    transport.Channel = Channel
