"""What only its user may read; a folder in a place where everybody may write."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from visearch import private
from visearch.errors import SettingsError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_made_is_this_users_own(tmp_path: Path) -> None:
    private.make_folder(tmp_path / "deep" / "home")
    private.create_file(tmp_path / "file")
    assert (mode(tmp_path / "deep" / "home"), mode(tmp_path / "file")) == (0o700, 0o600)
    (tmp_path / "file").write_text("kept")
    private.create_file(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o755)
    assert private.close_folder(tmp_path / "home")
    assert mode(tmp_path / "home") == 0o700
    assert not private.close_folder(tmp_path / "home")


def test_a_folder_among_strangers_is_made_and_used_again(tmp_path: Path) -> None:
    for _ in range(2):
        assert mode(private.own_folder(tmp_path / "mine", "Remove it.")) == 0o700


@pytest.mark.parametrize("trap", ["link", "file", "open", "stranger", "missing"])
def test_a_folder_that_may_be_a_strangers_is_refused(
    tmp_path: Path, trap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    if trap == "link":
        (tmp_path / "theirs").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "theirs")
    elif trap == "file":
        folder.write_bytes(b"")
    elif trap == "open":
        folder.mkdir()
        folder.chmod(0o777)
    elif trap == "stranger":
        folder.mkdir(mode=0o700)
        monkeypatch.setattr(private.os, "geteuid", lambda: os.getuid() + 1)
    else:
        folder = tmp_path / "missing" / "mine"
    with pytest.raises(SettingsError, match=r"mine.*\. Remove it\."):
        private.own_folder(folder, "Remove it.")
