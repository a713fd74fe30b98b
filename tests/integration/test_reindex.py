"""Another encoder for a catalog, while it is searched and changed; and the way back."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from shop import b64
from system import System, archive, eventually, picture

from visearch.encoders import registry
from visearch.encoders.checkpoints.weights import save_safetensors, to_tensors
from visearch.encoders.spec import metadata_for
from visearch.images import Preprocess

N = 90


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where the other encoders are going to lie: the operator lists them before they exist."""
    folder = tmp_path_factory.mktemp("encoders")
    return {name: folder / f"{name}.safetensors" for name in ("half", "blank", "uploaded")}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, files: dict[str, Path]) -> Iterator[System]:
    """A system that builds generations of few pictures, and offers two other encoders."""
    settings = {
        "compact_min": "40",
        "compact_ratio": "0.5",
        "reindex_share": "1.0",
        "encoders": f"file:{files['half']}, file:{files['blank']}",
    }
    running = System(tmp_path_factory.mktemp("reindex") / "home", **settings).start()
    yield running
    assert running.stop() == 0, running.output()


@pytest.fixture(scope="module")
def encoders(system: System, files: dict[str, Path]) -> dict[str, str]:
    """Two other encoders: a good one, the half of the bundled one, and one that knows nothing."""
    half, blank = files["half"], files["blank"]
    made = system.cli("weights", "cut", "bundled", "--dimension", "128", "--out", str(half))
    assert made.returncode == 0, made.stderr
    preprocess = Preprocess(size=32, fit="stretch", mean=(0.5,) * 3, std=(0.5,) * 3)
    network = registry.build("resnet_compact", seed=1)
    network.head.kernel[:, 2:] = 0.0  # two numbers say something
    save_safetensors(blank, to_tensors(network), metadata_for("resnet_compact", 256, preprocess))
    return {"half": f"file:{half}", "blank": f"file:{blank}"}


def begin(system: System, catalog: str, **body: Any) -> dict[str, Any]:
    answer = system.http.post(f"/v1/catalogs/{catalog}/reindex", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"].endswith(answer.json()["id"])
    return dict(answer.json())


def state(system: System, reindex: dict[str, Any]) -> dict[str, Any]:
    answer = system.http.get(f"/v1/catalogs/{reindex['catalog']}/reindex/{reindex['id']}")
    return dict(answer.raise_for_status().json())


def reached(system: System, reindex: dict[str, Any], status: str) -> dict[str, Any]:
    """Wait for a status; returns the reindex."""

    def look() -> dict[str, Any] | None:
        now = state(system, reindex)
        assert now["status"] != "failed", now
        return now if now["status"] == status else None

    return eventually(look, seconds=90, what=f"the reindex being {status}")


def put(system: System, catalog: str, product: str, seed: int) -> None:
    """Write a product with one picture and wait until it is through."""
    files = {"image": ("p.jpg", picture(seed)), "product": (None, "{}", "application/json")}
    answer = system.http.put(f"/v1/catalogs/{catalog}/products/{product}", files=files)
    assert answer.status_code == 202, answer.text
    assert system.finish(answer.json())["counts"]["searchable"] == 1


def first(system: System, catalog: str, seed: int) -> tuple[str, str]:
    """Return the first product found, and the encoder that found it."""
    found = system.search(picture(seed), catalog)
    assert found["status"] == "succeeded", found
    return found["results"][0]["product_id"], found["encoder"]


class Shoppers:
    """Search all the time; what fails, or finds another product, is kept."""

    def __init__(self, system: System, catalog: str) -> None:
        self._system, self._catalog = system, catalog
        self.wrong: list[Any] = []
        self.encoders: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._search)

    def __enter__(self) -> Shoppers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _search(self) -> None:
        seed = 0
        while not self._over.is_set():
            seed = (seed + 1) % 40
            try:
                product, encoder = first(self._system, self._catalog, seed)
            except Exception as error:
                self.wrong.append(error)
                continue
            self.encoders.append(encoder)
            if product != f"p{seed}":
                self.wrong.append((seed, product))


def test_an_upgrade_and_its_rollback(system: System, encoders: dict[str, str]) -> None:
    system.create_catalog("shop")
    files = [(f"p{i}.jpg", picture(i)) for i in range(N)]
    system.finish(system.upload("shop", archive(files)))
    _, before = first(system, "shop", 3)
    golden = "/v1/catalogs/shop/golden/three"
    said = {"image": b64(picture(3)), "products": ["p3"]}
    assert system.http.put(golden, json=said).status_code == 201

    with Shoppers(system, "shop") as shoppers:
        reindex = begin(system, "shop", encoder=encoders["half"])
        put(system, "shop", "late", 1000)
        system.http.delete("/v1/catalogs/shop/products/p80").raise_for_status()
        done = reached(system, reindex, "active")
        eventually(lambda: first(system, "shop", 3)[1] == done["fingerprint"], what="the switch")
        put(system, "shop", "later", 1001)
    assert not shoppers.wrong
    order = list(dict.fromkeys(shoppers.encoders))
    assert order == [before, done["fingerprint"]], "every answer is of one encoder or the other"
    assert done["counts"]["images"] == done["counts"]["embedded"] >= N
    comparison = done["comparison"]
    assert comparison["queries"] >= 80 and comparison["overlap_at_10"] > 0.3
    own = comparison["own_first"]
    assert own["old"] > 0.5 and abs(own["new"] - own["old"]) < 0.2
    assert comparison["golden"] == {"queries": 1, "old": 1.0, "new": 1.0}

    def checked() -> dict[str, Any] | None:
        now = dict(system.http.get(golden).json())
        return now if now["encoder"] == done["fingerprint"] else None

    place = eventually(checked, what="a check with the new encoder") or {}
    assert (place["rank"], place["previous"]["encoder"]) == (1, before)
    for product, seed in (("p3", 3), ("late", 1000), ("later", 1001)):
        assert first(system, "shop", seed) == (product, done["fingerprint"])
    assert first(system, "shop", 80)[0] != "p80"

    with Shoppers(system, "shop") as shoppers:
        answer = system.http.post("/v1/catalogs/shop/rollback")
        assert answer.status_code == 202, answer.text
        back = reached(system, answer.json(), "active")
        eventually(lambda: first(system, "shop", 3)[1] == before, what="the way back")
    assert back["fingerprint"] == before and not shoppers.wrong
    for product, seed in (("p3", 3), ("late", 1000), ("later", 1001)):
        assert first(system, "shop", seed) == (product, before)
    assert first(system, "shop", 80)[0] != "p80"
    assert system.http.get("/v1/catalogs/shop").json()["encoder"] == "bundled"


def test_a_worse_encoder_waits_for_a_word(system: System, encoders: dict[str, str]) -> None:
    system.create_catalog("held")
    files = [(f"p{i}.jpg", picture(i)) for i in range(N)]
    system.finish(system.upload("held", archive(files)))
    reindex = begin(system, "held", encoder=encoders["blank"])
    held = eventually(
        lambda: (now := state(system, reindex))["code"] == "held" and now, seconds=90, what="held"
    )
    assert held["status"] == "ready" and "own product first" in held["detail"]
    assert first(system, "held", 3) == ("p3", system.search(picture(4), "held")["encoder"])
    answer = system.http.post(f"/v1/catalogs/held/reindex/{reindex['id']}/activate")
    assert answer.status_code == 202
    done = reached(system, reindex, "active")
    eventually(lambda: first(system, "held", 3)[1] == done["fingerprint"], what="the switch")


def test_what_cannot_be_done_is_refused(system: System, encoders: dict[str, str]) -> None:
    system.create_catalog("refused")
    where = "/v1/catalogs/refused"
    assert system.http.post(f"{where}/reindex", json={}).status_code == 409  # has it already
    assert system.http.post(f"{where}/rollback").status_code == 409
    reindex = begin(system, "refused", encoder=encoders["half"], activate="manual")
    again = system.http.post(f"{where}/reindex", json={"encoder": encoders["blank"]})
    assert again.status_code == 409 and reindex["id"] in again.json()["detail"]
    one = f"{where}/reindex/{reindex['id']}"
    assert system.http.delete(one).status_code == 204
    assert state(system, reindex)["status"] == "cancelled"
    assert system.http.delete(one).status_code == 409
    assert system.http.post(f"{one}/activate").status_code == 409
    assert system.http.get(f"{where}/reindex/none").status_code == 404


def test_a_client_names_only_encoders_that_are_offered(
    system: System, encoders: dict[str, str], files: dict[str, Path]
) -> None:
    """Whether a file exists, or is an encoder even, makes no difference."""
    system.create_catalog("offered")
    files["uploaded"].write_bytes(files["half"].read_bytes())
    pulled = "hf-hub:owner/name@v1"
    specs = (
        f"file:{files['uploaded']}",
        "file:/nowhere",
        "file:/etc/passwd",
        pulled,
        "x",
        "hf-hub:",
        f"hf-hub:a/b@r/{'/'.join(['x' * 200] * 40)}",
    )
    answers = [
        system.http.request(method, path, json={"encoder": spec})
        for spec in specs
        for method, path in (
            ("POST", "/v1/catalogs/offered/reindex"),
            ("PUT", "/v1/catalogs/never-made"),
        )
    ]
    assert {answer.status_code for answer in answers} == {422}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert "does not offer" in answers[0].json()["detail"]
    assert answers[0].json()["errors"][0]["pointer"] == "/encoder"
    made = system.http.put("/v1/catalogs/halved", json={"encoder": encoders["half"]})
    assert (made.status_code, made.json()["encoder"]) == (201, encoders["half"])


def test_lost_pictures_are_listed_and_stop_nothing(
    system: System, encoders: dict[str, str]
) -> None:
    system.create_catalog("lossy")
    files = {f"p{i}.jpg": picture(300 + i) for i in range(N)}
    system.finish(system.upload("lossy", archive(files.items())))
    stored = [
        system.home / "blobs" / "pictures" / hashlib.sha256(files[f"p{i}.jpg"]).hexdigest()
        for i in (4, 7)
    ]
    stored[0].unlink()
    stored[1].write_bytes(b"\xff" * 100)
    _, before = first(system, "lossy", 303)

    reindex = begin(system, "lossy", encoder=encoders["half"])
    held = eventually(
        lambda: (now := state(system, reindex))["code"] == "held" and now, seconds=90, what="held"
    )
    assert held["status"] == "ready" and f"2 of {N} pictures" in held["detail"]
    assert held["counts"] == {"images": N, "embedded": N - 2, "failed": 2}
    assert held["progress"] == 1.0
    where = f"/v1/catalogs/lossy/reindex/{reindex['id']}"
    page = system.http.get(f"{where}/failures", params={"limit": 1}).raise_for_status().json()
    more = {"limit": 1, "cursor": page["next_cursor"]}
    rest = system.http.get(f"{where}/failures", params=more).raise_for_status().json()
    found = [(each["product_id"], each["code"]) for each in page["items"] + rest["items"]]
    assert found == [("p4", "picture_lost"), ("p7", "picture_damaged")]
    assert rest["next_cursor"] is None

    assert system.http.post(f"{where}/activate").status_code == 202
    done = reached(system, reindex, "active")
    eventually(lambda: first(system, "lossy", 303)[1] == done["fingerprint"], what="the switch")
    assert first(system, "lossy", 303)[0] == "p3"
    assert system.search(picture(304), "lossy")["total"] == N - 2
    back = system.http.post("/v1/catalogs/lossy/rollback")
    assert back.status_code == 202 and back.json()["counts"]["failed"] == 0
    eventually(lambda: first(system, "lossy", 304) == ("p4", before), what="the way back")
