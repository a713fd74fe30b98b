"""TLS asks for the host's own certificate; proxies are used if the operator says so, not else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from picture_server import LIMITS, NAMES, PNG, SHOP, Host, Town, failed

from visearch.errors import SettingsError
from visearch.fetching import Fetched, Fetcher, Wanted
from visearch.settings import Settings

OPEN = Settings(fetch_allow=SHOP, fetch_ports="all")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the certificates."""
    return trustme.CA()


@pytest.fixture
def trusting(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fetcher]:
    """A fetcher that trusts the authority, as an operator has it do so."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with Fetcher(OPEN, limits=LIMITS, lookup=NAMES.__getitem__) as fetcher:
        yield fetcher


@pytest.fixture(scope="module")
def secure(town: Town, authority: trustme.CA) -> Host:
    """A host with a certificate for its name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("shop.example").configure_cert(context)
    return town.host(SHOP, context)


def test_the_certificate_is_that_of_the_name(trusting: Fetcher, secure: Host) -> None:
    outcome = trusting.fetch(Wanted(secure.url("/picture", "shop.example")))
    assert isinstance(outcome, Fetched) and outcome.data == PNG


@pytest.mark.parametrize("name", ["both.example", SHOP])
def test_another_certificate_is_refused(trusting: Fetcher, secure: Host, name: str) -> None:
    outcome = failed(trusting.fetch(Wanted(secure.url("/picture", name))))
    assert (outcome.error.code, outcome.retry_after_s) == ("url_unreachable", None)
    assert f"The certificate of {name} is not valid" in outcome.error.detail


def test_an_unknown_authority_is_refused(fetcher: Fetcher, secure: Host) -> None:
    outcome = failed(fetcher.fetch(Wanted(secure.url("/picture", "shop.example"))))
    assert "certificate" in outcome.error.detail and outcome.retry_after_s is None


def test_a_server_without_tls_is_said_to_have_none(town: Town, trusting: Fetcher) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    port = town.serve(SHOP, plain)
    outcome = failed(trusting.fetch(Wanted(f"https://shop.example:{port}/picture")))
    assert outcome.error.code == "url_unreachable" and "TLS" in outcome.error.detail


def test_a_redirect_gives_up_tls_only_where_the_operator_lists_the_host(
    trusting: Fetcher, secure: Host, shop: Host
) -> None:
    by_name = shop.url("/picture", "shop.example")
    refused = failed(trusting.fetch(Wanted(secure.url(f"/to/{by_name}", "shop.example"))))
    assert (
        refused.error.code == "url_refused_address" and "from https to http" in refused.error.detail
    )
    listed = trusting.fetch(Wanted(secure.url(f"/to/{shop.url('/picture')}", "shop.example")))
    assert isinstance(listed, Fetched)
    upward = trusting.fetch(Wanted(shop.url(f"/to/{secure.url('/picture', 'shop.example')}")))
    assert isinstance(upward, Fetched)


def test_proxies_of_the_environment_are_not_used(
    shop: Host, inside: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, inside.url(""))
    with Fetcher(OPEN, limits=LIMITS) as fetcher:
        assert isinstance(fetcher.fetch(Wanted(shop.url("/picture"))), Fetched)
    assert inside.connections == 0


class Proxy:
    """Forwards requests and opens tunnels to one host, whatever name is asked for."""

    def __init__(self, host: Host, refuses: bool = False) -> None:
        self.host, self.refuses = host, refuses
        self.heads: list[list[str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        self.heads.append(head)
        if self.refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        theirs, ours = await asyncio.open_connection(self.host.address, self.host.port)
        if head[0].startswith("CONNECT"):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            path = "/" + head[0].split(" ")[1].split("/", 3)[3]
            ours.write("\r\n".join([f"GET {path} HTTP/1.1", *head[1:], "", ""]).encode())
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(_carry(reader, ours), _carry(theirs, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def through(town: Town, proxy: Proxy) -> Settings:
    """Return the settings of one who fetches through ``proxy`` and can look up nothing."""
    port = town.serve("127.0.0.4", proxy.serve)
    return Settings(fetch_ports="all", fetch_proxy=f"http://me:se%20cret@127.0.0.4:{port}")


def no_lookup(host: str) -> list[str]:
    """Fail: the proxy looks names up."""
    raise AssertionError(host)


def test_a_proxy_of_the_settings_gets_every_request(town: Town, shop: Host) -> None:
    proxy = Proxy(shop)
    with Fetcher(through(town, proxy), limits=LIMITS, lookup=no_lookup) as fetcher:
        outcome = fetcher.fetch(Wanted("http://anywhere.example/picture"))
        assert isinstance(outcome, Fetched) and outcome.data == PNG
        refused = failed(fetcher.fetch(Wanted("http://127.0.0.1/picture")))
        named = failed(fetcher.fetch(Wanted("http://redis/picture")))
    assert {refused.error.code, named.error.code} == {"url_refused_address"}
    (head,) = proxy.heads
    assert head[0] == "GET http://anywhere.example:80/picture HTTP/1.1"
    assert "Host: anywhere.example" in head
    secret = base64.b64encode(b"me:se cret").decode()
    assert f"Proxy-Authorization: Basic {secret}" in head


def test_a_proxy_carries_tls_without_reading_it(
    town: Town,
    secure: Host,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    proxy = Proxy(secure)
    with Fetcher(through(town, proxy), limits=LIMITS, lookup=no_lookup) as fetcher:
        assert isinstance(fetcher.fetch(Wanted("https://shop.example/picture")), Fetched)
        other = failed(fetcher.fetch(Wanted("https://other.example/picture")))
    assert [head[0] for head in proxy.heads] == [
        "CONNECT shop.example:443 HTTP/1.1",
        "CONNECT other.example:443 HTTP/1.1",
    ]
    assert "certificate of other.example" in other.error.detail


def test_a_proxy_that_refuses_is_named_as_the_reason(town: Town, shop: Host) -> None:
    proxy = Proxy(shop, refuses=True)
    with Fetcher(through(town, proxy), limits=LIMITS, lookup=no_lookup) as fetcher:
        outcome = failed(fetcher.fetch(Wanted("https://shop.example/picture")))
    assert outcome.error.code == "url_unreachable" and outcome.retry_after_s
    assert "proxy of this installation" in outcome.error.detail


@pytest.mark.parametrize("url", ["proxy:3128", "socks5://proxy:1080", "http://", "http://[::1"])
def test_a_proxy_that_is_no_url_prevents_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="VISEARCH_FETCH_PROXY"):
        Fetcher(Settings(fetch_proxy=url))
