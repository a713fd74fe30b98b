"""Systems without processes are closed after their test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from manual_system import ManualSystem


@pytest.fixture(autouse=True)
def _manual_systems_are_closed() -> Iterator[None]:
    yield
    while ManualSystem.opened:
        ManualSystem.opened.pop().database.close()
