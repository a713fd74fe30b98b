"""Feeds, through the whole system: fetched on time, compared, imported, put off, refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from picture_server import Host, Town, drawn
from shop import FETCHING, find, ids, wait_fresh
from system import System, eventually

SHOP, HANGING, DOWN, *_ = FETCHING["fetch_allow"].split(",")
INSIDE = "127.0.0.3"
Run = dict[str, Any]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    running = Town()
    yield running
    running.close()


@pytest.fixture(scope="module")
def shop(town: Town) -> Host:
    return town.host(SHOP)


def table(shop: Host, numbers: Sequence[int], **titles: str) -> bytes:
    """Return a feed of products with a picture each, entitled T unless ``titles`` has another."""
    rows = [f"p{n},{shop.url(f'/drawn/{n}')},{titles.get(f'p{n}', 'T')}\n" for n in numbers]
    return ("id,image,title\n" + "".join(rows)).encode()


class Feed:
    """A feed of a catalog of its own."""

    def __init__(self, system: System, catalog: str, **stated: Any) -> None:
        self._system, self.catalog = system, system.create_catalog(catalog)
        self.path = f"/v1/catalogs/{catalog}/feeds/main"
        self.made = self.put(**stated)

    def put(self, **stated: Any) -> dict[str, Any]:
        answer = self._system.http.put(self.path, json=stated)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    def read(self) -> dict[str, Any]:
        return dict(self._system.http.get(self.path).raise_for_status().json())

    def begin(self, **query: Any) -> str:
        answer = self._system.http.post(f"{self.path}/run", params=query)
        assert answer.status_code == 202, answer.text
        assert self._system.http.get(answer.headers["location"]).json()["id"] == answer.json()["id"]
        return str(answer.headers["location"])

    def run(self, **query: Any) -> Run:
        return self.ended(self.begin(**query))

    def ended(self, place: str) -> Run:
        def look() -> Run | None:
            now = dict(self._system.http.get(place).json())
            return now if now["finished_at"] else None

        return eventually(look, seconds=60, what="the end of a run") or {}

    def items(self, run: Run) -> list[dict[str, Any]]:
        path = f"/v1/catalogs/{self.catalog}/imports/{run['import_id']}/items"
        return list(self._system.api.pages(path))


def difference(run: Run) -> tuple[int, ...]:
    """Return how many were added, changed, unchanged, removed, failed."""
    names = ("added", "changed", "unchanged", "removed", "failed")
    return tuple(run["difference"][name] for name in names)


def test_only_what_has_changed_is_worked_on(system: System, shop: Host) -> None:
    numbers = list(range(100, 130))
    shop.files["main.csv"] = table(shop, numbers)
    feed = Feed(system, "feed-changes", url=shop.url("/file/main.csv"), mode="replace")
    first = feed.run()
    assert (first["status"], difference(first)) == ("succeeded", (30, 0, 0, 0, 0)), first
    before, made = len(shop.asked), system.query("SELECT count(*) FROM embeddings")

    assert feed.run()["status"] == "unchanged"
    (asked,) = shop.asked[before:]
    assert asked[0] == "/file/main.csv" and asked[1]["if-none-match"]

    before = len(shop.asked)
    shop.files["main.csv"] = table(shop, [*numbers[2:], 130], p105="Other", p106="Other")
    third = feed.run()
    assert (third["status"], difference(third)) == ("succeeded", (1, 2, 26, 2, 0)), third
    pictures = [path for path, _ in shop.asked[before:] if path.startswith("/drawn/")]
    assert sorted(pictures) == ["/drawn/105", "/drawn/106", "/drawn/130"]
    assert system.query("SELECT count(*) FROM embeddings") == [(made[0][0] + 1,)]
    fates = [(item["status"], item["stage"]) for item in feed.items(third)]
    assert fates == [("searchable", "index")] * 29
    done = system.http.get(f"/v1/catalogs/{feed.catalog}/imports/{third['import_id']}").json()
    wait_fresh(system, done)
    assert ids(find(system, feed.catalog, drawn(130), limit=1)) == ["p130"]
    assert ids(find(system, feed.catalog, drawn(100), limit=1)) != ["p100"]
    catalog = system.http.get(f"/v1/catalogs/{feed.catalog}").json()
    assert (catalog["products"], catalog["images"]) == (29, 29)


def test_what_was_written_since_is_set_right(system: System, shop: Host) -> None:
    shop.files["right.csv"] = table(shop, range(200, 206))
    feed = Feed(system, "feed-right", url=shop.url("/file/right.csv"), mode="replace")
    feed.run()
    path = f"/v1/catalogs/{feed.catalog}/products"
    assert system.http.patch(f"{path}/p201", json={"title": "By hand"}).status_code == 200
    assert system.http.delete(f"{path}/p202").status_code == 204
    again = feed.run()
    assert (again["status"], difference(again)) == ("succeeded", (1, 1, 4, 0, 0)), again
    products = list(system.api.pages(path))
    assert [(p["id"], p["title"]) for p in products] == [(f"p{n}", "T") for n in range(200, 206)]


def test_a_picture_that_failed_is_tried_again(system: System, shop: Host) -> None:
    shop.files["partly.csv"] = table(shop, [210, 211]) + (
        f"p212,{shop.url('/file/late.png')},T\n".encode()
    )
    shop.files["late.png"] = b"not yet a picture"
    feed = Feed(system, "feed-partly", url=shop.url("/file/partly.csv"))
    first = feed.run()
    assert (first["status"], difference(first)) == ("partial", (3, 0, 0, 0, 1)), first
    shop.files["late.png"] = drawn(212)
    second = feed.run()
    assert (second["status"], difference(second)) == ("succeeded", (1, 0, 2, 0, 0)), second


def test_a_run_of_the_whole_looks_at_every_picture(system: System, shop: Host) -> None:
    shop.files["whole.csv"] = f"id,image\na,{shop.url('/file/a.png')}\n".encode()
    shop.files["a.png"] = drawn(220)
    feed = Feed(system, "feed-whole", url=shop.url("/file/whole.csv"))
    feed.run()
    shop.files["a.png"] = drawn(221)
    assert feed.run()["status"] == "unchanged"
    whole = feed.run(whole="true")
    assert (whole["status"], difference(whole)) == ("succeeded", (0, 1, 0, 0, 0)), whole
    done = system.http.get(f"/v1/catalogs/{feed.catalog}/imports/{whole['import_id']}").json()
    wait_fresh(system, done)
    found = find(system, feed.catalog, drawn(221), limit=1)
    assert found["results"][0]["score"] > 0.999


def test_a_guarded_run_changes_nothing(system: System, shop: Host) -> None:
    numbers = list(range(230, 260))
    shop.files["guard.csv"] = table(shop, numbers)
    stated = {"url": shop.url("/file/guard.csv"), "mode": "replace"}
    feed = Feed(system, "feed-guard", **stated)
    feed.run()
    shop.files["guard.csv"] = table(shop, numbers[:10])
    stopped = feed.run()
    assert (stopped["status"], stopped["error"]["code"]) == ("failed", "replace_guarded")
    count = f"/v1/catalogs/{feed.catalog}"
    assert system.http.get(count).json()["products"] == 30
    feed.put(**stated, guard=1)
    assert feed.run()["difference"]["removed"] == 20
    assert system.http.get(count).json()["products"] == 10


def test_a_feed_is_fetched_on_time_and_pauses(system: System, shop: Host) -> None:
    shop.files["timed.csv"] = table(shop, [260])
    url = shop.url("/file/timed.csv")
    feed = Feed(system, "feed-timed", url=url, schedule={"every": 60})
    assert feed.made["schedule"] == {"every": 60} and feed.made["next_run_at"]
    eventually(lambda: (feed.read()["last_run"] or {}).get("finished_at"), what="its first run")
    ran = feed.read()
    assert (ran["last_run"]["cause"], ran["last_run"]["status"]) == ("schedule", "succeeded")
    assert ran["next_run_at"] > ran["last_run"]["created_at"]
    paused = feed.put(url=url, schedule={"every": 60}, paused=True)
    assert (paused["next_run_at"], paused["paused"]) == (None, True)
    assert feed.run()["status"] == "unchanged", "it runs when asked all the same"
    assert feed.put(url=url, schedule="30 4 * * *")["next_run_at"][11:16] == "04:30"
    assert len(list(system.api.pages(f"{feed.path}/runs"))) == 2


def test_a_host_that_is_down_is_asked_again(system: System, town: Town, shop: Host) -> None:
    down = town.host(DOWN)
    feed = Feed(system, "feed-down", url=down.url("/status/503"))
    place = feed.begin()
    put_off = eventually(
        lambda: _put_off(system.http.get(place).json()), what="a run that is put off"
    )
    assert "503" in put_off["error"]["detail"] and put_off["status"] == "waiting"
    run = feed.ended(place)
    assert (run["status"], run["tries"]) == ("failed", 3), run
    assert down.counts["/status/503"] == int(FETCHING["fetch_tries"])


def test_a_feed_runs_once_at_a_time(system: System, town: Town, shop: Host) -> None:
    hanging = town.host(HANGING)
    feed = Feed(system, "feed-once", url=hanging.url("/hang"), schedule={"every": 3600})
    eventually(lambda: hanging.counts["/hang"], what="the first request")
    again = system.http.post(f"{feed.path}/run")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    stated = {"url": shop.url("/file/once.csv"), "schedule": {"every": 3600}}
    shop.files["once.csv"] = table(shop, [290])
    feed.put(**stated)
    eventually(lambda: (feed.read()["last_run"] or {})["finished_at"], what="its end")
    assert feed.read()["last_run"]["status"] == "succeeded", "the URL was corrected meanwhile"


def test_a_key_makes_one_run(system: System, shop: Host) -> None:
    shop.files["key.csv"] = table(shop, [291])
    feed = Feed(system, "feed-key", url=shop.url("/file/key.csv"))
    headers = {"Idempotency-Key": "once"}
    first, second = (system.http.post(f"{feed.path}/run", headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    feed.ended(first.headers["location"])
    assert len(list(system.api.pages(f"{feed.path}/runs"))) == 1


def test_a_corrected_mapping_is_used_for_the_same_file(system: System, shop: Host) -> None:
    rows = "".join(f"p{n};{shop.url(f'/drawn/{n}')};A;B\n" for n in (292, 293))
    shop.files["mapped.csv"] = f"id;image;title;Modell\n{rows}".encode()
    feed = Feed(system, "feed-mapped", url=shop.url("/file/mapped.csv"))
    feed.run()
    assert feed.run()["status"] == "unchanged"
    mapping = {"title": "attribute", "Modell": "title"}
    assert system.http.put(f"/v1/catalogs/{feed.catalog}/mapping", json=mapping).is_success
    assert difference(feed.run()) == (0, 2, 0, 0, 0)
    products = list(system.api.pages(f"/v1/catalogs/{feed.catalog}/products"))
    assert [p["title"] for p in products] == ["B", "B"]


def _put_off(run: Run) -> Run | None:
    return run if run["next_try_at"] else None


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/status/404", "url_not_found"),
        ("/page", "unsupported_archive"),
        (f"/to/http://{INSIDE}/x", "url_refused_address"),
        ("/file/nothing.csv", "mapping_incomplete"),
    ],
)
def test_a_file_that_cannot_be_used_fails_its_run(
    system: System, shop: Host, path: str, code: str
) -> None:
    shop.files["nothing.csv"] = b"colour;price\nred;5\nblue;7\n"
    feed = Feed(system, f"feed-fails-{code.replace('_', '-')}", url=shop.url(path))
    run = feed.run()
    assert (run["status"], run["error"]["code"]) == ("failed", code), run
    assert run["error"]["instance"].endswith(run["id"]) and run["error"]["detail"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"url": "ftp://x/a.csv"}, "/url"),
        ({"url": "http://169.254.169.254/latest"}, "/url"),
        ({"url": "http://user:secret@shop.example/a.csv"}, "/url"),
        ({"schedule": "every day"}, "/schedule"),
        ({"schedule": {"every": 5}}, "/schedule"),
        ({"schedule": "0 0 31 2 *"}, "/schedule"),
        ({"mode": "mirror"}, "/mode"),
        ({"guard": 2}, "/guard"),
        ({"format": "exotic"}, "/format"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_what_is_no_feed_is_refused(system: System, changes: dict[str, Any], pointer: str) -> None:
    catalog = system.create_catalog("feed-refused")
    body = {"url": "https://shop.example/feed.xml", **changes}
    answer = system.http.put(f"/v1/catalogs/{catalog}/feeds/main", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)
    assert system.http.get(f"/v1/catalogs/{catalog}/feeds").json()["items"] == []


def test_a_deleted_feed_leaves_its_products(system: System, shop: Host) -> None:
    shop.files["gone.csv"] = table(shop, [270, 271])
    feed = Feed(system, "feed-gone", url=shop.url("/file/gone.csv"))
    feed.run()
    assert system.http.delete(feed.path).status_code == 204
    assert system.http.get(feed.path).status_code == 404
    assert system.http.get(f"/v1/catalogs/{feed.catalog}").json()["products"] == 2
    rows = "SELECT count(*) FROM feed_rows r JOIN feeds f ON f.pk = r.feed_pk WHERE f.name = ?"
    assert system.query(rows, "main-gone") == [(0,)]


def test_a_feed_by_command(system: System, shop: Host) -> None:
    shop.files["cli.csv"] = table(shop, [280, 281]) + b"p282,nowhere.jpg,T\n"
    url, into = shop.url("/file/cli.csv"), ("--catalog", "feed-cli")
    made = system.cli("feed", "put", "main", url, *into, "--cron", "0 3 * * *")
    assert made.returncode == 0 and "0 3 * * *" in made.stdout, made.stderr
    ran = system.cli("feed", "run", "main", *into)
    assert ran.returncode == 3 and "partial" in ran.stdout, ran.stdout + ran.stderr
    assert "paused" in system.cli("feed", "pause", "main", *into).stdout
    assert "paused" in system.cli("feed", "ls", *into).stdout
    assert system.cli("feed", "resume", "main", *into).returncode == 0
    assert '"partial"' in system.cli("feed", "runs", "main", *into, "--json").stdout
    assert system.cli("feed", "rm", "main", *into).returncode == 0
    both = system.cli("feed", "put", "a", url, *into, "--cron", "0 3 * * *", "--every", "60")
    assert both.returncode == 2 and "not both" in both.stderr
