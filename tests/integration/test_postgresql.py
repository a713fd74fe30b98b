"""The same system on PostgreSQL: import, search, filters, replacement, deletion."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest
from postgres import binaries, server
from system import System, archive, eventually, picture


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    programs = binaries()
    if programs is None:
        pytest.skip("NO POSTGRESQL: install it to test visearch on it")
    with server(programs) as url:
        running = System(tmp_path_factory.mktemp("pg") / "home", database_url=url).start()
        yield running
        assert running.stop() == 0, running.output()


def catalog_file(n: int) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["id", "image", "title", "colour"])
    rows.writerows([f"p{i}", f"{i}.jpg", f"Product {i}", ("red", "blue")[i % 2]] for i in range(n))
    pictures = [(f"{i}.jpg", picture(i)) for i in range(n)]
    return archive([("manifest.csv", text.getvalue().encode()), *pictures])


def test_the_whole_walk(system: System) -> None:
    assert not (system.home / "visearch.db").exists()
    system.create_catalog("pg")
    done = system.finish(system.upload("pg", catalog_file(150)))
    assert (done["status"], done["counts"]["searchable"]) == ("succeeded", 150)
    found = system.search(picture(77), "pg", limit=5)["results"]
    assert (found[0]["product_id"], found[0]["title"]) == ("p77", "Product 77")
    red = system.search(picture(77), "pg", limit=100, filter='{"colour": "red"}')
    assert {hit["attributes"]["colour"] for hit in red["results"]} == {"red"}
    assert red["total"] == 75
    listed = system.http.get("/v1/catalogs/pg/products", params={"colour": "blue", "limit": 500})
    assert len(listed.json()["items"]) == 75


def test_filters_of_every_type(system: System) -> None:
    system.create_catalog("types")
    for i in range(6):
        body = {"price": i * 1.5, "new": i < 3, "sizes": ["S", "M"] if i % 2 else ["L"]}
        answer = system.http.put(
            f"/v1/catalogs/types/products/p{i}",
            data={"product": json.dumps({"attributes": body})},
            files={"image": picture(i)},
        )
        system.finish(answer.raise_for_status().json())

    def ids(where: str) -> set[str]:
        found = system.search(picture(0), "types", limit=100, filter=where)
        assert found["status"] == "succeeded", found
        return {hit["product_id"] for hit in found["results"]}

    assert ids('{"price": {"gte": 3, "lte": 6}}') == {"p2", "p3", "p4"}
    assert ids('{"new": true, "sizes": "M"}') == {"p1"}
    assert ids('{"sizes": ["L", "XL"]}') == {"p0", "p2", "p4"}
    assert ids('{"price": 1.5}') == {"p1"}
    assert ids('{"price": "1.5"}') == {"p1"}
    found = system.search(picture(0), "types", facets='["new", "sizes", "price", "missing"]')
    facets = {
        field: {value["value"]: value["count"] for value in values}
        for field, values in found["facets"].items()
    }
    assert facets == {
        "new": {True: 3, False: 3},
        "sizes": {"L": 3, "S": 3, "M": 3},
        "price": {i * 1.5: 1 for i in range(6)},
        "missing": {},
    }


def test_replace_and_delete(system: System) -> None:
    system.create_catalog("swap")
    system.finish(system.upload("swap", archive([(f"{i}.jpg", picture(i)) for i in range(4)])))
    kept = archive([("0.jpg", picture(0)), ("1.jpg", picture(9))])
    done = system.finish(system.upload("swap", kept, mode="replace"))
    assert done["counts"]["searchable"] == 2
    hits = system.search(picture(9), "swap", limit=100)["results"]
    assert [hit["product_id"] for hit in hits] == ["1", "0"]
    system.http.delete("/v1/catalogs/swap/products/1").raise_for_status()
    eventually(lambda: len(system.search(picture(9), "swap")["results"]) == 1, seconds=2)
