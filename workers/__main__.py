"""``python -m workers ROLE``: run one worker, or ``beat``, the clock of the maintainer."""

from __future__ import annotations

import os
import sys

from visearch import private
from visearch.errors import SettingsError
from visearch.settings import Settings
from workers.roles import ROLES

BEAT = "beat"


def main() -> None:
    """Start the Celery worker of the role named on the command line."""
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in {*ROLES, BEAT}:
        raise SystemExit(f"usage: python -m workers {'|'.join([*ROLES, BEAT])}")
    try:
        settings = Settings.from_env()
        if name == "shard" and not settings.held_shards:
            raise SettingsError(
                "A shard worker needs the numbers of its shards. Set VISEARCH_SHARDS, as in 0,2."
            )
    except SettingsError as error:
        raise SystemExit(f"visearch: {error.detail}") from error
    private.keep()
    private.make_folder(settings.home)
    # One thread per matrix product: queries run side by side already.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ["VISEARCH_ROLE"] = "maintain" if name == BEAT else name
    from workers.app import app  # reads the role from the environment

    if name == BEAT:
        app.start(["beat", "--loglevel=INFO", "--pidfile="])
        return
    role = ROLES[name]
    app.worker_main(
        [
            "worker",
            f"--queues={','.join(role.queues(settings))}",
            f"--pool={role.pool}",
            f"--concurrency={role.concurrency(settings)}",
            f"--hostname={name}-{os.getpid()}@%h",
            "--loglevel=INFO",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )


if __name__ == "__main__":
    main()
