"""Two encoders on one catalog's own pictures: what would change if the new one were activated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from visearch.backend import Backend
from visearch.encoders.protocol import OpenEncoder, PixelEncoder
from visearch.errors import DependencyUnavailable, EncoderMismatch, ImageError, UnknownEncoder
from visearch.fusion.alike import class_fields
from visearch.images.order import Pixels
from visearch.index.exact import exact_search
from visearch.records import Catalog
from visearch.reindexing.golden import GoldenShares
from visearch.reindexing.stored import picture_pixels
from visearch.searching.weighing import weighed
from visearch.store import changes, golden, images, segments
from visearch.store.golden import Expected
from visearch.store.images import Pictured

log = structlog.get_logger(__name__)
GALLERY = 20_000
QUERIES = 200
EDITED = 100
NEIGHBOURS = 10

WORSE = 0.05
"""A share that falls by more than this keeps an encoder from being activated automatically."""

FEW_LOST = 2
"""Golden queries that have to be lost, too: where there are few, one of them is a large share."""

_FIELDS = 5
_PEERS = 50  # neighbours fetched: those of the query's own product do not count

Rows = npt.NDArray[np.int64]


def compare(
    backend: Backend,
    old: Catalog,
    new: Catalog,
    open_encoder: OpenEncoder,
    keep: Callable[[], object] = int,
) -> dict[str, Any]:
    """Compare two encoders that have both embedded a catalog's pictures.

    ``keep()`` is called between the parts of it, each of which may take minutes.

    Queries are weighed as each of them would be served.

    Returns (shares 0 to 1; null where it cannot be measured):
        ``overlap_at_10``: how many of the ten nearest pictures of other products stay;
        ``own_first``: how often a picture, edited as a shopper would, finds its own product
        first, with the old encoder and the new one;
        ``labels``: for each attribute, how many of the ten nearest have the query's value;
        ``golden``: for how many golden queries a product that they ought to find is among the
        first ten, with the old encoder and the new one; null where there are none.
        A picture that cannot be read (any more) is left out.
    """
    rng = np.random.default_rng(0)
    with backend.database.read() as connection:
        wanted = golden.expected(connection, old)
    keys, pictures, sampled = _sample(backend, old, new, wanted, rng)
    if not len(keys):
        counts, shares = ("queries", "gallery"), ("overlap_at_10", "own_first", "golden")
        return {**dict.fromkeys(counts, 0), **dict.fromkeys(shares), "labels": []}
    queries = np.sort(rng.permutation(sampled)[:QUERIES])
    vectors = [_vectors(backend, each, keys) for each in (old, new)]
    owners = np.asarray([picture.product_pk for picture in pictures])
    found = [
        _neighbours(weighed(some[queries], each), some, queries, owners, old.metric)
        for each, some in zip((old, new), vectors, strict=True)
    ]
    shared = [len(set(a) & set(b)) / max(1, len(a)) for a, b in zip(*found, strict=True)]
    edited = queries[:EDITED]
    own = []
    for each, some in zip((old, new), vectors, strict=True):
        keep()
        digests = [pictures[i].sha256 for i in edited]
        own.append(_own_first(backend, each, open_encoder, some, digests, edited))
    keep()
    return {
        "queries": len(queries),
        "gallery": len(keys),
        "overlap_at_10": round(float(np.mean(shared)), 4),
        "own_first": {"old": own[0], "new": own[1]},
        "labels": _labels([picture.attributes for picture in pictures], queries, found),
        "golden": _golden(backend, (old, new), open_encoder, vectors, owners, wanted),
    }


def what_is_worse(comparison: dict[str, Any] | None) -> str | None:
    """Name what the new encoder does clearly worse than the old one; None if nothing."""
    if comparison is None:
        return None
    pairs = {f"the ten nearest by {each['field']}": each for each in comparison["labels"]}
    if comparison["own_first"]:
        pairs["own product first"] = comparison["own_first"]
    if comparison.get("golden"):  # a comparison of before has none
        pairs["golden queries, with a product among the first ten"] = comparison["golden"]
    for what, pair in pairs.items():
        if None not in (pair["old"], pair["new"]) and pair["new"] < pair["old"] - WORSE:
            if "queries" in pair and (pair["old"] - pair["new"]) * pair["queries"] < FEW_LOST - 0.5:
                continue
            return (
                f"The new encoder is worse at {what}: {pair['new']:.2f}, and {pair['old']:.2f} "
                "before. Activate it yourself if you want it all the same."
            )
    return None


def _sample(
    backend: Backend,
    old: Catalog,
    new: Catalog,
    wanted: Sequence[Expected],
    rng: np.random.Generator,
) -> tuple[Rows, Sequence[Pictured], Rows]:
    """Sample pictures that both encoders have embedded, and add those of the products ``wanted``.

    Returns their keys, the pictures, and which places among them are the sample's.
    """
    with backend.database.read() as connection:
        before, after = (changes.live_at(connection, each, old.revision) for each in (old, new))
        both = np.intersect1d(before.keys, after.keys)
        sample = np.sort(rng.permutation(both)[:GALLERY])
        named = {pk for each in wanted for pk in each.product_pks}
        more = np.asarray(images.live_of(connection, sorted(named)), np.int64)
        keys = np.union1d(sample, np.intersect1d(both, more))
        sampled = np.flatnonzero(np.isin(keys, sample))
        return keys, images.pictured(connection, keys.tolist()), sampled


def _vectors(backend: Backend, catalog: Catalog, keys: Rows) -> changes.Vectors:
    with backend.database.read() as connection:
        stored = changes.live_at(connection, catalog, catalog.revision)
    chosen = stored.at(np.flatnonzero(np.isin(stored.keys, keys)))
    kept, vectors = segments.load(backend.database, backend.blobs, chosen, catalog.dimension)
    if len(kept.keys) < len(chosen.keys):
        detail = "Some embeddings are damaged and are made again."
        raise DependencyUnavailable(detail, "blob store")  # the next turn does without them
    return vectors


def _neighbours(
    asked: changes.Vectors,
    vectors: changes.Vectors,
    queries: Rows,
    owners: npt.NDArray[np.int64],
    metric: Any,
) -> list[list[int]]:
    """Return the nearest pictures of other products to each query, at most ten."""
    rows, _ = exact_search(asked, vectors, min(_PEERS, len(vectors)), metric)
    return [
        row[(row >= 0) & (owners[row] != owners[query])][:NEIGHBOURS].tolist()
        for query, row in zip(queries, rows, strict=True)
    ]


def _own_first(
    backend: Backend,
    catalog: Catalog,
    open_encoder: OpenEncoder,
    vectors: changes.Vectors,
    pictures: Sequence[str],
    own: Rows,
) -> float | None:
    """Return how often an edited picture finds its original, or a twin of it, first."""
    encoder = _same_encoder(catalog, open_encoder)
    if encoder is None:
        return None
    edited: dict[int, Pixels] = {}  # by place
    for place, sha256 in enumerate(pictures):
        try:
            edited[place] = picture_pixels(backend, catalog.encoder, sha256, edits=place)
        except ImageError as error:
            log.warning("picture_not_compared", picture=sha256, code=error.code)
    if not edited:
        return None
    embedded, own = encoder.embed_pixels(np.stack([*edited.values()])), own[list(edited)]
    best = exact_search(weighed(embedded, catalog), vectors, 1, catalog.metric)[0][:, 0]
    twins = (vectors[best] == vectors[own]).all(axis=1)
    return round(float(np.mean((best == own) | twins)), 4)


def _golden(
    backend: Backend,
    catalogs: Sequence[Catalog],
    open_encoder: OpenEncoder,
    vectors: Sequence[changes.Vectors],
    owners: npt.NDArray[np.int64],
    wanted: Sequence[Expected],
) -> dict[str, Any] | None:
    """Return how many golden queries are answered with either encoder; None without any."""
    shares = GoldenShares(backend, owners, wanted)
    if not shares.queries:
        return None
    old, new = (
        shares.of(each, encoder, some) if (encoder := _same_encoder(each, open_encoder)) else None
        for each, some in zip(catalogs, vectors, strict=True)
    )
    return {"queries": shares.queries, "old": old, "new": new}


def _same_encoder(catalog: Catalog, open_encoder: OpenEncoder) -> PixelEncoder | None:
    """Open the catalog's encoder; None if its spec names another encoder by now."""
    try:
        encoder = open_encoder(catalog.encoder)
    except (UnknownEncoder, EncoderMismatch):
        return None
    return encoder if encoder.fingerprint == catalog.fingerprint else None


def _labels(
    attributes: Sequence[dict[str, Any]], queries: Rows, found: Sequence[list[list[int]]]
) -> list[dict[str, Any]]:
    """Return precision@10 for each attribute that sorts the sample into classes."""
    out = []
    for field in class_fields(attributes)[:_FIELDS]:
        values = [each.get(field) for each in attributes]
        asked = [i for i, query in enumerate(queries) if values[query] is not None]
        old, new = (
            float(np.mean([_precision(values, queries[i], some[i]) for i in asked]))
            for some in found
        )
        out.append({"field": field, "old": round(old, 4), "new": round(new, 4)})
    return out


def _precision(values: Sequence[Any], query: int, found: Sequence[int]) -> float:
    same = [values[i] == values[query] for i in found]
    return same.count(True) / max(1, len(same))
