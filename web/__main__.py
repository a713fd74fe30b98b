"""``python -m web``: serve the app with gunicorn, threads in one process."""

from __future__ import annotations

from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from visearch import logs, private
from visearch.errors import SettingsError
from visearch.settings import Settings
from web import create_app


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn, configured from our settings instead of its own file."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults."""
        settings = self._settings
        options: dict[str, Any] = {
            "bind": settings.address,
            "worker_class": "gthread",
            "workers": 1,
            "threads": settings.web_threads,
            "timeout": 120,
            "graceful_timeout": 10,
            "keepalive": 30,
            "control_socket_disable": True,
            "loglevel": "warning",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the app, in the worker process."""
        logs.configure(self._settings.log_format)
        return create_app(self._settings)


def main() -> None:
    """Serve until stopped; refuse an open bind without the operator's word."""
    try:
        settings = Settings.from_env()
        settings.check_bind()
    except SettingsError as error:
        raise SystemExit(f"visearch: {error.detail}") from error
    private.keep()
    Server(settings).run()


if __name__ == "__main__":
    main()
