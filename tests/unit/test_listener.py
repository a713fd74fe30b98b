"""The socket of the web server: a taken address and a wrong descriptor are told in plain words."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from visearch.errors import SettingsError
from visearch.listener import inherited, listen
from visearch.settings import Settings


def test_clients_of_an_inherited_socket_are_those_of_the_first(tmp_path: Path) -> None:
    first = listen(Settings(home=tmp_path, port=0))
    second = inherited(os.dup(first.fileno()))
    address = first.getsockname()
    first.close()
    with second, socket.create_connection(address) as client:
        accepted, _ = second.accept()
        with accepted:
            assert accepted.getpeername() == client.getsockname()


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with listen(Settings(home=tmp_path, port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"Cannot listen on 127.0.0.1:{port}: Address"):
            listen(Settings(home=tmp_path, port=port))


def test_only_a_listening_socket_is_taken(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file, pytest.raises(SettingsError, match="no socket"):
        inherited(file.fileno())
    with socket.socket() as idle, pytest.raises(SettingsError, match="does not listen"):
        inherited(idle.fileno())
