"""A catalog's ranking: how much each part of the embeddings counts in its searches."""

from __future__ import annotations

from typing import Literal

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from visearch import records
from visearch.encoders.layout import parts_of
from visearch.errors import InvalidRequest
from visearch.fusion.weights import Weights, check
from visearch.searching.weighing import default_weights
from visearch.store import catalogs, rankings
from visearch.store.database import Connection
from web.api import schemas
from web.api.catalogs import CatalogPath
from web.api.common import problems, reply
from web.services import services

api = APIBlueprint("ranking", __name__, url_prefix="/v1/catalogs/<string:catalog>")


@api.get(
    "/ranking",
    summary="Read what counts in a catalog's searches",
    responses={200: schemas.Ranking, **problems(404)},
)
def get_ranking(path: CatalogPath) -> Response:
    """Return the weights of the parts of embeddings, where they are from, and the last fit."""
    with services().database.read() as connection:
        return reply(_shown(connection, catalogs.get(connection, path.catalog)))


@api.put(
    "/ranking",
    summary="Say what counts in a catalog's searches",
    responses={200: schemas.Ranking, **problems(404, 422)},
)
def put_ranking(path: CatalogPath, body: schemas.NewRanking) -> Response:
    """Give the weights of the parts of embeddings, or have them fitted."""
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        catalogs.lock_live(connection, catalog.pk)
        catalog = catalogs.get(connection, path.catalog)  # as nobody changes it any more
        _check(catalog, body.weights)
        rankings.give(connection, catalog, body.weights)
        shown = _shown(connection, catalogs.get(connection, path.catalog))
    services().announce(catalog.pk)
    return reply(shown)


def _check(catalog: records.Catalog, weights: Weights | None) -> None:
    parts = parts_of(catalog.fingerprint, catalog.dimension)
    try:
        if len(parts) == 1:
            raise InvalidRequest(
                f"The embeddings of the encoder {catalog.encoder!r} have one part, so there is "
                "nothing to weigh."
            )
        if weights is not None:
            check(weights, parts)
    except InvalidRequest as error:
        raise InvalidRequest(error.detail, (("/weights", error.detail),)) from error


def _shown(connection: Connection, catalog: records.Catalog) -> schemas.Ranking:
    ranking, default = rankings.get(connection, catalog), default_weights(catalog)
    return schemas.Ranking(
        catalog=catalog.name,
        encoder=catalog.fingerprint,
        parts=list(parts_of(catalog.fingerprint, catalog.dimension)),
        weights=_plain(ranking.weights or default),
        source=_source(ranking),
        default=_plain(default),
        fit=_fit(ranking),
        fitting=ranking.asked,
    )


def _source(ranking: rankings.Ranking) -> Literal["given", "fitted", "encoder"]:
    if ranking.weights is None:
        return "encoder"
    return "given" if ranking.given else "fitted"


def _plain(weights: Weights | None) -> dict[str, float] | None:
    return None if weights is None else dict(weights)


def _fit(ranking: rankings.Ranking) -> schemas.RankingFit | None:
    if ranking.fit is None or ranking.fitted_at is None:
        return None
    return schemas.RankingFit(fitted_at=ranking.fitted_at, **ranking.fit)
