"""Golden queries, through the whole system: stated, checked by searches, shown, refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from promise import Promise
from shop import FETCHING, add, b64
from system import System, archive, eventually, picture

from visearch.images.edit import edit
from visearch.rules import GOLDEN_SIDE, MOST_GOLDEN_QUERIES

Query = dict[str, Any]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of its own, in which 20 pictures are enough for an index."""
    home = tmp_path_factory.mktemp("golden") / "home"
    running = System(home, compact_min="20", **FETCHING).start()
    promise = Promise(running.http.get("/openapi.json").json())
    running.http.event_hooks["response"].append(promise.check)
    yield running
    assert running.stop() == 0, running.output()


def as_sent(seed: int) -> bytes:
    """Return the picture ``seed`` as a shopper might send it."""
    with Image.open(io.BytesIO(picture(seed))) as image:
        return edit(image, np.random.default_rng(seed))


class Golden:
    """The golden queries of a catalog of its own, which has the products ``p0`` to ``p11``."""

    def __init__(self, system: System, catalog: str) -> None:
        self._system, self.catalog = system, system.create_catalog(catalog)
        files = [(f"p{n}.jpg", picture(n)) for n in range(12)]
        system.finish(system.upload(catalog, archive(files)))
        self.path = f"/v1/catalogs/{catalog}"

    def put(self, name: str, data: bytes, *expected: str) -> Query:
        body = {"image": b64(data), "products": list(expected)}
        answer = self._system.http.put(f"{self.path}/golden/{name}", json=body)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    def read(self, name: str) -> Query:
        answer = self._system.http.get(f"{self.path}/golden/{name}")
        return dict(answer.raise_for_status().json())

    def when(self, name: str, condition: Callable[[Query], object]) -> Query:
        """Return a golden query as soon as the condition holds."""

        def look() -> Query | None:
            now = self.read(name)
            return now if condition(now) else None

        return eventually(look, seconds=60, what=f"a check of {name}") or {}

    def check(self) -> None:
        answer = self._system.http.post(f"{self.path}/golden/check")
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"{self.path}/quality"

    def quality(self) -> dict[str, Any]:
        return dict(self._system.http.get(f"{self.path}/quality").raise_for_status().json())


def test_an_edited_picture_finds_its_product_first(system: System) -> None:
    golden = Golden(system, "golden-first")
    made = golden.put("three", as_sent(3), "p3")
    assert (made["rank"], made["checked_at"], made["products"]) == (None, None, ["p3"])
    golden.put("either", as_sent(4), "p9", "p4")
    checked = golden.when("three", lambda now: now["checked_at"])
    assert (checked["rank"], checked["error"], checked["previous"]) == (1, None, None)
    assert checked["encoder"] == system.search(picture(3), golden.catalog)["encoder"]
    golden.when("either", lambda now: now["rank"] == 1)
    quality = golden.quality()
    assert (quality["recall"], quality["target_recall"]) == (None, 0.98)
    counts = quality["golden"]
    assert (counts.pop("checked_at") or "") >= checked["checked_at"]
    assert counts == {"queries": 2, "first": 2, "in_ten": 2, "not_found": 0, "unchecked": 0}
    # The same again changes nothing; another picture, or another product, is another query.
    assert golden.put("three", as_sent(3), "p3")["checked_at"] == checked["checked_at"]
    assert golden.put("three", as_sent(3), "p5")["checked_at"] is None
    assert golden.when("three", lambda now: now["checked_at"])["rank"] > 1


def test_a_picture_is_kept_small_and_upright(system: System) -> None:
    golden = Golden(system, "golden-picture")
    turned, out = Image.Exif(), io.BytesIO()
    turned[0x0112] = 6
    Image.new("RGB", (1500, 500), "red").save(out, "JPEG", exif=turned)
    shown = golden.put("turned", out.getvalue(), "p1")
    answer = system.http.get(shown["image_url"])
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.size, image.getexif()) == ("JPEG", (171, GOLDEN_SIDE), {})
    etag = {"If-None-Match": answer.headers["etag"]}
    assert system.http.get(shown["image_url"], headers=etag).status_code == 304


def test_a_product_that_is_gone_is_not_found_at_the_next_check(system: System) -> None:
    golden = Golden(system, "golden-gone")
    golden.put("five", as_sent(5), "p5")
    before = golden.when("five", lambda now: now["rank"] == 1)
    assert system.http.delete(f"{golden.path}/products/p5").status_code == 204
    golden.check()
    after = golden.when("five", lambda now: now["checked_at"] > before["checked_at"])
    assert (after["rank"], after["previous"]) == (None, None)
    assert golden.quality()["golden"]["not_found"] == 1


def test_another_generation_is_checked_by_itself(system: System) -> None:
    golden = Golden(system, "golden-generation")
    golden.put("seven", as_sent(7), "p7")
    old = golden.when("seven", lambda now: now["checked_at"])
    assert old["generation"] is None
    files = [(f"q{n}.jpg", picture(100 + n)) for n in range(12)]
    system.finish(system.upload(golden.catalog, archive(files)))
    second = golden.when("seven", lambda now: now["generation"])
    assert second["rank"] == 1
    assert second["previous"] == {
        "rank": 1,
        "checked_at": old["checked_at"],
        "generation": None,
        "encoder": old["encoder"],
    }
    quality = golden.quality()
    assert quality["generation"] == second["generation"]
    assert quality["recall"] >= 0.98 and quality["measured_at"] <= second["checked_at"]


def test_a_golden_query_by_form(system: System) -> None:
    golden = Golden(system, "golden-form")
    path, parts = f"{golden.path}/golden/form", {"image": ("a.jpg", as_sent(2), "image/jpeg")}
    said = {"golden": json.dumps({"products": ["p2", "p2"]})}
    answer = system.http.put(path, data=said, files=parts)
    assert (answer.status_code, answer.headers["location"]) == (201, path)
    assert answer.json()["products"] == ["p2"]
    assert golden.when("form", lambda now: now["checked_at"])["rank"] == 1
    missing = system.http.put(path, files=parts)
    assert missing.status_code == 422
    assert missing.json()["errors"][0]["pointer"] == "/products"
    alone = system.http.put(path, data=said, files={"other": b"x"})
    assert alone.json()["errors"][0]["pointer"] == "image"


def test_golden_queries_are_listed_and_deleted(system: System) -> None:
    golden = Golden(system, "golden-list")
    for n in range(3):
        golden.put(f"g{n}", picture(n), f"p{n}")
    page = system.http.get(f"{golden.path}/golden", params={"limit": 2}).json()
    assert [each["name"] for each in page["items"]] == ["g0", "g1"]
    more = {"cursor": page["next_cursor"]}
    rest = system.http.get(f"{golden.path}/golden", params=more).json()
    assert [each["name"] for each in rest["items"]] == ["g2"] and rest["next_cursor"] is None
    assert system.http.delete(f"{golden.path}/golden/g1").status_code == 204
    assert system.http.delete(f"{golden.path}/golden/g1").status_code == 404
    for path in ("g1", "g1/image"):
        assert system.http.get(f"{golden.path}/golden/{path}").status_code == 404
    assert golden.quality()["golden"]["queries"] == 2


@pytest.mark.parametrize(
    ("name", "body", "status", "pointer"),
    [
        ("x", {"image": {"base64": "!"}, "products": ["p1"]}, 422, "/image/base64"),
        ("x", {"image": b64(b"plain text"), "products": ["p1"]}, 415, None),
        ("x", {"image": b64(picture(1)[:400]), "products": ["p1"]}, 422, None),
        ("x", {"image": b64(b""), "products": ["p1"]}, 422, None),
        ("x", {"image": {}, "products": ["p1"]}, 422, "/image"),
        ("x", {"image": {"url": "http://127.0.0.9/a.jpg"}, "products": ["p1"]}, 422, None),
        ("x", {"image": b64(picture(1)), "products": ["p1", "nobody"]}, 422, "/products/1"),
        ("x", {"image": b64(picture(1)), "products": []}, 422, "/products"),
        ("x", {"image": b64(picture(1)), "products": ["p1"] * 21}, 422, "/products"),
        ("x", {"image": b64(picture(1)), "products": ["p1"], "colour": 1}, 422, "/colour"),
        ("Not A Name", {"image": b64(picture(1)), "products": ["p1"]}, 422, "/name"),
    ],
)
def test_what_is_no_golden_query_is_refused(
    system: System, name: str, body: dict[str, Any], status: int, pointer: str | None
) -> None:
    if "golden-refused" not in system.http.get("/v1/catalogs").text:
        Golden(system, "golden-refused")
    where = "/v1/catalogs/golden-refused"
    answer = system.http.put(f"{where}/golden/{name}", json=body)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert len(problem["detail"]) > 10
    assert pointer is None or problem["errors"][0]["pointer"] == pointer
    assert system.http.get(f"{where}/golden").json()["items"] == []


def test_a_catalog_has_only_so_many(system: System) -> None:
    golden = Golden(system, "golden-many")
    for n in range(MOST_GOLDEN_QUERIES):
        golden.put(f"g{n}", picture(n, side=32), "p1")
    body = {"image": b64(picture(1)), "products": ["p1"]}
    answer = system.http.put(f"{golden.path}/golden/one-more", json=body)
    assert answer.status_code == 422
    assert str(MOST_GOLDEN_QUERIES) in answer.json()["detail"]
    assert answer.json()["errors"][0]["pointer"] == "name"
    assert golden.put("g7", picture(8), "p8")["products"] == ["p8"], "an old one can be changed"
    eventually(
        lambda: golden.quality()["golden"]["unchecked"] == 0, seconds=120, what="all the checks"
    )


def test_they_go_with_their_catalog(system: System) -> None:
    golden = Golden(system, "golden-deleted")
    golden.put("one", picture(1), "p1")
    assert system.http.delete(golden.path).status_code == 204
    for path in ("golden", "golden/one", "golden/one/image", "quality"):
        assert system.http.get(f"{golden.path}/{path}").status_code == 404
    assert system.http.post(f"{golden.path}/golden/check").status_code == 404
    system.create_catalog(golden.catalog)
    assert system.http.get(f"{golden.path}/golden").json()["items"] == []


def test_an_unknown_catalog_has_none(system: System) -> None:
    body = {"image": b64(picture(1)), "products": ["p1"]}
    answer = system.http.put("/v1/catalogs/golden-nowhere/golden/x", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_product_put_just_now_is_found(system: System) -> None:
    golden = Golden(system, "golden-new")
    add(system, golden.catalog, "new", picture(500))
    golden.put("new", as_sent(500), "new")
    assert golden.when("new", lambda now: now["checked_at"])["rank"] == 1
