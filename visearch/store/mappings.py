"""Mappings: what is known of the columns of a catalog's files, and what an import reads its by."""

from __future__ import annotations

import sqlalchemy as sa

from visearch.store.database import insert_new
from visearch.store.schema_imports import catalog_mappings, import_mappings
from visearch.tables.mapping import Known, SavedMapping


def of_catalog(connection: sa.Connection, catalog_pk: int) -> SavedMapping:
    """Return what a catalog knows of the columns of its files."""
    query = sa.select(catalog_mappings.c.mapping).where(catalog_mappings.c.catalog_pk == catalog_pk)
    found = connection.execute(query).scalar_one_or_none()
    return SavedMapping() if found is None else SavedMapping.model_validate(found)


def save(connection: sa.Connection, catalog_pk: int, mapping: SavedMapping) -> None:
    """Keep what a catalog knows; the caller holds the catalog's row lock."""
    forget(connection, catalog_pk)
    kept = mapping.model_dump(mode="json", exclude_defaults=True)
    connection.execute(sa.insert(catalog_mappings).values(catalog_pk=catalog_pk, mapping=kept))


def forget(connection: sa.Connection, catalog_pk: int) -> None:
    """Let a catalog know nothing of its files; the caller holds the catalog's row lock."""
    connection.execute(
        sa.delete(catalog_mappings).where(catalog_mappings.c.catalog_pk == catalog_pk)
    )


def remember(connection: sa.Connection, import_pk: int, known: Known) -> None:
    """Keep what an import was accepted with: each reading of its file then finds the same."""
    if not known.is_nothing:
        row = {"import_pk": import_pk, "known": known.model_dump(mode="json")}
        insert_new(connection, import_mappings, [row])


def of_import(connection: sa.Connection, import_pk: int) -> Known:
    """Return what an import was accepted with."""
    query = sa.select(import_mappings.c.known).where(import_mappings.c.import_pk == import_pk)
    found = connection.execute(query).scalar_one_or_none()
    return Known() if found is None else Known.model_validate(found)
