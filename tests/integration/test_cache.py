"""The answer cache: the same question again is answered at once, and never with old news."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shop import add, b64, find, ids, post_search
from system import System, picture


def test_the_same_question_is_answered_from_the_cache(system: System, shop: str) -> None:
    body = {"catalog": shop, "image": b64(picture(50)), "limit": 3}
    first = find(system, shop, picture(50), limit=3)
    answer = post_search(system, body, wait=0)
    assert answer.status_code == 200
    again = answer.json()
    assert again["cached"]
    assert again["id"] != first["id"]
    assert again["created_at"] >= first["finished_at"]
    assert (again["status"], again["results"]) == ("succeeded", first["results"])
    kept = system.http.get(answer.headers["Location"]).json()
    assert kept == again
    for other in ({"limit": 4}, {"offset": 1}, {"filter": {"sale": True}}, {"group": True}):
        assert not find(system, shop, picture(50), **{"limit": 3, **other})["cached"]
    assert not find(system, shop, picture(51), limit=3)["cached"]


def test_the_same_question_from_many_at_a_time_is_computed_once(system: System, shop: str) -> None:
    def ask(_: int) -> dict[str, Any]:
        with system.open_http() as http:
            body = {"catalog": shop, "image": b64(picture(52)), "limit": 5}
            answer = http.post("/v1/searches", json=body, headers={"Prefer": "wait=10"})
        return dict(answer.raise_for_status().json())

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(ask, range(12)))
    assert {record["status"] for record in found} == {"succeeded"}
    assert len({record["id"] for record in found}) == 12
    assert all(record["timings_ms"] == found[0]["timings_ms"] for record in found)


def test_every_change_ends_the_cached_answer(system: System) -> None:
    catalog = system.create_catalog("cache")
    add(system, catalog, "a", picture(1), title="Old")
    find(system, catalog, picture(1))
    assert find(system, catalog, picture(1))["cached"]

    path = f"/v1/catalogs/{catalog}/products"
    system.http.patch(f"{path}/a", json={"title": "New"}).raise_for_status()
    patched = find(system, catalog, picture(1))
    assert not patched["cached"]
    assert patched["results"][0]["title"] == "New"

    add(system, catalog, "b", picture(2))
    find(system, catalog, picture(1), limit=9)
    assert ids(find(system, catalog, picture(1))) == ["a", "b"]

    system.http.delete(f"{path}/a").raise_for_status()
    assert ids(find(system, catalog, picture(1))) == ["b"]


def test_a_catalog_made_anew_knows_no_old_answer(system: System) -> None:
    for seed in (1, 2):
        catalog = system.create_catalog("anew")
        assert find(system, catalog, picture(1))["results"] == []
        add(system, catalog, f"only-{seed}", picture(seed))
        assert ids(find(system, catalog, picture(1))) == [f"only-{seed}"]
        system.http.delete(f"/v1/catalogs/{catalog}").raise_for_status()
        gone = post_search(system, {"catalog": catalog, "image": b64(picture(1))})
        assert gone.status_code == 404
