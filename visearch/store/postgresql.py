"""Connections to PostgreSQL that are given up when the server says nothing."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event

CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_S = 15
GRACE_S = 2.0
"""The server stops a statement at its own limit; so much later it is taken for dead."""

_Steps = Generator[Any, Any, Any]


class PatientConnection(psycopg.Connection[Any]):
    """A connection whose every wait for the server ends within ``patience_s``.

    The server's own limits do not help when it hangs, and the system's TCP does not notice while
    the machine lives.
    """

    patience_s: float = CONNECT_TIMEOUT_S  # in the pool, where it is only asked for a sign of life

    def wait(self, gen: _Steps, *options: Any, **more: Any) -> Any:
        """Run the steps of an operation; raises OperationalError if the server says nothing."""
        return super().wait(self._within(gen), *options, **more)

    def _within(self, steps: _Steps) -> _Steps:
        end = time.monotonic() + self.patience_s
        try:
            need = next(steps)
            while True:
                # psycopg looks again every tenth of a second, and is then not ready.
                ready = yield need
                if not ready and time.monotonic() > end:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("it has said nothing for too long")
                need = steps.send(ready)
        except StopIteration as done:
            return done.value


def options(statement_timeout_s: float) -> dict[str, Any]:
    """Return how to connect; a statement may take so long."""
    limits = {
        "statement_timeout": int(statement_timeout_s * 1000),
        "lock_timeout": LOCK_TIMEOUT_S * 1000,
    }
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
        # A machine that is gone without a word is noticed within some 15 seconds.
        "keepalives_idle": 5,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }


def make_patient(engine: sa.Engine) -> None:
    """Let the engine's connections be patient ones."""
    event.listen(engine, "do_connect", _connect)


def _connect(_dialect: object, _record: object, args: list[Any], named: dict[str, Any]) -> Any:
    return PatientConnection.connect(*args, **named)


def set_patience(connection: sa.Connection, seconds: float | None) -> None:
    """Wait so long for a statement's end; None for the short time of an idle connection."""
    driver = connection.connection.driver_connection
    if isinstance(driver, PatientConnection):
        driver.patience_s = CONNECT_TIMEOUT_S if seconds is None else seconds + GRACE_S
