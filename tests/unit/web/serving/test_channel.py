"""A transfer is slow if it moves too little in any span of the patience, not on average."""

from __future__ import annotations

from web.serving.channel import LEAST_RATE, Pace


def test_a_transfer_must_move_on_in_every_span() -> None:
    pace = Pace(10)
    assert not pace.is_slow(0, 0, pending=True)
    assert not pace.is_slow(9.9, 0, pending=True), "there is still time"
    assert not pace.is_slow(10, 10 * LEAST_RATE, pending=True)
    much = 1000 * LEAST_RATE
    assert not pace.is_slow(20, much, pending=True)
    assert pace.is_slow(30, much + 9 * LEAST_RATE, pending=True), "what was before does not count"


def test_what_waits_for_nothing_is_not_slow() -> None:
    pace = Pace(10)
    assert not pace.is_slow(0, 0, pending=True)
    assert not pace.is_slow(9, 5, pending=False)
    assert not pace.is_slow(100, 5, pending=True), "another transfer begins"
    assert not pace.is_slow(109, 5, pending=True)
    assert pace.is_slow(111, 5, pending=True)
