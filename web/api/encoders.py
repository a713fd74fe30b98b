"""Which encoders there are for a client: only those that the operator offers may be named."""

from __future__ import annotations

import structlog
from flask import Response
from flask_openapi.blueprint import APIBlueprint

from visearch.encoders.checkpoints.hub import PREFIX as HUB
from visearch.encoders.spec import EncoderSpec, resolve
from visearch.errors import InvalidRequest, UnknownEncoder
from web.api import schemas
from web.api.common import problems, reply
from web.services import services

api = APIBlueprint("encoders", __name__, url_prefix="/v1/encoders")
log = structlog.get_logger(__name__)


@api.get("", summary="List the encoders", responses={200: schemas.EncoderList, **problems()})
def list_encoders() -> Response:
    """Return the encoders that a catalog may be made with or moved to, the default one first."""
    settings = services().settings
    names = sorted(settings.offered_encoders, key=lambda name: (name != settings.encoder, name))
    items = [
        schemas.Encoder(name=name, fingerprint=spec.fingerprint, dimension=spec.dimension)
        for name in names
        if (spec := _readable(name)) is not None
    ]
    return reply(schemas.EncoderList(items=items))


def _readable(name: str) -> EncoderSpec | None:
    """Return an encoder's spec; None if the server cannot read it now, as a log line says."""
    try:
        return resolve(name)
    except UnknownEncoder as error:
        log.warning("encoder_not_offered", encoder=name, error=error.detail)
        return None


def offered(encoder: str | None) -> tuple[str, EncoderSpec]:
    """Return the encoder that a request names, by default the server's own, and its spec.

    A ``file:`` spec names a file of the server's. Any client could otherwise learn which files
    there are, and have a file that it has uploaded loaded as an encoder; so one that is not
    offered is refused alike, whether or not it exists. Pulled weights are offered: pulling them
    is the operator's decision.

    Raises:
        InvalidRequest: the operator does not offer this encoder.
        UnknownEncoder: it is offered, but the server cannot read it.
    """
    settings = services().settings
    name = encoder or settings.encoder
    if name in settings.offered_encoders:
        return name, resolve(name)
    try:
        if name.startswith(HUB):
            return name, resolve(name)
    except (UnknownEncoder, OSError) as error:  # OSError: a name too long for a file, say
        raise _refused() from error
    raise _refused()


def _refused() -> InvalidRequest:
    detail = (
        "This server does not offer the encoder. Use 'bundled', leave the field out for the "
        "server's own, or ask the operator to add it to VISEARCH_ENCODERS."
    )
    return InvalidRequest(detail, (("/encoder", detail),))
