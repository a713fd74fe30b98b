"""A flag is raised by handlers that interrupt their thread anywhere."""

from __future__ import annotations

import signal

from visearch.flag import Flag

SIGNALS = 200


def test_a_handler_raises_a_flag_wherever_it_interrupts() -> None:
    """With a ``threading.Event`` this ends in a handler that waits for what it interrupted."""
    flag, raised = Flag(), 0

    def note(*_: object) -> None:
        nonlocal raised
        raised += 1
        flag.set()

    before = signal.signal(signal.SIGVTALRM, note)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.001, 0.001)
    try:
        while raised < SIGNALS:
            flag.set()
            assert flag.is_set()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
