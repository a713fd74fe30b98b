"""Shapes of a catalog's ranking: how much each part of the embeddings counts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from web.api.schemas.base import Request

Weights = dict[str, float]
Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


class NewRanking(Request):
    """Weights to use, one for each part; null: those that are fitted to the catalog's pictures."""

    weights: dict[str, Weight] | None


class RankingTrial(BaseModel):
    """Weights, and how good they are for the catalog's pictures, each 0 to 1.

    ``found`` is the share of edited copies of pictures that find their picture first. ``calm`` is
    the share of a picture's ten nearest that are its copy's, too. ``alike`` is the share of the
    nearest that are of the same product or have the same attribute; null where nothing is known.
    """

    weights: Weights
    found: float
    calm: float
    alike: float | None


class RankingFit(BaseModel):
    """What the last fit found: ``chosen`` is as good as ``best`` but for chance."""

    fitted_at: datetime
    pictures: int
    copies: int
    chosen: RankingTrial
    default: RankingTrial
    best: RankingTrial


class Ranking(BaseModel):
    """How much each part of the embeddings counts in the searches of a catalog.

    ``weights`` are in force, and ``source`` says where they are from: somebody has given them, they
    were fitted to the catalog's pictures, or they are the encoder's own. Null: the parts count as
    in an inner product of the embeddings. ``fit`` is null before the first fit, and where there are
    too few pictures; ``fitting`` says that another one is asked for.
    """

    catalog: str
    encoder: str
    parts: list[str]
    weights: Weights | None
    source: Literal["given", "fitted", "encoder"]
    default: Weights | None
    fit: RankingFit | None
    fitting: bool
