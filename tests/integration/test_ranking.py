"""What counts in a catalog's searches: weights that are given, fitted, or those of a focus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from promise import Promise
from system import System, archive, eventually, picture

from visearch.encoders.encoder import Encoder
from visearch.evaluation.embedding import embed_pictures
from visearch.fusion.fit import FEWEST
from visearch.fusion.focus import FOCUSES
from visearch.fusion.weights import Weights, weigh

SHOWN = 12
KIND = {"general": 0.0, "kind": 1.0, "instance": 0.0}
BOTH = {"general": 1.0, "kind": 0.0, "instance": 3.0}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of its own, in which 20 pictures are enough for an index."""
    home = tmp_path_factory.mktemp("ranking") / "home"
    running = System(home, compact_min="20").start()
    promise = Promise(running.http.get("/openapi.json").json())
    running.http.event_hooks["response"].append(promise.check)
    yield running
    assert running.stop() == 0, running.output()


@pytest.fixture(scope="module")
def shop(system: System) -> str:
    """A catalog with the pictures 0 to 11, as products ``p0`` to ``p11``."""
    return filled(system, "weighed", SHOWN)


def filled(system: System, name: str, pictures: int, **settings: Any) -> str:
    """Make a catalog and fill it with drawn pictures, of which each is a product."""
    system.create_catalog(name, **settings)
    files = [(f"p{n}.jpg", picture(n)) for n in range(pictures)]
    done = system.finish(system.upload(name, archive(files)))
    assert done["counts"]["searchable"] == pictures
    return name


@pytest.fixture(scope="module")
def expected() -> Any:
    """Return what a score is by weights: of the picture 3, by the number of another."""
    encoder = Encoder.open("bundled")
    vectors = embed_pictures(encoder, [picture(n) for n in range(SHOWN)])

    def scores(weights: Weights | None) -> dict[str, float]:
        query = vectors[3] if weights is None else weigh(vectors[3], encoder.parts, weights)
        return {f"p{n}": float(score) for n, score in enumerate(vectors @ query)}

    return scores


def ranking(system: System, catalog: str) -> dict[str, Any]:
    """Read the ranking of a catalog."""
    answer = system.http.get(f"/v1/catalogs/{catalog}/ranking")
    return dict(answer.raise_for_status().json())


def give(system: System, catalog: str, weights: Weights | None) -> dict[str, Any]:
    """Give a catalog weights, or have them fitted."""
    answer = system.http.put(f"/v1/catalogs/{catalog}/ranking", json={"weights": weights})
    return dict(answer.raise_for_status().json())


def scores(system: System, catalog: str, **asked: Any) -> dict[str, float]:
    """Return the scores of the picture 3's hits by product, best first."""
    found = system.search(picture(3), catalog, limit=SHOWN, **asked)["results"]
    return {hit["product_id"]: hit["score"] for hit in found}


def test_weights_that_are_given_count_from_the_next_search_on(
    system: System, shop: str, expected: Any
) -> None:
    first = ranking(system, shop)
    assert first["parts"] == ["general", "kind", "instance"]
    assert (first["weights"], first["source"], first["fit"]) == (None, "encoder", None)
    plain = scores(system, shop)
    assert plain == pytest.approx(expected(None), abs=1e-3)
    for weights in (KIND, BOTH):
        given = give(system, shop, weights)
        assert (given["weights"], given["source"]) == (weights, "given")
        found = scores(system, shop)
        assert found == pytest.approx(expected(weights), abs=1e-3)
        assert found["p3"] == 1 and list(found) == sorted(found, key=found.__getitem__)[::-1]
        assert found != pytest.approx(plain, abs=1e-3)
    back = give(system, shop, None)
    assert (back["weights"], back["source"], back["fitting"]) == (None, "encoder", True)
    assert scores(system, shop) == pytest.approx(plain, abs=1e-4)
    # There are too few pictures for a fit: nothing has changed when it is over.
    eventually(lambda: not ranking(system, shop)["fitting"], seconds=60, what="the fit")
    assert ranking(system, shop) == {**first, "fitting": False}


@pytest.mark.parametrize("focus", [*FOCUSES])
def test_a_focus_comes_before_the_weights_of_the_catalog(
    system: System, shop: str, expected: Any, focus: Any
) -> None:
    assert scores(system, shop, focus=focus) == pytest.approx(expected(FOCUSES[focus]), abs=1e-3)


def test_like_a_product_is_weighed_too(system: System, shop: str, expected: Any) -> None:
    body = {"product": {"id": "p3"}, "catalog": shop, "limit": SHOWN, "focus": "kind"}
    answer = system.http.post("/v1/searches", json=body, headers={"Prefer": "wait=10"})
    found = {hit["product_id"]: hit["score"] for hit in answer.json()["results"]}
    assert found == pytest.approx(expected(FOCUSES["kind"]), abs=1e-3)


def test_distances_are_weighed_as_cosines_are(system: System, expected: Any) -> None:
    catalog = filled(system, "weighed-distances", SHOWN, metric="euclidean")
    give(system, catalog, BOTH)
    distances = {name: -np.sqrt(max(0, 2 - 2 * p)) for name, p in expected(BOTH).items()}
    found = scores(system, catalog)
    assert found == pytest.approx(distances, abs=0.01)
    assert found["p3"] == 0


def test_weights_are_fitted_when_there_are_enough_pictures(system: System) -> None:
    catalog = filled(system, "fitted", FEWEST + 10)

    def fitted() -> dict[str, Any] | None:
        now = ranking(system, catalog)
        return now if now["fit"] else None

    found = eventually(fitted, seconds=120, what="a fit") or {}
    fit = found["fit"]
    assert (fit["pictures"], fit["copies"]) == (FEWEST + 10, FEWEST + 10)
    assert found["source"] == "fitted" and found["weights"] == fit["chosen"]["weights"]
    assert all(0 <= fit[each]["found"] <= 1 for each in ("chosen", "default", "best"))
    # What somebody gives stays, whatever is fitted.
    assert give(system, catalog, KIND)["source"] == "given"
    assert give(system, catalog, None)["weights"] == fit["chosen"]["weights"]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"general": 1.0}, "general, kind, instance"),
        ({**KIND, "text": 1.0}, "general, kind, instance"),
        ({**KIND, "kind": 0.0}, "one above 0"),
        ({**KIND, "kind": -1.0}, "greater than or equal to 0"),
        ("even", "must be a JSON object"),
    ],
)
def test_weights_that_cannot_be_used(system: System, shop: str, weights: Any, reason: str) -> None:
    before = ranking(system, shop)
    answer = system.http.put(f"/v1/catalogs/{shop}/ranking", json={"weights": weights})
    assert answer.status_code == 422 and answer.json()["code"] == "invalid_request"
    assert reason in answer.text
    assert answer.json()["errors"][0]["pointer"].startswith("/weights")
    assert ranking(system, shop) == before


def test_a_catalog_that_is_not_there(system: System) -> None:
    for method, body in (("GET", None), ("PUT", {"weights": None})):
        answer = system.http.request(method, "/v1/catalogs/nobody/ranking", json=body)
        assert answer.status_code == 404
