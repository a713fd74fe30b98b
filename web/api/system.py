"""The operator's view: queues, workers, what each serves of each catalog, versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from visearch import __version__, records
from visearch.store import catalogs, damage, generations, products
from visearch.store.database import Connection
from visearch.store.redis import presence, queues
from web.api import schemas
from web.api.common import problems, reply
from web.services import services

api = APIBlueprint("system", __name__, url_prefix="/v1/system")

_PACKAGES = ("celery", "flask", "redis", "numpy", "jax", "flax", "scann", "onnxruntime")


@api.get("", summary="See the whole system", responses={200: schemas.System, **problems()})
def get_system() -> Response:
    """Return the state of queues, workers and catalogs."""
    workers = presence.alive(services().redis)
    with services().database.read() as connection:
        found = [
            _catalog(connection, catalog, workers.values())
            for catalog in catalogs.everything(connection)
        ]
        damaged = damage.segments(connection)
    return reply(
        schemas.System(
            queues={
                name: schemas.Queue(**asdict(queue))
                for name, queue in queues.look(services().redis).items()
            },
            workers=[_worker(name, body) for name, body in sorted(workers.items())],
            catalogs=found,
            damaged=[schemas.DamagedSegment(**each._asdict()) for each in damaged],
            versions=_versions(),
        )
    )


def _worker(name: str, body: Mapping[str, Any]) -> schemas.Worker:
    return schemas.Worker(
        name=name,
        role=body["role"],
        alive=True,
        queues=body.get("queues", []),
        encoder=body.get("encoder"),
        index_generation={
            catalog: served["generation"] for catalog, served in body.get("catalogs", {}).items()
        },
        shards={catalog: served["shards"] for catalog, served in body.get("catalogs", {}).items()},
        last_seen=datetime.fromtimestamp(body["last_seen"], UTC),
        clock_ahead_s=body["ahead_s"],
    )


def _catalog(
    connection: Connection, catalog: records.Catalog, workers: Iterable[Mapping[str, Any]]
) -> schemas.CatalogState:
    known = [w["catalogs"][catalog.name] for w in workers if catalog.name in w.get("catalogs", {})]
    served = [each for each in known if each["shards"]]
    held = Counter(shard for each in served for shard in each["shards"])
    n_products, n_images = products.count(connection, catalog.pk)
    index = generations.current(connection, catalog)
    return schemas.CatalogState(
        name=catalog.name,
        products=n_products,
        images=n_images,
        generation=catalog.generation,
        recall=index.recall if index else None,
        target_recall=catalog.target_recall,
        delta=max((each["delta"] for each in served), default=0),
        fresh_to=min((each["fresh_to"] for each in served), default=None),
        serving=min(held[shard] for shard in range(catalog.shards)),
        refused=sum(each["generation"] != catalog.generation for each in served),
        shards=catalog.shards,
        missing_shards=[shard for shard in range(catalog.shards) if not held[shard]],
    )


def _versions() -> dict[str, str]:
    found = {"visearch": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # the web role needs no jax
            continue
    return found
