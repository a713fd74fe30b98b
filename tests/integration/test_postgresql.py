"""The same system on PostgreSQL: import, search, filters, replacement, deletion."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from postgres import binaries, server
from system import System, archive, eventually, picture

from visearch.contract import ChunkPayload
from visearch.importing import progress
from visearch.records import Import, PlannedItem
from visearch.store import catalogs, chunks, claims, imports, ledger
from visearch.store.database import Database


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    programs = binaries()
    if programs is None:
        pytest.skip("NO POSTGRESQL: install it to test visearch on it")
    with server(programs) as postgresql:
        home = tmp_path_factory.mktemp("pg") / "home"
        running = System(home, database_url=postgresql.url()).start()
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


@pytest.mark.parametrize("name", ["a%00b", "%00", "x" * 5_000])
def test_a_name_that_no_column_holds_is_not_found(system: System, name: str) -> None:
    """PostgreSQL refuses a NUL even in a question."""
    system.create_catalog("odd")
    for place in ("/v1/catalogs/{}", "/v1/catalogs/{}/products", "/v1/catalogs/odd/imports/{}"):
        for path in (place, "/v1/catalogs/odd/reindex/{}", "/v1/searches/{}"):
            told = system.http.get(path.format(name))
            assert (told.status_code, told.json()["code"]) == (404, "not_found"), path
    assert system.http.put(f"/v1/catalogs/{name}", json={}).status_code == 422
    for parameters in ({"colour": "\0"}, {"\0": "red"}, {"cursor": "AA=="}):
        told = system.http.get("/v1/catalogs/odd/products", params=parameters)
        assert told.status_code == 422, parameters


def test_no_parameter_may_hold_what_no_column_holds(system: System) -> None:
    system.create_catalog("odd")
    asked = 0
    for path, methods in system.http.get("/openapi.json").json()["paths"].items():
        place = re.sub(r"{\w+}", "odd", path)
        for method, operation in methods.items():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query":
                    given = {parameter["name"]: "a\0b"}
                    told = system.http.request(method.upper(), place, params=given)
                    assert told.status_code == 422, (method, path, given, told.text)
                    asked += 1
    assert asked > 20


@pytest.mark.parametrize("head", ['filename="a\0.zip"', "filename*=UTF-8''a%00.zip"])
def test_no_file_may_be_named_so(system: System, head: str) -> None:
    catalog = system.create_catalog("named")
    data = archive([("0.jpg", picture(0))])
    part = f'--x\r\nContent-Disposition: form-data; name="file"; {head}\r\n\r\n'.encode()
    sent = {"Content-Type": "multipart/form-data; boundary=x"}
    body = part + data + b"\r\n--x--\r\n"
    told = system.http.post(f"/v1/catalogs/{catalog}/imports", content=body, headers=sent)
    assert told.status_code in (202, 400, 422), told.text


def test_cancelling_and_decoding_wait_for_each_other_in_one_order(system: System) -> None:
    """Both touch the import and its chunks; in another order each would wait for the other."""
    database = Database(system.settings.database)
    with database.write() as connection:
        catalog = catalogs.get(connection, system.create_catalog("order"))
        common = {"mode": "upsert", "media": "zip", "source": "", "request_id": "test"}
        record = imports.create(connection, catalog, **common)
        items = [PlannedItem(path=str(i), product_id=str(i), position=0) for i in range(3)]
        ledger.add_items(connection, record.pk, 0, list(enumerate(items)))
        chunks.add(connection, record.pk, [0, 1, 2])
        imports.start(connection, record.pk, 3)
        chunks.send(connection, record.pk, [2])
    message = ChunkPayload(import_id=record.id, chunk=2, attempt=1, request_id="test")
    with database.write() as connection:
        claim = claims.take(connection, chunks.DECODE, message, "w")
    assert claim is not None
    with ThreadPoolExecutor(1) as pool, database.write() as decoding:
        progress.take_locks(decoding, record)
        assert claim.done(decoding)
        cancelled = pool.submit(cancel, database, record)
        time.sleep(1)  # it waits for a lock now
        imports.count(decoding, record.pk, searchable=1)
        progress.advance(decoding, record.pk, system.settings)  # sends the chunks that wait
        decoding.commit()
        cancelled.result(30)
    with database.read() as connection:
        done = imports.by_id(connection, record.id)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("cancelled", 1, 2)
    database.close()


def test_a_large_replace_finds_what_it_does_not_name(system: System) -> None:
    """With little memory for it, as a larger catalog has; compared one by one it takes minutes."""
    database, count = Database(system.settings.database), 20_000
    with database.write() as connection:
        catalog = catalogs.get(connection, system.create_catalog("replaced"))
        common = {"mode": "replace", "media": "zip", "source": "", "request_id": "test"}
        record = imports.create(connection, catalog, **common)
        items = [PlannedItem(path=str(i), product_id=f"p{i}", position=0) for i in range(count)]
        ledger.add_items(connection, record.pk, 0, list(enumerate(items)))
        products = f"""INSERT INTO products (catalog_pk, external_id, attributes, meta_version,
            field_versions, images_version, deleted, updated_at)
            SELECT {catalog.pk}, 'p' || n, '{{}}', 0, '{{}}', 0, false, 0
            FROM generate_series(0, {count}) AS n"""
        connection.exec_driver_sql(products)
    with database.read(5.0) as connection:
        connection.exec_driver_sql("SET LOCAL work_mem = '64kB'")
        assert ledger.unnamed_products(connection, record) == [f"p{count}"]
    system.http.delete("/v1/catalogs/replaced").raise_for_status()
    database.close()


def cancel(database: Database, record: Import) -> None:
    with database.write() as connection:
        progress.cancel(connection, record)
