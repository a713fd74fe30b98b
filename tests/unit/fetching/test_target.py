"""What is a URL, and which ones lead nowhere that may be asked."""

from __future__ import annotations

import pytest

from visearch.errors import FetchError, UrlRefusedAddress
from visearch.fetching.places import Places
from visearch.fetching.target import redirected, target_of
from visearch.settings import Settings

PLACES = Places(Settings(fetch_allow="intranet,plain.example"))


@pytest.mark.parametrize(
    ("url", "key", "path", "header"),
    [
        ("http://Shop.Example", "shop.example:80", b"/", "shop.example"),
        (" https://shop.example./a?b=1#c\n", "shop.example:443", b"/a?b=1", "shop.example"),
        ("http://shop.example:8080/a b/ü.jpg", "shop.example:8080", b"/a%20b/%C3%BC.jpg",
         "shop.example:8080"),
        ("https://shop.example:443/a%2Fb%20c", "shop.example:443", b"/a%2Fb%20c", "shop.example"),
        ("http://bücher.example/a", "xn--bcher-kva.example:80", b"/a", "xn--bcher-kva.example"),
        ("http://8.8.8.8/a", "8.8.8.8:80", b"/a", "8.8.8.8"),
        ("http://[2606:4700::1]/a", "2606:4700::1:80", b"/a", "[2606:4700::1]"),
        ("http://intranet/a", "intranet:80", b"/a", "intranet"),
        ("http://a_b.shop.example/../a", "a_b.shop.example:80", b"/a", "a_b.shop.example"),
    ],
)  # fmt: skip
def test_a_url_leads_somewhere(url: str, key: str, path: bytes, header: str) -> None:
    target = target_of(url, PLACES)
    assert (target.key, target.path, target.header) == (key, path, header)
    assert target_of(target.url, PLACES) == target


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://shop.example/a", "gopher://shop.example/_x", "data:,a//b",
        "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/",
        "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/", "http://017700000001/",
        "http://0/", "http://127.0.0.1./", "http://127。0。0。1/", "http://0x7F.0.0.1/",
        "http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9.254.169.254",
        "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/",
        "http://[fd00:ec2::254]/", "http://[fe80::1]/", "http://10.0.0.1/", "http://192.168.0.1/",
        "http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://redis/",
        "http://printer.local/", "http://metadata.google.internal/", "http://nas.home.arpa/",
        "http://user:secret@shop.example/", "http://user@shop.example/",
        "http://shop.example\\@127.0.0.1/", "http://127.0.0.1@shop.example/",
        "http://shop.example:22/", "http://shop.example:6379/", "http://shop.example:0/",
        "http://shop.example:99999/", "http://5.6.7.8.9/", "http://1.2.3/",
    ],
)  # fmt: skip
def test_a_url_that_leads_where_visearch_does_not_go(url: str) -> None:
    with pytest.raises(FetchError) as refused:
        target_of(url, PLACES)
    # Some are no URLs at all to the library that reads them; no other may be anything but refused.
    assert isinstance(refused.value, UrlRefusedAddress) or "is not a" in refused.value.detail
    assert not refused.value.passes
    assert "secret" not in refused.value.detail


@pytest.mark.parametrize(
    "url",
    [
        "", "a", "a.jpg", "/a.jpg", "//shop.example/a", "http:", "http://", "http:///a",
        "http:shop.example", "https://shop..example/", "http://-a.example/", "http://a b.example/",
        "http://127%2e0.0.1/", "http://shop.example:port/", "http://[::1/", "http://[::1%25lo]/",
        "http://\ud800.example/", "http://shop.example/\ud800", "http://shop.example/\0",
        f"http://{'a' * 64}.example/", f"http://shop.example/{'a' * 4000}", "http://a.example,b/",
        "http://shop.example\r\nX: y/", "http://①②⑦.0.0.1/", "C:\\pictures\\a.jpg",
    ],
)  # fmt: skip
def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    with pytest.raises(FetchError) as refused:
        target_of(url, PLACES)
    assert refused.value.detail.endswith((".", "one."))
    assert len(refused.value.detail) < 300 and refused.value.detail.isprintable()


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b", "https://shop.example/b"),
        ("b?c", "https://shop.example/a/b?c"),
        ("//cdn.example/b", "https://cdn.example/b"),
        ("https://cdn.example/b#c", "https://cdn.example/b"),
        ("http://plain.example/b", "http://plain.example/b"),
    ],
)
def test_a_redirect_leads_on(location: str, url: str) -> None:
    assert redirected(target_of("https://shop.example/a/a", PLACES), location, PLACES).url == url


@pytest.mark.parametrize(
    "location",
    ["http://shop.example/", "http://127.0.0.1/", "https://[::1]/", "file:///etc/passwd",
     "//localhost/", "https://a:b@shop.example/", "ftp://shop.example/"],
)  # fmt: skip
def test_a_redirect_is_checked_as_its_url_was(location: str) -> None:
    with pytest.raises(UrlRefusedAddress):
        redirected(target_of("https://shop.example/a", PLACES), location, PLACES)
