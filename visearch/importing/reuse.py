"""Pictures that a catalog knows: nothing that was made of one is made again."""

from __future__ import annotations

from dataclasses import dataclass

from visearch.backend import Backend
from visearch.errors import NotFound
from visearch.records import Catalog
from visearch.store import images


@dataclass(frozen=True)
class KnownPicture:
    """A picture whose bytes, thumbnail and embedding are stored, by the digests of the first two.

    An import uses it in place of a picture's bytes.
    """

    sha256: str
    thumbnail: str


def known_picture(
    backend: Backend, catalog: Catalog, sha256: str, data: bytes | None = None
) -> KnownPicture | None:
    """Return the picture with these bytes, if all that its catalog's encoder needs is stored.

    Args:
        backend: the adapters at hand.
        catalog: whose pictures are looked through, of live and of former products.
        sha256: the digest of the picture's bytes.
        data: those bytes, if they are at hand: what is stored of them may be damaged.
    """
    with backend.database.read() as connection:
        found = images.known(connection, catalog.pk, catalog.fingerprint, [sha256]).get(sha256)
    if found is None:
        return None
    if data is not None and not backend.blobs.holds(f"pictures/{sha256}", data):
        return None  # what is lost or damaged is made again of the bytes at hand
    try:
        backend.blobs.size(f"pictures/{sha256}")
        backend.blobs.size(f"thumbnails/{found.thumbnail}")
        backend.blobs.size(f"segments/{found.segment}")
    except NotFound:
        return None
    return KnownPicture(sha256, found.thumbnail)
