"""How long a golden query rests."""

from __future__ import annotations

from visearch.store.golden_turns import FIRST_REST_S, LONGEST_REST_S, rest_s


def test_each_try_in_vain_doubles_the_rest_up_to_an_hour() -> None:
    assert [rest_s(n) for n in range(3)] == [FIRST_REST_S, 2 * FIRST_REST_S, 4 * FIRST_REST_S]
    assert rest_s(11) == rest_s(10_000) == LONGEST_REST_S
