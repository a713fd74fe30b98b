"""The demo catalog of a first start: drawn products, through the real import path."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from visearch.cli.client import Client
from visearch.demo import write_archive, write_samples
from visearch.encoders.spec import resolve
from visearch.errors import VisearchError
from visearch.settings import Settings

CATALOG = "demo"
SIGNS = ("created_at", "products", "images")
LIMIT_S = 300.0


def fill_if_empty(client: Client, settings: Settings, tell: Callable[[str], None]) -> None:
    """Import the demo catalog if the store has no catalog at all, or an outdated one.

    A new version's encoder cannot search what the last version's encoder embedded. Unlike a
    merchant's catalog, the demo that we made can simply be made again.

    Raises:
        VisearchError: the import did not succeed.
    """
    found = client.catalogs()
    outdated = any(_is_ours(c, settings) and _is_outdated(c, settings) for c in found)
    if found and not outdated:
        return
    if outdated:
        client.call("DELETE", f"/v1/catalogs/{CATALOG}")
        tell("the encoder has changed: drawing the demo catalog again")
    else:
        tell("empty store: drawing the demo catalog")
    with TemporaryDirectory() as folder:
        archive = Path(folder) / "demo.zip"
        write_archive(archive)
        write_samples(settings.home / "samples")
        client.ensure_catalog(CATALOG, title="Demo (drawn products)")
        record = client.upload(CATALOG, archive)
    record = client.finished_import(record, LIMIT_S)
    if record["status"] != "succeeded":
        raise VisearchError(f"The demo import ended as {record['status']}: {record['counts']}.")
    made = next(c for c in client.catalogs() if c["name"] == CATALOG)
    _mark(settings).write_text(json.dumps({name: made[name] for name in SIGNS}))
    tell(f"demo catalog: {record['counts']['searchable']} pictures searchable")


def _mark(settings: Settings) -> Path:
    return settings.home / "samples" / "catalog.json"


def _is_ours(catalog: dict[str, Any], settings: Settings) -> bool:
    """Whether this is the catalog that we made, with nothing added or removed."""
    mark = _mark(settings)
    known = json.loads(mark.read_text()) if mark.is_file() else {}
    return catalog["name"] == CATALOG and all(catalog[s] == known.get(s) for s in SIGNS)


def _is_outdated(catalog: dict[str, Any], settings: Settings) -> bool:
    return bool(catalog["fingerprint"] != resolve(settings.encoder).fingerprint)
