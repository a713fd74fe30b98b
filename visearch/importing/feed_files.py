"""The files of feeds: each is fetched in a worker's turn, and imported if it is new."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from tempfile import TemporaryFile
from typing import IO, cast
from urllib.parse import urlsplit

import structlog

from visearch.backend import Backend
from visearch.background import Loop
from visearch.errors import DependencyUnavailable, NotFound, Overloaded, VisearchError
from visearch.fetching import Failed, Saved, Unchanged, Validators, Wanted
from visearch.ids import new_id
from visearch.importing.accept import LOOK_BYTES, Stored, accept_stored, store_file
from visearch.importing.admission import check_disk, check_room
from visearch.importing.reconcile import WORKER_LOST
from visearch.store import catalogs, feed_turns, feeds
from visearch.store.database import Connection
from visearch.store.feed_turns import Turn
from visearch.store.feeds import Feed, FeedFile

log = structlog.get_logger(__name__)

LEASE_S = 60.0
"""So long after its worker has died the file of a run is fetched by another."""
MOST_TAKEN = 3
"""A run that so many workers took, and none brought to an end, fails."""
BUSY_S = 30.0
"""So long a run waits if the server has no room for it, or a part of it does not answer."""
READ_BYTES = 1 << 20


class _Lost(Exception):
    """The turn is another worker's by now, or its feed is gone."""


class _Restated(Exception):
    """The feed names another file, or asks for another import, since the turn began."""


def fetch_next(backend: Backend, worker: str) -> bool:
    """Fetch the file of the run that waits longest, and have it imported; False if none waits."""
    with backend.database.write() as connection:
        turn = feed_turns.take(connection, worker, LEASE_S)
    if turn is None:
        return False
    if turn.run.taken > MOST_TAKEN:
        _fail(backend, turn, VisearchError(_LOST, code=WORKER_LOST["code"]))
        return True
    with _kept(backend, turn):
        try:
            _fetch(backend, turn)
        except _Lost:
            log.info("feed_turn_lost", **_named(turn))
        except _Restated:
            with backend.database.write() as connection:
                feed_turns.release(connection, turn)
        except (Overloaded, DependencyUnavailable) as error:
            _put_off(backend, turn, BUSY_S, error)
        except OSError as error:  # where the file is kept, there is no room for it
            why = f"The server cannot keep the file: {error.strerror}. Try again later."
            _put_off(backend, turn, BUSY_S, Overloaded(why))
        except VisearchError as error:
            _fail(backend, turn, error)
        except Exception:
            log.exception("feed_not_fetched", **_named(turn))
            _fail(backend, turn, VisearchError("The run failed. The server's log says why."))
    return True


_LOST = "The workers that fetched this file died each time. Run the feed again."


@contextmanager
def _kept(backend: Backend, turn: Turn) -> Iterator[None]:
    """Keep a turn however long its host takes."""

    def keep() -> None:
        with backend.database.write() as connection:
            feed_turns.keep(connection, turn, LEASE_S)

    loop = Loop("feed", keep, every_s=LEASE_S / 4, rest_first=True).start()
    try:
        yield
    finally:
        loop.stop()


class _Watched:
    """A file that grows only while the disk has room; ``write`` raises Overloaded if not."""

    def __init__(self, backend: Backend, file: IO[bytes]) -> None:
        self._backend, self._file, self._unchecked = backend, file, 0

    def write(self, data: bytes) -> int:
        self._unchecked += len(data)
        if self._unchecked > LOOK_BYTES:
            check_disk(self._backend)
            self._unchecked = 0
        return self._file.write(data)


def _fetch(backend: Backend, turn: Turn) -> None:
    feed, run = turn.feed, turn.run
    check_room(backend)
    with backend.database.read() as connection:
        known = feed.file if not run.whole and _is_done(connection, turn) else None
    validators = None
    if known is not None and known.source and (known.etag or known.modified):
        validators = Validators(known.source, known.etag, known.modified)
    wanted = Wanted(feed.url, validators=validators, attempt=run.tries)
    with TemporaryFile(dir=backend.settings.home) as file:
        out = cast(IO[bytes], _Watched(backend, file))
        most = backend.settings.max_upload_bytes
        outcome = backend.fetcher.download(wanted, out, max_bytes=most)
        if isinstance(outcome, Failed):
            _not_fetched(backend, turn, outcome)
            return
        if isinstance(outcome, Unchanged):
            _end_unchanged(backend, turn, None)
            return
        assert isinstance(outcome, Saved), outcome
        came = _came(file, outcome)
        if known is not None and came.sha256 == known.sha256:
            _end_unchanged(backend, turn, came)
        else:
            _import(backend, turn, file, came)


def _is_done(connection: Connection, turn: Turn) -> bool:
    """Tell whether nothing is to be done if the file is the one that was imported last.

    What of that has failed is taken up again when somebody asks, and after a time by itself.
    """
    feed, again_at = turn.feed, turn.feed.look_again_at
    if again_at is not None and (turn.run.cause == "request" or time.time() >= again_at):
        return False
    return feeds.is_settled(connection, feed)


def _came(file: IO[bytes], saved: Saved) -> FeedFile:
    file.seek(0)
    digest = hashlib.sha256()
    while data := file.read(READ_BYTES):
        digest.update(data)
    if saved.validators is None:
        return FeedFile(digest.hexdigest(), "", None, None)
    return FeedFile(digest.hexdigest(), *saved.validators)


def _not_fetched(backend: Backend, turn: Turn, failed: Failed) -> None:
    tries = turn.run.tries + failed.tried
    if failed.retry_after_s is None or tries >= backend.settings.fetch_tries:
        _fail(backend, turn, failed.error, tried=failed.tried)
    else:
        _put_off(backend, turn, failed.retry_after_s, failed.error, tried=failed.tried)


def _put_off(
    backend: Backend, turn: Turn, wait_s: float, error: VisearchError, *, tried: bool = False
) -> None:
    """Let a run wait, unless it has waited for too long."""
    late_s = time.time() + wait_s - turn.run.created_at.timestamp()
    if late_s > backend.settings.fetch_patience_s:
        _fail(backend, turn, error, tried=tried)
        return
    log.info("feed_put_off", **_named(turn), code=error.code, detail=error.detail)
    with backend.database.write() as connection:
        feed_turns.put_off(connection, turn, wait_s, error.code, error.detail, tried=tried)


def _fail(backend: Backend, turn: Turn, error: VisearchError, *, tried: bool = False) -> None:
    log.warning("feed_run_failed", **_named(turn), code=error.code, detail=error.detail)
    with backend.database.write() as connection:
        feed_turns.fail(connection, turn, error.code, error.detail, tried=tried)


def _named(turn: Turn) -> dict[str, str]:
    return {"catalog": turn.feed.catalog, "feed": turn.feed.name, "run": turn.run.id}


def _end_unchanged(backend: Backend, turn: Turn, came: FeedFile | None) -> None:
    """End a run that found nothing new; a host may have said anew how to ask for changes."""
    with backend.database.write() as connection:
        feed = _as_it_was(connection, turn)
        if not feed_turns.end_unchanged(connection, turn):
            raise _Lost
        if came is not None:
            feeds.note_file(connection, feed, came)


def _as_it_was(connection: Connection, turn: Turn) -> Feed:
    """Return the feed of a turn, its catalog locked.

    Raises:
        NotFound: the catalog was deleted.
        _Lost: the feed was deleted.
        _Restated: it is another one by now.
    """
    catalogs.lock_live(connection, turn.feed.catalog_pk)
    try:
        feed = feeds.by_pk(connection, turn.feed.pk)
    except NotFound as error:
        raise _Lost from error
    if feed.stated != turn.feed.stated:
        raise _Restated
    return feed


def _import(backend: Backend, turn: Turn, file: IO[bytes], came: FeedFile) -> None:
    feed, import_id = turn.feed, new_id()
    file.seek(0)
    name = PurePosixPath(urlsplit(came.source or feed.url).path).name
    parts = iter(lambda: file.read(READ_BYTES), b"")
    stored = store_file(backend, feed.catalog, parts, import_id, name)
    try:
        with backend.database.write() as connection:
            _accept(connection, turn, stored, came, import_id)
    except DependencyUnavailable:
        raise  # it may have been committed all the same; if not, the file is purged
    except BaseException:
        backend.blobs.delete(stored.source)
        raise
    log.info("feed_imported", **_named(turn), import_id=import_id)
    backend.flush()


def _accept(
    connection: Connection, turn: Turn, stored: Stored, came: FeedFile, import_id: str
) -> None:
    feed = _as_it_was(connection, turn)
    record = accept_stored(
        connection,
        catalogs.get(connection, feed.catalog),
        stored,
        mode=feed.mode,
        request_id=turn.run.id,
        import_id=import_id,
        guard=feed.guard,
        choices={},
    )
    if not feed_turns.begin_import(connection, turn, record.pk, came):
        raise _Lost
