"""``python -m web [--listener FD]``: serve the app on the settings' address, or a given socket."""

from __future__ import annotations

import argparse
import logging

from visearch import listener, logs, private
from visearch.errors import SettingsError
from visearch.settings import Settings
from web import create_app
from web.services import close
from web.serving.server import serve


def main() -> None:
    """Serve until stopped; refuse an open bind without the operator's word."""
    parser = argparse.ArgumentParser(prog="python -m web")
    parser.add_argument("--listener", type=int, help="descriptor of a socket that listens")
    given: int | None = parser.parse_args().listener
    try:
        settings = Settings.from_env()
        settings.check_bind()
        private.keep()
        logs.configure(settings.log_format)
        logging.getLogger("waitress").setLevel(logging.WARNING)
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a line for each request
        clients = listener.listen(settings) if given is None else listener.inherited(given)
        app = create_app(settings)
        serve(app, settings, clients)
        close(app)
    except SettingsError as error:
        raise SystemExit(f"visearch: {error.detail}") from error


if __name__ == "__main__":
    main()
