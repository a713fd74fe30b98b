"""A small shop whose attributes are known, and short ways to write and search it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import httpx
from system import System, archive, eventually, picture

SHOP = "shop"
FETCHING = {
    "fetch_allow": "127.0.0.2,127.0.0.4,127.0.0.5,127.0.0.6",
    "fetch_ports": "all",
    "fetch_timeout_s": "2",
    "fetch_chunk_s": "4",
    "fetch_retry_s": "0.4",
    "fetch_tries": "3",
    "search_fetches": "8",
}
"""Pictures may come from some addresses of this machine, and nobody is waited for long."""
Product = dict[str, Any]

PRODUCTS: list[Product] = [
    {
        "id": f"item/{i:02}",
        "image": [f"{i}.jpg", f"{i + 100}.jpg"] if i % 6 == 0 else [f"{i}.jpg"],
        "title": f"Item {i}",
        "url": f"https://shop.example/{i}",
        "colour": ("red", "green", "blue")[i % 3],
        "sizes": [size for j, size in enumerate(("S", "M", "L")) if (i >> j) & 1],
        "price": i if i % 2 else i + 0.5,
        "sale": i % 4 == 0,
        "größe": f"{i % 5}",
        **({"rare \\ name": "yes"} if i == 7 else {}),
    }
    for i in range(24)
]
N_PICTURES = sum(len(product["image"]) for product in PRODUCTS)


def fill(system: System) -> None:
    """Create the shop and import its products."""
    system.create_catalog(SHOP)
    manifest = "\n".join(json.dumps(product) for product in PRODUCTS).encode()
    names = [name for product in PRODUCTS for name in product["image"]]
    pictures = [(name, picture(int(name.partition(".")[0]))) for name in names]
    record = system.upload(SHOP, archive([("manifest.ndjson", manifest), *pictures]))
    wait_fresh(system, system.finish(record))


def b64(data: bytes) -> dict[str, str]:
    """Return a picture as it stands in JSON."""
    return {"base64": base64.b64encode(data).decode()}


def post_search(
    system: System, body: Mapping[str, Any], *, wait: int = 10, **headers: str
) -> httpx.Response:
    """Post a search as JSON."""
    prefer = {"Prefer": f"wait={wait}"} if wait else {}
    return system.http.post("/v1/searches", json=dict(body), headers={**prefer, **headers})


def find(system: System, catalog: str, data: bytes, **fields: Any) -> dict[str, Any]:
    """Search by picture; returns the finished search, which must succeed."""
    body = {"catalog": catalog, "image": b64(data), **fields}
    record = system.api.finished_search(json=body)
    assert record["status"] == "succeeded", record
    return record


def ids(record: Mapping[str, Any]) -> list[str]:
    """Return the product ids of a search's results, best first."""
    return [hit["product_id"] for hit in record["results"]]


def put(
    system: System, catalog: str, product_id: str, *pictures: bytes, **fields: Any
) -> dict[str, Any]:
    """Put a product; returns the accepted import."""
    body = {"images": [b64(data) for data in pictures], **fields}
    answer = system.http.put(f"/v1/catalogs/{catalog}/products/{product_id}", json=body)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def add(
    system: System, catalog: str, product_id: str, *pictures: bytes, **fields: Any
) -> dict[str, Any]:
    """Put a product and wait until searches know it; returns the finished import."""
    done = system.finish(put(system, catalog, product_id, *pictures, **fields))
    assert done["status"] == "succeeded", done
    return wait_fresh(system, done)


def wait_fresh(system: System, done: dict[str, Any]) -> dict[str, Any]:
    """Wait until an answer's ``fresh_to`` covers the import's end; returns the import."""
    offsets = iter(range(5_000))  # another question each time, or the cache would answer

    def covered() -> bool:
        found = find(system, done["catalog"], picture(0), limit=1, offset=next(offsets))
        return bool(found["index"]["fresh_to"] >= done["finished_at"])

    eventually(covered, what="an index that covers the import")
    return done
