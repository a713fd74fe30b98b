"""The attack table: each is refused in bounded time and memory, and nothing inside is asked."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from picture_server import INSIDE, LIMITS, MIB, SETTINGS, SHOP, Host, failed, memory_below

from visearch.fetching import Fetched, Fetcher, Wanted

SLACK_S = 2.0
"""What a busy machine may add to a time limit."""


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", "url_refused_address"),
        ("http://metadata.example/latest/meta-data/", "url_refused_address"),
        ("http://2852039166/latest/meta-data/", "url_refused_address"),
        ("http://2130706435:{port}/picture", "url_refused_address"),
        ("http://0x7f000003:{port}/picture", "url_refused_address"),
        ("http://0177.0.0.3:{port}/picture", "url_error"),
        ("http://127.3:{port}/picture", "url_refused_address"),
        ("http://127.0.0.3:{port}/picture", "url_refused_address"),
        ("http://[::ffff:127.0.0.3]:{port}/picture", "url_refused_address"),
        ("http://[::ffff:7f00:3]:{port}/picture", "url_refused_address"),
        ("http://[64:ff9b::7f00:3]:{port}/picture", "url_refused_address"),
        ("http://[2002:7f00:3::]:{port}/picture", "url_refused_address"),
        ("http://inside.example:{port}/picture", "url_refused_address"),
        ("http://localhost:{port}/picture", "url_refused_address"),
        ("http://shop.example@127.0.0.3:{port}/picture", "url_refused_address"),
        ("file:///etc/passwd", "url_refused_address"),
        ("gopher://127.0.0.3:{port}/_x", "url_refused_address"),
    ],
)
def test_an_address_inside_is_refused(fetcher: Fetcher, inside: Host, url: str, code: str) -> None:
    begun = time.monotonic()
    with memory_below(MIB):
        outcome = failed(fetcher.fetch(Wanted(url.format(port=inside.port))))
    assert time.monotonic() - begun < SLACK_S
    assert (outcome.error.code, outcome.retry_after_s) == (code, None)
    assert inside.asked == [] and inside.connections == 0
    if "127." not in url and "169." not in url:
        assert "127.0.0" not in outcome.error.detail and "169.254" not in outcome.error.detail


def test_a_redirect_inward_is_refused(fetcher: Fetcher, shop: Host, inside: Host) -> None:
    for location in (
        inside.url("/picture"),
        inside.url("/picture", "inside.example"),
        f"//2130706435:{inside.port}/picture",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
    ):
        outcome = failed(fetcher.fetch(Wanted(shop.url(f"/to/{location}"))))
        assert outcome.error.code == "url_refused_address", location
    assert inside.connections == 0


def test_a_name_that_changes_its_address_gets_nowhere(shop: Host, inside: Host) -> None:
    """DNS rebinding: the first answer is harmless, the second one is not."""
    answers: list[str] = []

    def lookup(host: str) -> list[str]:
        answers.append(INSIDE if answers else SHOP)
        return answers[-1:]

    def fetch() -> str:
        with Fetcher(SETTINGS, limits=LIMITS, lookup=lookup) as fetcher:
            # Every hop closes its connection, so each one looks the name up again.
            outcome = fetcher.fetch(Wanted(shop.url("/cut", "rebinding.example")))
            assert failed(outcome).error.code == "url_unreachable"
            again = fetcher.fetch(Wanted(shop.url("/picture", "rebinding.example")))
        return failed(again).error.code

    before = len(shop.asked)
    assert fetch() == "url_refused_address"
    assert answers == [SHOP, INSIDE]  # once for each connection: what was checked is what is used
    assert len(shop.asked) == before + 1 and inside.connections == 0


def test_of_several_addresses_only_the_permitted_are_used(
    fetcher: Fetcher, shop: Host, inside: Host
) -> None:
    outcome = fetcher.fetch(Wanted(shop.url("/picture", "both.example")))
    assert isinstance(outcome, Fetched) and inside.connections == 0


@pytest.mark.parametrize(
    ("path", "code", "seconds"),
    [
        ("/endless", "url_too_large", 2.0),
        ("/slow", "url_timeout", LIMITS.whole_s),
        ("/bomb", "url_too_large", 2.0),
        ("/on/0", "url_error", LIMITS.whole_s),
        ("/headers", "url_error", 1.0),
        ("/slow-headers", "url_timeout", LIMITS.answer_s),
        ("/informed", "url_error url_timeout", LIMITS.answer_s),
        ("/hang", "url_timeout", LIMITS.answer_s),
    ],
)
def test_a_hostile_answer_is_cut_short(shop: Host, path: str, code: str, seconds: float) -> None:
    limits = LIMITS if seconds == LIMITS.whole_s else replace(LIMITS, whole_s=30.0)
    with Fetcher(SETTINGS, limits=limits) as fetcher:
        fetcher.fetch(Wanted(shop.url("/picture")))
        shop.counts.clear()
        begun = time.monotonic()
        with memory_below(8 * MIB):
            outcome = failed(fetcher.fetch(Wanted(shop.url(path))))
        assert time.monotonic() - begun < seconds + SLACK_S
    assert outcome.error.code in code.split()
    assert shop.counts.total() <= 6


def test_redirects_have_an_end(fetcher: Fetcher, shop: Host) -> None:
    shop.counts.clear()
    outcome = failed(fetcher.fetch(Wanted(shop.url("/on/0"))))
    assert "redirects more than 5 times" in outcome.error.detail
    assert [path for path in shop.counts] == [f"/on/{n}" for n in range(6)]


def test_one_time_limit_is_for_all_redirects(fetcher: Fetcher, shop: Host) -> None:
    assert LIMITS.answer_s < LIMITS.whole_s < 3 * 0.8  # each of three is in time, all are not
    url = shop.url("/slowly-to//slowly-to//slowly-to//picture")
    assert failed(fetcher.fetch(Wanted(url))).error.code == "url_timeout"


def test_a_name_that_is_never_looked_up_is_cut_short() -> None:
    release = threading.Event()

    def lookup(host: str) -> list[str]:
        release.wait(20)
        return []

    limits = replace(LIMITS, whole_s=30.0)
    with Fetcher(SETTINGS, limits=limits, lookup=lookup) as fetcher:
        begun = time.monotonic()
        outcome = failed(fetcher.fetch(Wanted("http://shop.example/")))
        assert time.monotonic() - begun < LIMITS.connect_s + SLACK_S
        release.set()
    assert outcome.error.code == "url_timeout"
