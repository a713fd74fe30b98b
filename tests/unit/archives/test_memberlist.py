"""A list of members gives back what was put in."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from visearch.archives.codepages import provisional
from visearch.archives.member import PROBLEMS, Member
from visearch.archives.memberlist import MemberList

SIZES = st.integers(0, 2**64 - 1)
RAW = st.binary(max_size=30).filter(lambda raw: not raw.isascii())


@st.composite
def members(draw: st.DrawFn) -> Member:
    raw = draw(st.none() | RAW)
    path = draw(st.text(st.characters(codec="utf-8"))) if raw is None else provisional(raw)
    numbers = [draw(SIZES) for _ in range(3)]
    small = draw(st.integers(0, 2**16 - 1)), draw(st.integers(0, 2**32 - 1))
    return Member(path, *numbers, *small, draw(st.sampled_from([None, *PROBLEMS])), raw)


@settings(deadline=None)
@given(st.lists(members(), max_size=20))
def test_members_come_back_as_they_were(those: list[Member]) -> None:
    found = MemberList()
    for member in those:
        found.append(member)
    assert [found[index] for index in range(len(found))] == those
    assert list(found.raw_names()) == [member.raw for member in those if member.raw is not None]
    assert [found.path_of(member) for member in those] == [member.path for member in those]
