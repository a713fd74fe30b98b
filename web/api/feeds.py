"""Feeds: files that a catalog fetches by itself, on a schedule or when it is asked to."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from visearch.errors import FetchError, InvalidRequest
from visearch.fetching.places import Places
from visearch.fetching.target import target_of
from visearch.store import catalogs, feed_rows, feed_runs, feeds
from visearch.store.database import Connection
from visearch.store.feed_runs import FeedRun
from visearch.store.feeds import Feed
from web.api import schemas
from web.api.catalogs import CatalogPath, NamedPath, NewNamedPath
from web.api.common import Page, decode_cursor, paged, problems, reply
from web.api.fields import Name
from web.idempotency import resource_id
from web.problems import kept_problem
from web.services import services

api = APIBlueprint("feeds", __name__, url_prefix="/v1/catalogs/<string:catalog>/feeds")

ROWS = 5_000
"""Rows forgotten in one transaction."""


class RunPath(NamedPath):
    """Names a run of a feed."""

    run_id: Name


class RunNow(schemas.Request):
    """``whole`` looks at every product and every picture, as if nothing were known of them."""

    whole: bool = False


@api.get("", summary="List feeds", responses={200: schemas.FeedList, **problems(404)})
def list_feeds(path: CatalogPath) -> Response:
    """Return all feeds of a catalog by name; they are on one page."""
    with services().database.read() as connection:
        found = feeds.of_catalog(connection, catalogs.get(connection, path.catalog))
        last = feed_runs.last_of(connection, found)
    items = [_feed(feed, last.get(feed.pk)) for feed in found]
    return reply(schemas.FeedList(items=items, next_cursor=None))


@api.put(
    "/<string:name>",
    summary="Make or change a feed",
    responses={200: schemas.Feed, 201: schemas.Feed, **problems(404, 413, 422)},
)
def put_feed(path: NewNamedPath, body: schemas.FeedSettings) -> Response:
    """State a feed in full. A new one with ``{"every": seconds}`` runs at once."""
    _check(body.url)
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        catalogs.lock_live(connection, catalog.pk)
        before = feeds.of_catalog(connection, catalog)
        feed, is_new = feeds.put(
            connection,
            catalog,
            path.name,
            url=body.url,
            schedule=body.schedule,
            mode=body.mode,
            guard=body.guard,
            paused=body.paused,
        )
        _tell_run(connection, feed, {each.pk: each for each in before})
        last = feed_runs.last_of(connection, [feed])
    location = quote(f"/v1/catalogs/{feed.catalog}/feeds/{feed.name}")
    shown = _feed(feed, last.get(feed.pk))
    return reply(shown, 201, Location=location) if is_new else reply(shown)


def _tell_run(connection: Connection, feed: Feed, before: dict[int, Feed]) -> None:
    """A run that waits for its file ends if the feed is paused, and goes on if it is another."""
    old = before.get(feed.pk)
    if old is not None and feed.paused and not old.paused:
        feed_runs.cancel(connection, feed)
    elif old is not None and feed.stated != old.stated:
        feed_runs.hasten(connection, feed)


def _check(url: str) -> None:
    """Refuse a URL that visearch would never fetch."""
    try:
        target_of(url, Places(services().settings))
    except FetchError as error:
        raise InvalidRequest(error.detail, (("/url", error.detail),)) from error


@api.get("/<string:name>", summary="Read a feed", responses={200: schemas.Feed, **problems(404)})
def get_feed(path: NamedPath) -> Response:
    """Return a feed, when it runs next, and its last run."""
    with services().database.read() as connection:
        feed = feeds.get(connection, catalogs.get(connection, path.catalog), path.name)
        last = feed_runs.last_of(connection, [feed])
    return reply(_feed(feed, last.get(feed.pk)))


@api.delete("/<string:name>", summary="Delete a feed", responses={204: None, **problems(404)})
def delete_feed(path: NamedPath) -> Response:
    """Forget a feed and its runs. Products stay, and an import that is under way goes on."""
    with services().database.read() as connection:
        feed = feeds.get(connection, catalogs.get(connection, path.catalog), path.name)
    more = True
    while more:  # a few thousand at a time: other writers wait meanwhile
        with services().database.write() as connection:
            more = bool(feed_rows.forget_of(connection, [feed.pk], ROWS))
    with services().database.write() as connection:
        catalogs.lock(connection, feed.catalog_pk)
        feeds.delete(connection, feed)
    return Response(status=204)


@api.post(
    "/<string:name>/run",
    summary="Run a feed now",
    responses={202: schemas.FeedRun, **problems(404, 409, 422)},
)
def run_feed(path: NamedPath, query: RunNow) -> Response:
    """Fetch the file now, paused or not; the run goes on in the background.

    A run that is put off is tried again now.
    """
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        catalogs.lock(connection, catalog.pk)
        feed = feeds.get(connection, catalog, path.name)
        run = feed_runs.ask(connection, feed, resource_id(), whole=query.whole)
    return reply(_run(feed, run), 202, Location=_path(feed, run))


@api.get(
    "/<string:name>/runs/<string:run_id>",
    summary="Read a run of a feed",
    responses={200: schemas.FeedRun, **problems(404)},
)
def get_run(path: RunPath) -> Response:
    """Return how far a run has come, or how it has ended."""
    with services().database.read() as connection:
        feed = feeds.get(connection, catalogs.get(connection, path.catalog), path.name)
        run = feed_runs.get(connection, feed, path.run_id)
    return reply(_run(feed, run))


@api.get(
    "/<string:name>/runs",
    summary="List the runs of a feed",
    responses={200: schemas.FeedRunList, **problems(404, 422)},
)
def list_runs(path: NamedPath, query: Page) -> Response:
    """Return a feed's runs, newest first; the last hundred are kept."""
    before = decode_cursor(query.cursor)
    with services().database.read() as connection:
        feed = feeds.get(connection, catalogs.get(connection, path.catalog), path.name)
        found = feed_runs.page(connection, feed, before, query.limit + 1)
    page, cursor = paged(found, query.limit, lambda run: run.id)
    return reply(schemas.FeedRunList(items=[_run(feed, run) for run in page], next_cursor=cursor))


def _feed(feed: Feed, last: FeedRun | None) -> schemas.Feed:
    return schemas.Feed(
        name=feed.name,
        catalog=feed.catalog,
        url=feed.url,
        schedule=feed.schedule,
        format="auto",
        mode=feed.mode,
        guard=feed.guard,
        paused=feed.paused,
        next_run_at=feed.next_run_at,
        last_run=None if last is None else _run(feed, last),
        created_at=feed.created_at,
        updated_at=feed.updated_at,
    )


def _path(feed: Feed, run: FeedRun) -> str:
    return quote(f"/v1/catalogs/{feed.catalog}/feeds/{feed.name}/runs/{run.id}")


def _run(feed: Feed, run: FeedRun) -> schemas.FeedRun:
    return schemas.FeedRun(
        id=run.id,
        cause=run.cause,
        whole=run.whole,
        status=run.status,
        tries=run.tries,
        next_try_at=run.next_try_at,
        import_id=run.import_id,
        difference=schemas.FeedDifference(**run.difference._asdict()),
        error=kept_problem(run.error_code, run.error_detail, _path(feed, run)),
        created_at=run.created_at,
        finished_at=run.finished_at,
    )
