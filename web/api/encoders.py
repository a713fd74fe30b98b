"""Which encoders a client may name: only those that the operator offers."""

from __future__ import annotations

from visearch.encoders.checkpoints.hub import PREFIX as HUB
from visearch.encoders.spec import EncoderSpec, resolve
from visearch.errors import InvalidRequest, UnknownEncoder
from web.services import services


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
