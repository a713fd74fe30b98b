"""Pictures come from real servers; whatever goes wrong is a value that says what to do."""

from __future__ import annotations

import io
import socket
import threading
from concurrent.futures import CancelledError
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from picture_server import ETAG, LIMITS, MODIFIED, PNG, SETTINGS, Host, failed

from visearch.fetching import Fetched, Fetcher, Outcome, Saved, Unchanged, Validators, Wanted


def test_a_picture_comes_with_its_key(fetcher: Fetcher, shop: Host) -> None:
    wanted = Wanted(shop.url("/picture"), key=("product", 1))
    assert fetcher.fetch(wanted) == Fetched(wanted, PNG, None)
    headers = shop.asked[-1][1]
    assert headers["host"] == f"127.0.0.2:{shop.port}"
    assert headers["user-agent"].startswith("visearch/")
    assert "cookie" not in headers and "referer" not in headers


@pytest.mark.parametrize(
    ("path", "code"),
    [("/picture", None), ("/status/404", "url_not_found"), ("/hang", "url_timeout")],
)
def test_a_fetch_is_begun_without_waiting(
    shop: Host, fetcher: Fetcher, path: str, code: str | None
) -> None:
    outcome = fetcher.begin(Wanted(shop.url(path)), within_s=0.5).result(5)
    if code is None:
        assert isinstance(outcome, Fetched) and outcome.data == PNG
    else:
        assert failed(outcome).error.code == code


def test_a_fetch_that_was_begun_ends_with_its_fetcher(shop: Host) -> None:
    with Fetcher(SETTINGS, limits=LIMITS) as fetcher:
        begun, other = (fetcher.begin(Wanted(shop.url("/hang")), within_s=60) for _ in range(2))
        assert other.cancel()
    with pytest.raises(CancelledError):
        begun.result(5)


def test_a_host_is_called_by_its_name(fetcher: Fetcher, shop: Host) -> None:
    outcome = fetcher.fetch(Wanted(shop.url("/picture", "shop.example")))
    assert isinstance(outcome, Fetched)
    assert shop.asked[-1][1]["host"] == f"shop.example:{shop.port}"


def test_connections_are_kept(fetcher: Fetcher, shop: Host) -> None:
    before = shop.connections
    for path in ("/picture", "/status/404", "/to//picture", "/known", "/picture"):
        fetcher.fetch(Wanted(shop.url(path)))
    assert shop.connections == before + 1


def test_a_connection_that_ends_when_it_is_used_again_is_replaced(
    fetcher: Fetcher, shop: Host
) -> None:
    before = shop.connections
    for path in ("/leave", "/leave", "/picture"):
        assert isinstance(fetcher.fetch(Wanted(shop.url(path))), Fetched)
    assert shop.connections == before + 3


def test_what_has_not_changed_is_not_sent_again(fetcher: Fetcher, shop: Host) -> None:
    url = shop.url("/known")
    first = fetcher.fetch(Wanted(url))
    known = Validators(url, ETAG, MODIFIED)
    assert first == Fetched(Wanted(url), PNG, known)
    again = Wanted(url, validators=known)
    assert fetcher.fetch(again) == Unchanged(again)
    asked = shop.asked[-1][1]
    assert (asked["if-none-match"], asked["if-modified-since"]) == (ETAG, MODIFIED)
    old = Wanted(url, validators=Validators(url, '"other"', None))
    assert fetcher.fetch(old) == Fetched(old, PNG, known)


def test_validators_are_sent_to_the_url_they_came_from_only(fetcher: Fetcher, shop: Host) -> None:
    end, start = shop.url("/known"), shop.url("/to//known")
    outcome = fetcher.fetch(Wanted(start))
    assert isinstance(outcome, Fetched) and outcome.validators == Validators(end, ETAG, MODIFIED)
    again = Wanted(start, validators=outcome.validators)
    assert fetcher.fetch(again) == Unchanged(again)
    assert "if-none-match" not in shop.asked[-2][1]
    moved = Wanted(end, validators=Validators(start, ETAG, MODIFIED))
    assert isinstance(fetcher.fetch(moved), Fetched)
    uncalled = failed(fetcher.fetch(Wanted(shop.url("/status/304"))))
    assert uncalled.error.code == "url_error"


@pytest.mark.parametrize(
    ("path", "code", "again", "says"),
    [
        ("/status/404", "url_not_found", False, "Correct the URL"),
        ("/status/410", "url_not_found", False, "410"),
        ("/status/401", "url_error", False, "Make it public"),
        ("/status/403", "url_error", False, "Make it public"),
        ("/status/204", "url_error", False, "answered 204"),
        ("/status/206", "url_error", False, "answered 206"),
        ("/status/302", "url_error", False, "answered 302"),
        ("/status/400", "url_error", False, "answered 400"),
        ("/status/418", "url_error", False, "answered 418"),
        ("/status/408", "url_error", True, "Try again later"),
        ("/status/500", "url_error", True, "Try again later"),
        ("/status/503", "url_error", True, "Try again later"),
        ("/status/599", "url_error", True, "599"),
        ("/status/429", "url_rate_limited", True, "less often"),
        ("/page", "url_not_a_picture", False, "a web page (HTML)"),
        ("/brotli", "url_error", False, "not asked for"),
        ("/large/1048577", "url_too_large", False, "the limit is 1 MB"),
        ("/stated", "url_too_large", False, "93.1 GB"),
        ("/cut", "url_unreachable", True, "broke off"),
        ("/closed", "url_unreachable", True, "broke off"),
        ("/nonsense", "url_unreachable", True, "not HTTP"),
    ],
)
def test_fates(fetcher: Fetcher, shop: Host, path: str, code: str, again: bool, says: str) -> None:
    outcome = failed(fetcher.fetch(Wanted(shop.url(path, "shop.example"))))
    assert (outcome.error.code, outcome.tried) == (code, True)
    assert (outcome.retry_after_s is not None) is again
    assert says in outcome.error.detail and "shop.example" in outcome.error.detail
    assert outcome.error.detail.endswith(".") and "127." not in outcome.error.detail


def test_a_dead_port_and_an_unknown_name(shop: Host) -> None:
    def lookup(host: str) -> list[str]:
        if host == "dead.example":
            return ["127.0.0.2"]
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
    with Fetcher(SETTINGS, limits=LIMITS, lookup=lookup) as fetcher:
        dead = failed(fetcher.fetch(Wanted(f"http://dead.example:{port}/")))
        unknown = failed(fetcher.fetch(Wanted("http://unknown.example/")))
    assert (dead.error.code, unknown.error.code) == ("url_unreachable", "url_unreachable")
    assert dead.retry_after_s and unknown.retry_after_s is None
    assert "There is no host unknown.example" in unknown.error.detail


def test_a_host_says_when_to_come_again(shop: Host) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    for after, least, most in (("120", 120, 120), (date.replace(" ", "_"), 290, 300)):
        for status, code in ((429, "url_rate_limited"), (503, "url_error")):
            with Fetcher(SETTINGS, limits=LIMITS) as fetcher:  # one that has not been sent away
                outcome = failed(fetcher.fetch(Wanted(shop.url(f"/status/{status}/{after}"))))
                assert outcome.error.code == code
                assert least <= (outcome.retry_after_s or 0) <= most
                asked = len(shop.asked)
                other = failed(fetcher.fetch(Wanted(shop.url("/picture"))))
                assert (other.error.code, other.tried, len(shop.asked)) == (code, False, asked)
                assert least - 5 <= (other.retry_after_s or 0) <= most


def test_a_short_rest_is_waited_for(fetcher: Fetcher, shop: Host) -> None:
    outcome = failed(fetcher.fetch(Wanted(shop.url("/busy-once/a"))))
    assert outcome.error.code == "url_rate_limited" and outcome.retry_after_s
    assert isinstance(fetcher.fetch(Wanted(shop.url("/busy-once/a"))), Fetched)


def test_later_attempts_wait_longer(fetcher: Fetcher, shop: Host) -> None:
    url = shop.url("/status/500")
    waits = [failed(fetcher.fetch(Wanted(url, attempt=n))).retry_after_s or 0 for n in range(4)]
    assert waits == sorted(waits) and waits[0] <= 12 and waits[3] >= 500


def test_what_is_packed_is_unpacked(fetcher: Fetcher, shop: Host) -> None:
    outcome = fetcher.fetch(Wanted(shop.url("/packed")))
    assert isinstance(outcome, Fetched) and outcome.data == PNG
    assert shop.asked[-1][1]["accept-encoding"] == "identity"


def test_a_file_of_any_kind_is_saved(fetcher: Fetcher, shop: Host, tmp_path: Path) -> None:
    with (tmp_path / "feed").open("wb") as file:
        wanted = Wanted(shop.url("/page"))
        assert fetcher.download(wanted, file, max_bytes=100) == Saved(wanted, 24, None)
    assert (tmp_path / "feed").read_bytes() == b"<!DOCTYPE html><p>Log in"
    assert shop.asked[-1][1]["accept-encoding"] == "gzip"
    out = io.BytesIO()
    outcome = fetcher.download(Wanted(shop.url("/large/3000000")), out, max_bytes=3_000_000)
    assert isinstance(outcome, Saved) and out.tell() == outcome.size == 3_000_000
    small = failed(fetcher.download(Wanted(shop.url("/large/3000000")), out, max_bytes=2_999_999))
    assert small.error.code == "url_too_large"
    known = Wanted(shop.url("/known"), validators=Validators(shop.url("/known"), ETAG, None))
    assert fetcher.download(known, out, max_bytes=100) == Unchanged(known)
    late = failed(fetcher.download(Wanted(shop.url("/hang")), out, max_bytes=100, within_s=0.2))
    assert late.error.code == "url_timeout"


def test_a_slow_disk_holds_nobody_up(fetcher: Fetcher, shop: Host) -> None:
    writing, fetched = threading.Event(), threading.Event()

    class SlowFile(io.BytesIO):
        def write(self, data: Any) -> int:
            writing.set()
            assert fetched.wait(10)
            return super().write(data)

    def save() -> None:
        saved.append(fetcher.download(Wanted(shop.url("/page")), SlowFile(), max_bytes=100))

    saved: list[Outcome] = []
    thread = threading.Thread(target=save)
    thread.start()
    assert writing.wait(10)
    assert isinstance(fetcher.fetch(Wanted(shop.url("/picture"))), Fetched)
    fetched.set()
    thread.join()
    assert isinstance(saved[0], Saved)


def test_what_cannot_be_written_is_not_the_host_s_fault(fetcher: Fetcher, shop: Host) -> None:
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(ValueError, match="closed file"):
        fetcher.download(Wanted(shop.url("/page")), closed, max_bytes=100)
    assert isinstance(fetcher.fetch(Wanted(shop.url("/picture"))), Fetched)
