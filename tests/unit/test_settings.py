"""Settings that decide who may call this server."""

from __future__ import annotations

import pytest

from visearch.settings import Settings


@pytest.mark.parametrize(
    ("listed", "name", "answers"),
    [
        ("", "localhost", True),
        ("", "127.0.0.1", True),
        ("", "::1", True),
        ("", "192.168.1.7", True),
        ("", "", False),
        ("", "evil.example", False),
        ("", "localhost.evil.example", False),
        ("Shop.example, www.shop.example", "shop.example", True),
        ("shop.example,www.shop.example", "www.shop.example", True),
        ("shop.example", "evil.shop.example", False),
    ],
)
def test_a_server_answers_to_addresses_and_listed_names(
    listed: str, name: str, answers: bool
) -> None:
    assert Settings(public_hosts=listed).answers_to(name) is answers
