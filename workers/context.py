"""What a worker process is: its role, its name, and the adapters behind it."""

from __future__ import annotations

import os
import secrets
import socket
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from visearch.backend import Backend, celery_sender
from visearch.settings import Settings


class Context(Backend):
    """The backend of one worker process."""

    def __init__(self, app: Celery[Any], settings: Settings, role: str) -> None:
        super().__init__(settings, celery_sender(app.send_task, OperationalError, retry=True))
        self.role = role
        # In a container every start has the same host and pid: without the token a worker
        # would vouch for what its dead predecessor held. A fork keeps its parent's name.
        self.name = f"{role}@{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(3)}"
