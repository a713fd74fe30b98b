"""Which addresses and ports a URL may lead to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from visearch.errors import SettingsError
from visearch.fetching.places import Places, is_public
from visearch.settings import Settings


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1",
        "127.255.255.255", "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1",
        "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1",
        "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1",
        "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd12:3456::1", "fe80::1", "fe80::1%lo",
        "fec0::1", "ff02::1", "ff0e::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_of_the_public_internet(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111",
     "2a00:1450:4001:800::200e"],
)  # fmt: skip
def test_addresses_of_the_public_internet(address: str) -> None:
    assert is_public(ip_address(address))


def test_the_operator_opens_places_by_name_address_and_network() -> None:
    allow = "Intranet.example, *.shops.example, 10.1.0.0/16, 192.168.7.7, fd00:7::/32"
    places = Places(Settings(fetch_allow=allow))
    private = ip_address("10.9.9.9")
    for host in ("intranet.example", "a.shops.example", "b.a.shops.example"):
        assert places.lists(host) and places.permits(host, private)
    for host in ("x.intranet.example", "shops.example", "evilshops.example", "10.2.0.1"):
        assert not places.lists(host) and not places.permits(host, private)
    for address in ("10.1.2.3", "192.168.7.7", "fd00:7::1"):
        assert places.permits("any.example", ip_address(address))
    for address in ("10.2.0.1", "192.168.7.8", "fd00:8::1", "::ffff:10.1.2.3"):
        assert not places.permits("any.example", ip_address(address))


def test_ports_are_listed_or_all() -> None:
    few, every = Places(Settings()), Places(Settings(fetch_ports="all"))
    assert [p for p in (0, 22, 80, 443, 6379, 8080, 8443, 65536) if few.permits_port(p)] == [
        80, 443, 8080, 8443,
    ]  # fmt: skip
    assert every.permits_port(6379)
    assert not every.permits_port(0) and not every.permits_port(65536)


@pytest.mark.parametrize(
    "allow", ["10.0.0.1/8", "10.0.0", "a b", "http://a.example", "*", "300.1.1.1"]
)
def test_a_list_that_does_not_parse_prevents_the_start(allow: str) -> None:
    with pytest.raises(SettingsError, match="VISEARCH_FETCH_ALLOW lists"):
        Places(Settings(fetch_allow=allow))


@pytest.mark.parametrize("ports", ["", "http", "80,", "0", "65536", "-1"])
def test_ports_that_do_not_parse_prevent_the_start(ports: str) -> None:
    with pytest.raises(SettingsError, match="VISEARCH_FETCH_PORTS is"):
        Places(Settings(fetch_ports=ports))
