"""Pictures of a chunk that are named by URL: asked for within a time, or put off."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from visearch.backend import Backend
from visearch.errors import BlobDamaged, FetchError, NotFound, UrlTimeout, UrlUnreachable
from visearch.fetching import Failed, Fetched, Unchanged, Validators, Wanted
from visearch.importing.reuse import KnownPicture, known_picture
from visearch.records import Catalog
from visearch.settings import Settings
from visearch.store import fetched
from visearch.store.chunks import Delay
from visearch.store.claims import Claim
from visearch.store.fetched import Came
from visearch.store.ledger import PendingItem


class Picture(NamedTuple):
    """The bytes of a picture and their digest, and how to ask its URL for changes next time."""

    sha256: str
    data: bytes
    came: Came | None

    @classmethod
    def of(cls, data: bytes) -> Picture:
        """Return a picture that has no URL."""
        return cls(hashlib.sha256(data).hexdigest(), data, None)


class Later(NamedTuple):
    """Why a picture could not be fetched now, and when and for which time it is tried again.

    ``fetches`` counts the tries that were in vain.
    """

    error: FetchError
    wait_s: float
    fetches: int


Got = Picture | KnownPicture | Later | FetchError


def fetch(
    backend: Backend, claim: Claim, catalog: Catalog, items: Sequence[PendingItem]
) -> Iterator[tuple[PendingItem, Got]]:
    """Yield what comes of each URL as it comes, within ``fetch_chunk_s``; the rest is put off.

    A host that said how to ask whether something has changed is asked so. If nothing has, a picture
    is one that the catalog knows, or comes from the store.
    """
    until = time.monotonic() + backend.settings.fetch_chunk_s
    with backend.database.read() as connection:
        urls = {url_of(item) for item in items}
        known = fetched.known(connection, claim.record.catalog_pk, urls)
    lost: list[PendingItem] = []
    for item, got in _fetch(backend, claim, items, known, until):
        if not isinstance(got, Came):
            yield item, got
        elif same := known_picture(backend, catalog, got.sha256) or _stored(backend, got.sha256):
            yield item, same
        else:
            lost.append(item)
    for item, got in _fetch(backend, claim, lost, {}, until):
        assert not isinstance(got, Came), "nothing is known of these URLs"
        yield item, got


def _fetch(
    backend: Backend,
    claim: Claim,
    items: Sequence[PendingItem],
    known: Mapping[str, Came],
    until: float,
) -> Iterator[tuple[PendingItem, Picture | Came | Later | FetchError]]:
    """Yield what comes of each URL; what had come before where its host says that it is so yet."""
    by_number = {item.item: item for item in items}
    wanted = (_wanted(claim, item, known.get(url_of(item))) for item in items)
    left_s = until - time.monotonic()
    for outcome in backend.fetcher.fetch_many(wanted, within_s=left_s) if items else ():
        item = by_number[int(str(outcome.wanted.key))]
        if isinstance(outcome, Unchanged):
            yield item, known[url_of(item)]
        elif isinstance(outcome, Fetched):
            yield item, _picture(outcome)
        else:
            assert isinstance(outcome, Failed), outcome
            yield item, _failed(backend.settings, claim, outcome)


def url_of(item: PendingItem) -> str:
    """Return the URL that names an item's picture."""
    return str(item.locator["url"])


def _stored(backend: Backend, digest: str) -> Picture | None:
    """Return a picture that came before; None if its bytes are gone or damaged."""
    try:
        return Picture(digest, backend.blobs.get_digest("pictures", digest), None)
    except (NotFound, BlobDamaged):
        return None


def _wanted(claim: Claim, item: PendingItem, came: Came | None) -> Wanted:
    validators = came and Validators(came.source, came.etag, came.modified)
    return Wanted(url_of(item), key=item.item, validators=validators, attempt=claim.fetches)


def _picture(outcome: Fetched) -> Picture:
    picture, headers = Picture.of(outcome.data), outcome.validators
    return picture._replace(came=headers and Came(picture.sha256, *headers))


def _failed(settings: Settings, claim: Claim, outcome: Failed) -> Later | FetchError:
    """Put a picture off, or let it fail: what has failed will not pass, or has not for too long.

    A try that was none, because the host asked to be left alone or others took all the time, does
    not count: then the others make progress. A host that does not answer has been tried by others.
    """
    error, wait_s = outcome.error, outcome.retry_after_s
    if wait_s is None:
        return error
    is_dead = isinstance(error, UrlTimeout | UrlUnreachable) and error.asked_s is not None
    fetches = claim.fetches + (outcome.tried or is_dead)
    late_s = time.time() - claim.late_since if claim.late_since else 0.0
    if fetches < settings.fetch_tries and late_s < settings.fetch_patience_s:
        had_no_turn = fetches == claim.fetches and error.asked_s is None
        return Later(error, 0.0 if had_no_turn else wait_s, fetches)
    return type(error)(f"{error.detail} It was tried {fetches} times.")


class Group(NamedTuple):
    """Items, by their numbers, that are put off together."""

    delay: Delay
    items: list[int]


def grouped(claim: Claim, late: dict[int, Later]) -> list[Group]:
    """Put those together that may be tried at about the same time; there are few such times."""
    now, groups = time.time(), list[Group]()
    since = claim.late_since or now
    least_s = -1.0
    for item, each in sorted(late.items(), key=lambda pair: (pair[1].fetches, pair[1].wait_s)):
        delay = Delay(now + each.wait_s, each.fetches, since)
        last = groups[-1] if groups else None
        if last and last.delay.fetches == each.fetches and each.wait_s <= 2 * least_s + 1:
            groups[-1] = Group(delay, [*last.items, item])
        else:
            groups.append(Group(delay, [item]))
            least_s = each.wait_s
    return groups
