"""Where URLs may lead: public addresses, and what the operator has listed."""

from __future__ import annotations

import re
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from visearch.errors import SettingsError
from visearch.settings import Settings

Address = IPv4Address | IPv6Address

_CLOSED = tuple(
    ip_network(each)
    for each in (
        "0.0.0.0/8",  # this network; Linux takes it for itself
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # between a provider and its customers; metadata of one cloud
        "127.0.0.0/8",  # this machine
        "168.63.129.16/32",  # metadata of one cloud, at an address that looks public
        "169.254.0.0/16",  # this link; metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocols; metadata of one cloud
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112, AMT and once 6to4: answered by whoever is near
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocols, among them Teredo, which carries an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 carries an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_GLOBAL_IPV6 = IPv6Network("2000::/3")
"""All else is local, multicast, reserved, or carries an IPv4 address (mapped, NAT64)."""

_NAME = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to the public internet.

    The list is our own besides ``is_global``, which has changed with versions of Python.
    """
    if isinstance(address, IPv6Address) and address not in _GLOBAL_IPV6:
        return False
    return address.is_global and not any(address in network for network in _CLOSED)


class Places:
    """The settings about where URLs may lead, read once.

    Raises:
        SettingsError: a setting does not parse.
    """

    def __init__(self, settings: Settings) -> None:
        self._names: set[str] = set()
        self._suffixes: list[str] = []
        self._networks: list[IPv4Network | IPv6Network] = []
        for entry in settings.fetch_allow.split(","):
            self._add(entry.strip().lower())
        self._ports = _ports(settings.fetch_ports)

    def lists(self, host: str) -> bool:
        """Tell whether the operator has listed this host, by name or address."""
        if host in self._names or host.endswith(tuple(self._suffixes)):
            return True
        try:
            return self._lists(ip_address(host))
        except ValueError:
            return False

    def permits(self, host: str, address: Address) -> bool:
        """Tell whether a connection for ``host`` may go to this address of it."""
        return is_public(address) or self._lists(address) or self.lists(host)

    def permits_port(self, port: int) -> bool:
        """Tell whether URLs may name this port."""
        return 0 < port < 1 << 16 and (self._ports is None or port in self._ports)

    def _lists(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _add(self, entry: str) -> None:
        if not entry:
            return
        try:
            self._networks.append(ip_network(entry))
        except ValueError as error:
            if not _NAME.fullmatch(entry) or re.fullmatch(r"[0-9./]+", entry):
                raise SettingsError(
                    f"VISEARCH_FETCH_ALLOW lists {entry!r}, which is no host name, address or "
                    "network. Write `shop.example`, `*.shop.example`, `10.0.0.7` or `10.0.0.0/8`."
                ) from error
            if entry.startswith("*."):
                self._suffixes.append(entry[1:])
            else:
                self._names.add(entry)


def _ports(text: str) -> frozenset[int] | None:
    if text.strip() == "all":
        return None
    try:
        ports = frozenset(int(port) for port in text.split(","))
    except ValueError:
        ports = frozenset({0})
    if not ports <= frozenset(range(1, 1 << 16)):
        raise SettingsError(
            f"VISEARCH_FETCH_PORTS is {text!r}, which is not a list of ports. Use `all`, or "
            "numbers from 1 to 65535 separated by commas."
        )
    return ports
