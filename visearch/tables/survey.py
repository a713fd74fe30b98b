"""The first pass over a table: the types of its columns, and which ids cannot be told apart."""

from __future__ import annotations

from array import array
from collections.abc import Mapping as Dict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from visearch.tables.formats.form import Form
from visearch.tables.mapping import VALUED, Mapping
from visearch.tables.table import Table
from visearch.tables.values import REMEMBERED, Evidence, is_damaged

Digest = int
_TURN = 100
_NONE = 0
"""Stands for a title or a list of pictures that a record does not give."""


class Survey(NamedTuple):
    """What has to be known of a whole table before its products are read.

    Ids are kept as 64-bit digests, so that a million of them take megabytes. ``ambiguous`` are
    those that stand for several products, ``scattered`` how many records those products have whose
    records do not follow one another. ``damaged`` counts the ids that have lost digits and are the
    only ones of their kind all the same.
    """

    rows: int
    evidence: dict[str, Evidence]
    ambiguous: frozenset[Digest]
    scattered: Dict[Digest, int]
    damaged: int


def digest_of(text: str) -> Digest:
    """Return a number for a text: of 64 bits, and another one in another process."""
    return hash(text)


def survey(table: Table, mapping: Mapping, form: Form) -> Survey:
    """Read a table once; 24 bytes of each record are kept until its end."""
    kind = table.description.kind
    remembered = REMEMBERED // max(1, len(mapping.columns))
    evidence = {each.column: Evidence(kind, remembered) for each in mapping.columns}
    prices = {
        each.column
        for each in mapping.columns
        if each.field in VALUED and (each.promises_prices or "type" in each.stated)
    }
    looked_at = [(column, found, column in prices) for column, found in evidence.items()]
    identities = _Identities()
    rows = 0
    for record in table.records():
        rows += 1
        if rows % _TURN == 0:  # most columns are text, which the first values show
            looked_at = [each for each in looked_at if each[2] or each[1].is_open]
        product_id, alone, problem = form.identity(record)
        if problem:
            continue
        cells = record.cells
        for column, found, price in looked_at:
            found.add(cells.get(column), price=price)
        title = (form.title(record) or "") if alone else ""
        pictures = form.pictures(record) if alone else []
        identities.add(product_id, " ".join(title.casefold().split()), "|".join(pictures))
    ambiguous = identities.ambiguous()
    damaged = len(identities.damaged - ambiguous)
    return Survey(rows, evidence, ambiguous, identities.scattered(), damaged)


class _Identities:
    """The digests of ids, titles and pictures, record by record."""

    def __init__(self) -> None:
        self._ids, self._titles, self._pictures = array("q"), array("q"), array("q")
        self.damaged: set[Digest] = set()

    def add(self, product_id: str, title: str, pictures: str) -> None:
        self._ids.append(digest_of(product_id))
        self._titles.append(digest_of(title) if title else _NONE)
        self._pictures.append(digest_of(pictures) if pictures else _NONE)
        if is_damaged(product_id):
            self.damaged.add(digest_of(product_id))

    def ambiguous(self) -> frozenset[Digest]:
        """Return the ids that stand for several products.

        A spreadsheet has cut digits off several records' ids, and they are equal now; or records
        that describe a whole product each give the same id two titles and two lists of pictures.
        """
        repeated = self._repeated()
        cut = {digest for digest in repeated.tolist() if digest in self.damaged}
        here = np.isin(_numbers(self._ids), repeated)
        differ = [
            _with_several(_numbers(self._ids)[here], _numbers(said)[here])
            for said in (self._titles, self._pictures)
        ]
        return frozenset(cut | (differ[0] & differ[1]))

    def scattered(self) -> dict[Digest, int]:
        """Return the number of records of each id whose records do not follow one another."""
        ids = _numbers(self._ids)
        if not len(ids):
            return {}
        starts = np.flatnonzero(np.concatenate(([True], ids[1:] != ids[:-1])))
        lengths = np.diff(np.append(starts, len(ids)))
        found, runs = np.unique(ids[starts], return_counts=True)
        apart = found[runs > 1]
        counts = dict.fromkeys(apart.tolist(), 0)
        chosen = np.isin(ids[starts], apart)
        of = ids[starts][chosen].tolist()
        for digest, length in zip(of, lengths[chosen].tolist(), strict=True):
            counts[digest] += length
        return counts

    def _repeated(self) -> NDArray[np.int64]:
        found, counts = np.unique(_numbers(self._ids), return_counts=True)
        return found[counts > 1]


def _numbers(digests: array[int]) -> NDArray[np.int64]:
    return np.frombuffer(digests, dtype=np.int64) if digests else np.zeros(0, np.int64)


def _with_several(ids: NDArray[np.int64], said: NDArray[np.int64]) -> set[Digest]:
    """Return the ids for which more than one thing is said."""
    given = said != _NONE
    pairs = np.unique(np.stack([ids[given], said[given]], axis=1), axis=0)
    found, counts = np.unique(pairs[:, 0], return_counts=True)
    return set(found[counts > 1].tolist())
