"""Mending thumbnails: one that is lost or damaged is made again from the stored picture."""

from __future__ import annotations

import structlog

from visearch.backend import Backend
from visearch.encoders.spec import resolve
from visearch.errors import BlobDamaged, EncoderError, ImageError, NotFound
from visearch.images import Limits, decode, thumbnail
from visearch.store import catalogs, images
from visearch.store.images import Shown

log = structlog.get_logger(__name__)


def mend_thumbnail(backend: Backend, digest: str) -> bool:
    """Make the thumbnail ``digest`` again, unless it is sound; False if no picture allows it.

    It may come out as another one: another release of the codec, or another encoder, which wants
    more pixels decoded. Its pictures then show that one.
    """
    if _is_sound(backend, digest):
        return True
    with backend.database.read() as connection:
        shown = images.of_thumbnail(connection, digest)
    made = next((new for each in shown if (new := _made_again(backend, each))), None)
    if made is None:
        return False
    backend.blobs.set_aside(f"thumbnails/{digest}")
    name = backend.blobs.put_digest("thumbnails", made)
    log.info("thumbnail_mended", thumbnail=digest, now=name)
    if name == digest:
        return True
    changed = sorted({each.catalog_pk for each in shown})
    with backend.database.write() as connection:
        for catalog_pk in changed:
            catalogs.next_revision(connection, catalog_pk)  # cached answers name the former one
        images.show(connection, digest, name)
    for catalog_pk in changed:
        backend.announce(catalog_pk)
    return True


def _is_sound(backend: Backend, digest: str) -> bool:
    try:
        backend.blobs.get_digest("thumbnails", digest)
    except (NotFound, BlobDamaged):
        return False
    return True


def _made_again(backend: Backend, shown: Shown) -> bytes | None:
    try:
        at_least = resolve(shown.encoder).preprocess.at_least
        data = backend.blobs.get_digest("pictures", shown.sha256)
        return thumbnail(decode(data, Limits.of(backend.settings), at_least=at_least))
    except (NotFound, BlobDamaged, ImageError, EncoderError) as error:
        log.warning("thumbnail_not_mended", picture=shown.sha256, error=error.detail)
        return None
