"""What all tasks have in common: none lets a MemoryError out."""

from __future__ import annotations

from typing import Any

import celery

from visearch.errors import VisearchError


class Task(celery.Task[Any, Any]):
    """A task whose message is acknowledged whatever it raises."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task; Celery stops a process for a MemoryError, or forgets a thread's message."""
        try:
            return super().__call__(*args, **kwargs)
        except MemoryError as error:
            detail = "The step takes more memory than the process may use."
            raise VisearchError(detail, code="out_of_memory") from error
