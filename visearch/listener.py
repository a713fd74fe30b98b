"""The socket on which the web server is reached: opened once, and handed to each successor."""

from __future__ import annotations

import socket

from visearch.errors import SettingsError
from visearch.settings import Settings

BACKLOG = 1024
"""Clients that wait while no server accepts any, as during a restart."""


def listen(settings: Settings) -> socket.socket:
    """Listen on the address of the settings.

    Raises:
        SettingsError: the address cannot be bound.
    """
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, *_, address = found[0]
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"Cannot listen on {settings.address}: {reason}.") from error


def inherited(descriptor: int) -> socket.socket:
    """Return the listening socket that the parent process opened.

    Raises:
        SettingsError: the descriptor is no listening socket.
    """
    try:
        opened = socket.socket(fileno=descriptor)
        listens = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise SettingsError(f"Descriptor {descriptor} is no socket: {error.strerror}.") from error
    if not listens:
        opened.detach()  # it is not ours to close
        raise SettingsError(f"The socket {descriptor} does not listen.")
    return opened
