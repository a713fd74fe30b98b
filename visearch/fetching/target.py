"""A URL as somebody typed it → where it leads, if that may be asked at all."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

import httpx2

from visearch.errors import FetchError, UrlRefusedAddress
from visearch.fetching.places import Places
from visearch.rules import LONGEST_URL

_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes libraries read the whole host as an IPv4 address: ``0x7f.1``."""

_INSIDE = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home.arpa")
"""Ends of names that never are public; a proxy would look them up in its own network."""

_WRITE = "Write it as https://host/path."


class Target(NamedTuple):
    """Where one request goes; ``host`` is in ASCII and lower case, ``path`` has the query."""

    url: str
    scheme: str
    host: str
    port: int
    path: bytes

    @property
    def key(self) -> str:
        """What shares connections, turns and rests: a host's port.

        Not the host alone: anyone can name a dead port of somebody else's shop.
        """
        return f"{self.host}:{self.port}"

    @property
    def header(self) -> str:
        """The ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str, places: Places) -> Target:
    """Return where a URL leads.

    Raises:
        FetchError: it is not a URL.
        UrlRefusedAddress: visearch does not go there.
    """
    text = url.strip()
    if len(text) > LONGEST_URL:
        raise FetchError(
            f"The URL has {len(text):,} characters; the limit is {LONGEST_URL:,}. "
            "Use a shorter one."
        )
    try:
        parsed = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise FetchError(f"{_shown(text)} is not a URL. {_WRITE}") from error
    if not parsed.scheme:
        raise FetchError(f"{_shown(text)} is not a whole URL. {_WRITE}")
    if parsed.scheme not in _PORTS:
        raise UrlRefusedAddress(
            f"The URL begins with {_shown(f'{parsed.scheme}:')}, and only http: and https: are "
            f"fetched. {_WRITE}"
        )
    if not parsed.host:
        raise FetchError(f"{_shown(text)} is not a whole URL. {_WRITE}")
    if parsed.userinfo:
        raise UrlRefusedAddress(
            f"The URL has a user name or password before {_shown(parsed.host)}. Use a URL that "
            "works without."
        )
    host = parsed.raw_host.decode("ascii").removesuffix(".")
    port = _PORTS[parsed.scheme] if parsed.port is None else parsed.port
    _check_host(host, places)
    if not places.permits_port(port):
        raise UrlRefusedAddress(
            f"The URL names port {port} of {host}, which is not fetched from. Use a URL without a "
            "port, or ask the operator to list it in VISEARCH_FETCH_PORTS."
        )
    whole = parsed.copy_with(fragment=None)
    return Target(str(whole), parsed.scheme, host, port, parsed.raw_path)


def redirected(target: Target, location: str, places: Places) -> Target:
    """Return where a redirect from ``target`` leads.

    Raises:
        FetchError: it does not name a URL.
        UrlRefusedAddress: visearch does not go there, or not without TLS.
    """
    try:
        joined = str(httpx2.URL(target.url).join(location))
    except (httpx2.InvalidURL, ValueError) as error:
        raise FetchError(
            f"{target.host} redirects to {_shown(location)}, which is not a URL. "
            "Use the URL at which the file itself is."
        ) from error
    there = target_of(joined, places)
    if (target.scheme, there.scheme) == ("https", "http") and not places.lists(there.host):
        raise UrlRefusedAddress(
            f"{target.host} redirects from https to http, where anyone on the way could change "
            f"the file. Use the URL at {there.host} itself, or have the redirect mended."
        )
    return there


def inside(host: str) -> UrlRefusedAddress:
    """Return the error of a host that is not in the public internet."""
    return UrlRefusedAddress(
        f"{host} is in a private or reserved network, which is not fetched from. Use a public "
        "URL, or ask the operator to list it in VISEARCH_FETCH_ALLOW."
    )


def _check_host(host: str, places: Places) -> None:
    if ":" in host and "%" not in host:
        address: IPv4Address | IPv6Address = ip_address(host)
    elif ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            address = IPv4Address(host)
        except AddressValueError as error:
            raise UrlRefusedAddress(
                f"{_shown(host)} is an odd way to write an address. Use the name of the host, "
                "or four decimal numbers."
            ) from error
    else:
        _check_name(host, places)
        return
    if not places.permits(host, address):
        raise inside(host)


def _check_name(host: str, places: Places) -> None:
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise FetchError(f"{_shown(host)} is not the name of a host. {_WRITE}")
    if ("." not in host or host.endswith(_INSIDE)) and not places.lists(host):
        raise inside(host)


def _shown(text: str) -> str:
    """Quote a stranger's text for a message: printable, and not too long."""
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f"“{clean[:80]}…”" if len(clean) > 80 else f"“{clean}”"
