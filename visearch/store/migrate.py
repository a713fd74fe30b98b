"""Brings a database to this version's schema, with Alembic."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from visearch.errors import SettingsError, first_line
from visearch.store.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"

_MIGRATING = 0x76697365
"""The key of PostgreSQL's advisory lock for migrations; nothing else of ours takes one."""


def migrate(database: Database) -> None:
    """Bring the schema to the newest version (Alembic ``upgrade head``).

    Raises:
        SettingsError: the database was written by a newer version.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", "set-by-connection")
    with database.patient_write() as connection:
        if not database.is_sqlite:  # there, only one process writes at a time anyway
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise SettingsError(
                f"The database is of another, newer visearch: {first_line(error)}. "
                "Install that version."
            ) from error
