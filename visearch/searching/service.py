"""One search, in order: embed, what is allowed, the shards, the hits, the answer."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from visearch.backend import Backend
from visearch.errors import DependencyUnavailable, SearchExpired, TooSlow
from visearch.records import Catalog, Neighbour
from visearch.searches import Answer, FacetValue, Hit, IndexState, SearchQuery, Shards
from visearch.searching.clock import Clock
from visearch.searching.embedding import Embed, QueryEmbedder
from visearch.searching.indexes import Indexes, Snapshot
from visearch.searching.joining import Joined
from visearch.searching.remote_shard import RemoteShard
from visearch.searching.shard import LocalShard, Question, Shard, Vector
from visearch.searching.weighing import weighed
from visearch.store import changes, facets, products

log = structlog.get_logger(__name__)

GROUP_OVERFETCH = 4
"""Pictures looked at for each product wanted, at first."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The answer to a search, and the state of the catalog that it is true for.

    ``gone``: pictures of that state were left out, for the catalog no longer had them.
    """

    catalog: Catalog
    revision: int
    answer: Answer
    gone: bool


class SearchService:
    """Answers searches from live indexes, and from other workers for shards not held here."""

    def __init__(self, backend: Backend, indexes: Indexes, embed: Embed) -> None:
        self._backend, self._indexes = backend, indexes
        self._embedder = QueryEmbedder(backend, embed)

    def search(self, query: SearchQuery, picture: bytes | None, clock: Clock) -> Found:
        """Run one query; ``picture`` is None for "more like this product".

        Raises:
            SearchExpired: its turn to be decoded or encoded has not come in time, or the catalog's
                to be loaded.
            ImageError: the picture cannot be used.
            InvalidRequest: the box, the filter, a facet or the least score is malformed.
            NotFound: no such catalog or product.
            DependencyUnavailable: no shard answered.
            EncoderMismatch: the catalog's encoder has changed under it.
        """
        snapshot = self._indexes.get(query.catalog, clock.left())
        query.check_scores(snapshot.catalog.metric)
        vector = self._embedder.vector(query, picture, snapshot.catalog, clock)
        found = self._answer(snapshot, query, vector, clock)
        return self._again(snapshot, found, query, vector, clock) if found.gone else found

    def _again(
        self, snapshot: Snapshot, found: Found, query: SearchQuery, vector: Vector, clock: Clock
    ) -> Found:
        """Look once more where pictures are gone: those that replaced them may be among the hits.

        The first answer stands where the catalog is another by now, or there is no time left.
        """
        try:
            newer = self._indexes.get(query.catalog, clock.left())
            if newer.parts is snapshot.parts or _vectors_of(newer.catalog) != _vectors_of(
                snapshot.catalog
            ):
                return found
            again = self._answer(newer, query, vector, clock)
        except (SearchExpired, TooSlow, DependencyUnavailable) as error:
            log.info("not_searched_again", catalog=query.catalog, error=error.detail)
            return found
        return again if again.answer.complete or not found.answer.complete else found

    def _answer(
        self, snapshot: Snapshot, query: SearchQuery, vector: Vector, clock: Clock
    ) -> Found:
        catalog = snapshot.catalog
        allowed = None
        if query.filter:
            with clock.part("search"), self._backend.database.read(clock.left()) as connection:
                allowed = changes.filtered(connection, catalog, query.filter)
        question = Question(
            catalog=catalog,
            vector=weighed(vector, catalog, query.focus),
            filter=query.filter,
            allowed=allowed,
        )
        ranking = Joined(self._shards(snapshot), question)
        hits, counted, gone = self._page(catalog, ranking, query, clock)
        answers = ranking.answers
        answer = Answer(
            results=hits,
            total=sum(each.size for each in answers) if allowed is None else len(allowed),
            facets=counted,
            timings_ms=clock.timings(),
            index=IndexState(
                generation=snapshot.generation, fresh_to=min(each.fresh_to for each in answers)
            ),
            encoder=catalog.fingerprint,
            shards=Shards(asked=catalog.shards, answered=len(answers)),
        )
        revision = min(each.revision for each in answers)
        return Found(catalog=catalog, revision=revision, answer=answer, gone=gone)

    def _shards(self, snapshot: Snapshot) -> dict[int, Shard]:
        """Return the catalog's shards by number; those held elsewhere first, to be asked first."""
        held = snapshot.parts
        elsewhere = [n for n in range(snapshot.catalog.shards) if n not in held]
        shards: dict[int, Shard] = {n: RemoteShard(n, self._backend) for n in elsewhere}
        return shards | {
            n: LocalShard(n, index, snapshot.fresh_to) for n, index in sorted(held.items())
        }

    def _page(
        self, catalog: Catalog, ranking: Joined, query: SearchQuery, clock: Clock
    ) -> tuple[list[Hit], dict[str, list[FacetValue]], bool]:
        """Return the hits of the page, the facets, and whether pictures were gone.

        Goes down the ranking until the page is full.
        Only the page is read in full. No connection is held while shards are asked: one held
        elsewhere may take a second.
        """
        wanted = query.offset + query.limit
        reach = wanted * (GROUP_OVERFETCH if query.group else 1)
        best: dict[int, Neighbour] = {}
        gone = False
        while True:
            with clock.part("search"):
                neighbours, more = ranking.further(reach, query.min_score)
            with clock.part("hydrate"), self._backend.database.read(clock.left()) as connection:
                owners = products.owners(connection, catalog, neighbours)
            gone = gone or len(owners) < len(neighbours)
            for neighbour in neighbours:
                if neighbour.image in owners:
                    key = owners[neighbour.image] if query.group else neighbour.image
                    best.setdefault(key, neighbour)
            if len(best) >= wanted or not more:
                break
            if not clock.left():
                raise SearchExpired("The page lies too deep to be reached before the deadline.")
            reach *= 2
        page = list(best.values())[query.offset : wanted]
        with clock.part("hydrate"), self._backend.database.read(clock.left()) as connection:
            hits = products.hydrate(connection, catalog, page)
            where = query.filter or {}
            counted = facets.count_values(connection, catalog, query.facets, where)
        for rank, hit in enumerate(hits, query.offset + 1):
            hit.rank = rank
        return hits, counted, gone or len(hits) < len(page)


def _vectors_of(catalog: Catalog) -> tuple[int, str]:
    """Name what a catalog's vectors can be compared with."""
    return catalog.pk, catalog.fingerprint
