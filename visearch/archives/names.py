"""Which member of an archive a path in a manifest means, however it is spelled there."""

from __future__ import annotations

import string
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np

from visearch.archives import codepages
from visearch.archives.member import Member, normalise
from visearch.archives.memberlist import MemberList

_NAMESAKES = 64
"""So many members of one name are looked at; where there are more, a name alone tells nothing."""

_LONGEST = 1024  # characters of a path; no file system has longer ones
_NO_LETTERS = dict.fromkeys(map(ord, string.punctuation + string.whitespace))


class Match(NamedTuple):
    """What a path means: a member, or else the path of one whose name is nearly the same."""

    member: Member | None
    near: str | None = None


class Names:
    """Finds members by the paths that a manifest gives.

    A path may start at the manifest's folder, at the root or at the only folder there. It is, in
    this order, the name of a member

    - as it is;
    - but for case, composition (NFC or NFD), percent-encoding and spaces around it;
    - with folders in front that the archive does not have, or without some that it has. Its last
      part alone counts only if no other member is called so.

    A path that could mean several members means none of them. Where the encoding of names is not
    known, it is the code page in which most of them are names that the manifest wants.
    """

    def __init__(
        self, members: Iterable[Member], manifest: Member | None, wanted: Iterable[str] = ()
    ) -> None:
        """List the members; takes about 150 bytes for each.

        Args:
            members: without junk, in the archive's order.
            manifest: the member that names the others.
            wanted: what the manifest names; only read if there are names of unknown encoding.
        """
        self._list = MemberList()
        hashes, top = _hashes_and_top(self._added(members))
        if next(self._list.raw_names(), None) is not None:
            self._list.page = codepages.choose(self._list.raw_names(), wanted)
            hashes, top = _hashes_and_top(self.paths())
        self._by_path = _Index(hashes)
        self.own = own = "" if manifest is None else self._list.path_of(manifest)
        self._bases = list(dict.fromkeys((own[: own.rfind("/") + 1], "", top)))

    def _added(self, members: Iterable[Member]) -> Iterator[str]:
        for member in members:
            self._list.append(member)
            yield member.path

    def paths(self) -> Iterator[str]:
        """Yield the paths of all members."""
        return map(self._list.path, range(len(self._list)))

    @cached_property
    def _by_name(self) -> _Index:
        # Made when it is needed: in most archives, every path is found as it is.
        return _Index(array("q", (hash(_letters(fold(path))) for path in self.paths())))

    @property
    def page(self) -> str | None:
        """The code page in which names of unknown encoding are read; None if there are none."""
        return self._list.page

    def resolve(self, path: str) -> Match:
        """Return the member that a path means."""
        starts: list[str] = []
        for base in self._bases:
            starts.append(start := normalise(base + path))
            # Of several members of the very same name, it is the last.
            for index in reversed(self._by_path.find(hash(fold(start)))):
                if self._list.path(index) == start:
                    return Match(self._list[index])
        alone = normalise(path)
        for each in (*starts, *self._shortened(alone)):
            if found := self._alike(each):
                return self._only(found)
        return self._by_last_part(fold(alone))

    def _shortened(self, path: str) -> Iterator[str]:
        """Yield a path without its first folder, without two, …, down to one folder."""
        while (path := path.partition("/")[2]) and "/" in path:
            yield from (base + path for base in self._bases)

    def _by_last_part(self, folded: str) -> Match:
        namesakes = self._by_name.find(hash(_letters(folded)))
        paths = {index: fold(self._list.path(index)) for index in namesakes}
        last = _last_part(folded)
        same = [index for index, each in paths.items() if _last_part(each) == last]
        found = [index for index in same if paths[index].endswith(f"/{folded}")]
        if not found and len(same) == 1 and paths[same[0]] in {fold(b + last) for b in self._bases}:
            found = same
        if found and len(namesakes) < _NAMESAKES:
            return self._only(found)
        near = same or [i for i, each in paths.items() if _letters(each) == _letters(folded)]
        return Match(None, self._list.path(near[0]) if near else None)

    def _alike(self, path: str) -> list[int]:
        """Return the members whose folded path is that of ``path``."""
        folded = fold(path)
        found = self._by_path.find(hash(folded))
        return [index for index in found if fold(self._list.path(index)) == folded]

    def _only(self, found: list[int]) -> Match:
        paths = {self._list.path(index) for index in found}
        if len(paths) > 1:
            return Match(None, self._list.path(found[0]))
        return Match(self._list[found[-1]])


class _Index:
    """Numbers of members by a hash of their name: two arrays take far less than a dict."""

    def __init__(self, hashes: array[int]) -> None:
        values = np.array(hashes, np.int64)
        order = np.argsort(values, kind="stable")
        self._hashes = array("q", values[order].tobytes())
        self._members = array("I", order.astype(np.uint32).tobytes())

    def find(self, wanted: int) -> list[int]:
        """Return the last members with a hash, in order, at most ``_NAMESAKES``."""
        start = bisect_left(self._hashes, wanted)
        if start == len(self._hashes) or self._hashes[start] != wanted:
            return []
        end = bisect_right(self._hashes, wanted, start)
        return list(self._members[max(start, end - _NAMESAKES) : end])


def _hashes_and_top(paths: Iterable[str]) -> tuple[array[int], str]:
    """Return a hash of each path but for its spelling, and the only folder at the root, or ""."""
    hashes, tops = array("q"), set[str]()
    for path in paths:
        hashes.append(hash(fold(path)))
        if len(tops) < 2:  # two tell as much as many
            tops.add(path[: path.find("/") + 1])
    return hashes, tops.pop() if len(tops) == 1 else ""


def fold(path: str) -> str:
    """Return what is the same for all spellings of a path."""
    if len(path) > _LONGEST:
        return path
    if "%" in path:
        path = normalise(unquote(path))
    if not path.isascii() or " " in path:
        path = "/".join(part.strip() for part in path.split("/"))
    folded = path.casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFC", folded)


def _last_part(path: str) -> str:
    return path.rpartition("/")[2]


def _letters(folded: str) -> str:
    """Return the letters and digits of a name without its ending: what people remember of it."""
    name = _last_part(folded)
    return (name.rpartition(".")[0] or name).translate(_NO_LETTERS) or name
