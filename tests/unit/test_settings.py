"""Settings that decide who may call this server, and where its Redis listens."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from visearch.errors import SettingsError
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


def test_redis_listens_in_a_folder_of_this_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = Path(tempfile.mkdtemp(dir="/tmp"))  # the tests' own folders have long names
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(temporary))
    home = tmp_path / ("deep" * 40)
    socket = Settings(home=home).redis_socket
    assert socket.parent.parent == temporary and socket.parent.stat().st_mode & 0o777 == 0o700
    assert Settings(home=home).redis_socket == socket
    socket.parent.chmod(0o755)
    with pytest.raises(SettingsError, match="is open to other users"):
        Settings(home=home).redis  # noqa: B018
    socket.parent.rmdir()
    socket.parent.symlink_to(tmp_path)
    with pytest.raises(SettingsError, match="is not a folder"):
        Settings(home=home).redis  # noqa: B018


def test_a_socket_that_is_too_long_everywhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / ("deep" * 40)))
    with pytest.raises(SettingsError, match="is short enough"):
        Settings(home=tmp_path / ("deep" * 40)).redis  # noqa: B018


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "0", "soon"])
def test_a_number_that_is_none_or_has_no_end_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("VISEARCH_SEARCH_DEADLINE_S", value)
    with pytest.raises(SettingsError, match="VISEARCH_SEARCH_DEADLINE_S is"):
        Settings.from_env()
