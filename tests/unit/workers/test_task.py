"""Tasks that run out of memory."""

from __future__ import annotations

import pytest

from visearch.errors import VisearchError
from workers.app import app


def test_no_task_lets_a_memory_error_out() -> None:
    """Celery would not acknowledge its message: the worker could hold one fewer, for ever."""

    @app.task(name="test.large")
    def large() -> None:
        raise MemoryError

    try:
        with pytest.raises(VisearchError) as caught:
            large()
    finally:
        app.tasks.pop("test.large")
    assert caught.value.code == "out_of_memory"
