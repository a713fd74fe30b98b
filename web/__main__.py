"""``python -m web``: serve the app on the address of the settings."""

from __future__ import annotations

import logging

from visearch import logs, private
from visearch.errors import SettingsError
from visearch.settings import Settings
from web import create_app
from web.serving.server import serve


def main() -> None:
    """Serve until stopped; refuse an open bind without the operator's word."""
    try:
        settings = Settings.from_env()
        settings.check_bind()
        private.keep()
        logs.configure(settings.log_format)
        logging.getLogger("waitress").setLevel(logging.WARNING)
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a line for each request
        serve(create_app(settings), settings)
    except SettingsError as error:
        raise SystemExit(f"visearch: {error.detail}") from error


if __name__ == "__main__":
    main()
