"""Searches over HTTP: every form of the question, the shape and order of the answer."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image
from shop import N_PICTURES, PRODUCTS, add, b64, find, ids, post_search
from system import System, eventually, picture


def test_the_form_and_json_give_the_same_answer(system: System, shop: str) -> None:
    as_form = system.search(picture(3), shop, limit="5", group="true")
    as_json = find(system, shop, picture(3), limit=5, group=True)
    assert as_form["results"] == as_json["results"]
    assert ids(as_json)[0] == "item/03"


def test_a_hit_tells_all_about_its_product(system: System, shop: str) -> None:
    record = find(system, shop, picture(7), limit=4)
    hit = record["results"][0]
    product = system.http.get(f"/v1/catalogs/{shop}/products/item/07").json()
    assert (hit["product_id"], hit["title"], hit["url"]) == (
        "item/07",
        "Item 7",
        "https://shop.example/7",
    )
    assert hit["attributes"] == product["attributes"]
    assert hit["attributes"]["price"] == 7
    assert hit["image_id"] == product["images"][0]["id"]
    assert 0.99 < hit["score"] <= 1
    thumbnail = system.http.get(hit["image_url"])
    assert Image.open(io.BytesIO(thumbnail.content)).format == "JPEG"
    assert [h["rank"] for h in record["results"]] == [1, 2, 3, 4]
    scores = [h["score"] for h in record["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(-1 <= score <= 1 for score in scores)


def test_pages_cover_the_whole_without_repeats(system: System, shop: str) -> None:
    whole = find(system, shop, picture(5), limit=100)["results"]
    assert len(whole) == N_PICTURES
    paged: list[dict[str, Any]] = []
    for offset in range(0, N_PICTURES + 7, 7):
        paged += find(system, shop, picture(5), limit=7, offset=offset)["results"]
    assert paged == whole


def test_group_keeps_the_best_picture_of_each_product(system: System, shop: str) -> None:
    single = find(system, shop, picture(106), limit=100)["results"]
    grouped = find(system, shop, picture(106), limit=100, group=True)["results"]
    best: dict[str, dict[str, Any]] = {}
    for hit in single:
        best.setdefault(hit["product_id"], hit)
    assert [h["image_id"] for h in grouped] == [h["image_id"] for h in best.values()]
    assert len(grouped) == len(PRODUCTS) < len(single)
    assert grouped[0]["product_id"] == "item/06"
    assert len(find(system, shop, picture(106), limit=10, group=True)["results"]) == 10


def test_min_score_is_a_bound(system: System, shop: str) -> None:
    whole = find(system, shop, picture(2), limit=100)["results"]
    bound = whole[len(whole) // 2]["score"]
    some = find(system, shop, picture(2), limit=100, min_score=bound)["results"]
    assert some == [hit for hit in whole if hit["score"] >= bound]


def test_a_copy_has_the_highest_score(system: System, shop: str) -> None:
    """Whatever rounding did to it: the highest `min_score` must find what is already there."""
    copies = find(system, shop, picture(2), min_score=1)["results"]
    assert [(hit["product_id"], hit["score"]) for hit in copies] == [("item/02", 1.0)]


def test_a_box_searches_for_what_is_inside_it(system: System, shop: str) -> None:
    scene = Image.new("RGB", (480, 320), "white")
    scene.paste(Image.open(io.BytesIO(picture(9))), (40, 80))
    out = io.BytesIO()
    scene.save(out, "PNG")
    box = [40 / 480, 80 / 320, 200 / 480, 240 / 320]
    inside = find(system, shop, out.getvalue(), box=box, limit=1)["results"][0]
    outside = find(system, shop, out.getvalue(), limit=1)["results"][0]
    assert inside["product_id"] == "item/09"
    assert inside["score"] > 0.98 > outside["score"]


def test_more_like_this_product(system: System, shop: str) -> None:
    answer = post_search(system, {"product": {"catalog": shop, "id": "item/11"}, "limit": 3})
    by_product = answer.json()
    assert ids(by_product)[0] == "item/11"
    by_picture = find(system, shop, picture(11), limit=3)
    assert ids(by_product) == ids(by_picture)
    missing = post_search(system, {"product": {"catalog": shop, "id": "no such"}}).json()
    assert missing["status"] == "failed"
    assert (missing["error"]["code"], missing["error"]["status"]) == ("not_found", 404)


def test_a_euclidean_score_is_the_negated_distance(system: System, shop: str) -> None:
    catalog = system.create_catalog("euclid", metric="euclidean")
    for i in (1, 2, 4):
        add(system, catalog, f"item/{i:02}", picture(i))
    hits = find(system, catalog, picture(2))["results"]
    cosine = {
        h["product_id"]: h["score"] for h in find(system, shop, picture(2), limit=100)["results"]
    }
    assert hits[0]["product_id"] == "item/02"
    for hit in hits:
        # Of unit vectors: |a - b|² = 2 - 2ab.
        assert hit["score"] <= 0
        assert hit["score"] ** 2 == pytest.approx(2 - 2 * cosine[hit["product_id"]], abs=1e-4)


def test_the_answer_says_when_and_of_what_state(system: System, shop: str) -> None:
    before = datetime.now(UTC)
    record = find(system, shop, picture(1), limit=13)
    parts = record["timings_ms"]
    assert set(parts) == {"queue", "decode", "encode", "search", "hydrate", "total"}
    assert all(value >= 0 for value in parts.values())
    assert parts["decode"] > 0
    assert parts["encode"] > 0
    assert sum(v for name, v in parts.items() if name != "total") <= parts["total"] + 1
    fresh = datetime.fromisoformat(record["index"]["fresh_to"])
    assert abs((fresh - before).total_seconds()) < 5
    catalog = system.http.get(f"/v1/catalogs/{shop}").json()
    assert record["encoder"] == catalog["fingerprint"]
    created, finished = (datetime.fromisoformat(record[n]) for n in ("created_at", "finished_at"))
    assert before <= created <= finished
    assert not record["cached"]
    assert record["error"] is None


def test_without_prefer_a_search_is_polled(system: System, shop: str) -> None:
    answer = post_search(system, {"catalog": shop, "image": b64(picture(40))}, wait=0)
    assert answer.status_code == 202
    assert answer.headers["Retry-After"].isdigit()
    assert "Preference-Applied" not in answer.headers
    record = answer.json()
    assert record["status"] in ("queued", "running")
    assert record["results"] is None
    assert answer.headers["Location"] == f"/v1/searches/{record['id']}"

    def over() -> bool:
        return bool(system.http.get(answer.headers["Location"]).json()["finished_at"])

    eventually(over, what="the search's end")
    done = system.http.get(answer.headers["Location"])
    assert done.json()["status"] == "succeeded"
    unchanged = system.http.get(
        answer.headers["Location"], headers={"If-None-Match": done.headers["ETag"]}
    )
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    other = system.http.get(answer.headers["Location"], headers={"If-None-Match": '"other"'})
    assert other.json() == done.json()
    cancelled = system.http.delete(answer.headers["Location"])
    assert cancelled.json() == done.json()  # a terminal state is the last


def test_prefer_wait_answers_at_once(system: System, shop: str) -> None:
    answer = post_search(system, {"catalog": shop, "image": b64(picture(41))}, wait=9)
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=9"
    assert answer.json()["status"] == "succeeded"
    started = time.monotonic()
    path = answer.headers["Location"]
    again = system.http.get(path, headers={"Prefer": "respond-async, wait=9"})
    assert again.json()["results"] == answer.json()["results"]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("given", "applied"),
    [
        ("Wait=5", "wait=5"),
        ('wait = "5"', "wait=5"),
        ("respond-async, wait=5; foo=bar", "wait=5"),
        ("wait=60", "wait=10"),
        ("respond-async; wait=5", None),
        ("wait=soon", None),
        ("wait=-1", None),
    ],
)
def test_prefer_is_read_as_its_rfc_says(
    system: System, shop: str, given: str, applied: str | None
) -> None:
    answer = system.http.post(
        "/v1/searches",
        files={"image": ("q.jpg", picture(1))},
        data={"catalog": shop},
        headers={"Prefer": given},
    )
    assert answer.headers.get("Preference-Applied") == applied


def test_the_request_id_is_taken_or_made_and_reaches_the_worker(system: System, shop: str) -> None:
    body = {"catalog": shop, "image": b64(picture(42))}
    taken = post_search(system, body, **{"X-Request-ID": "from-the-tests.42"})
    assert taken.headers["X-Request-ID"] == "from-the-tests.42"
    eventually(lambda: "from-the-tests.42" in system.log("search"), what="the id in the log")
    made = system.http.get("/healthz", headers={"X-Request-ID": "bad id {} " + "x" * 200})
    assert len(made.headers["X-Request-ID"]) == 36


def test_an_empty_catalog_gives_no_hits(system: System) -> None:
    catalog = system.create_catalog("empty")
    assert find(system, catalog, picture(1))["results"] == []
    assert find(system, catalog, picture(1), filter={"a": 1}, group=True)["results"] == []
