"""The pages and what they load: HTML, thumbnails, and the demo's sample queries."""

from __future__ import annotations

import re

import structlog
from flask import Blueprint, Response, jsonify, render_template, request, send_from_directory

from visearch.contract import MEND_THUMBNAIL, ThumbnailPayload
from visearch.errors import BlobDamaged, DependencyUnavailable, NotFound, Overloaded
from visearch.fields import CATALOG_NAME
from visearch.store import products
from visearch.store.redis import hints
from web.services import services

log = structlog.get_logger(__name__)
pages = Blueprint("pages", __name__)
DIGEST = re.compile(r"[0-9a-f]{64}")
MEND_AGAIN_S = 60
"""For how long a thumbnail that is asked for again is not sent to be mended again."""
FOREVER = "public, max-age=31536000, immutable"
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""What a page may load: files from this server only, and no inline scripts or styles."""


@pages.after_request
def _guard(response: Response) -> Response:
    """Set the content security policy on pages; other responses need none."""
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-cache"
    return response


@pages.get("/")
def search_page() -> str:
    """Render the shopper's page."""
    return render_template("search.html", max_image_bytes=services().settings.max_image_bytes)


@pages.get("/merchant")
def merchant_page() -> str:
    """Render the merchant's page."""
    limit = services().settings.max_upload_bytes
    return render_template("merchant.html", max_upload_bytes=limit, name_rule=CATALOG_NAME)


@pages.get("/thumbnails/<string:digest>.jpg")
def thumbnail(digest: str) -> Response:
    """Serve the thumbnail of a live product; its name is the digest of its content."""
    if not DIGEST.fullmatch(digest):
        raise NotFound("There is no such picture.")
    response = Response(mimetype="image/jpeg")
    response.headers["Cache-Control"] = FOREVER
    response.set_etag(digest)
    if digest in request.if_none_match:
        response.status_code = 304
        return response
    with services().database.read() as connection:
        if not products.has_thumbnail(connection, digest):
            raise NotFound("There is no such picture.")
    try:
        response.set_data(services().blobs.get_digest("thumbnails", digest))
    except (NotFound, BlobDamaged) as error:
        log.error("thumbnail_lost", error=error.detail)
        _have_mended(digest)
        raise NotFound("There is no such picture.") from error
    return response


def _have_mended(digest: str) -> None:
    """Have a worker make the thumbnail again; strangers' bytes are not decoded here."""
    try:
        if hints.is_news(services().redis, f"thumbnail:{digest}", MEND_AGAIN_S):
            services().send(MEND_THUMBNAIL, ThumbnailPayload(digest=digest))
    except (DependencyUnavailable, Overloaded) as error:
        log.warning("thumbnail_not_asked_for", error=error.detail)


@pages.get("/samples")
def samples() -> Response:
    """List the sample queries of the demo catalog; empty if there is no demo."""
    folder = services().settings.home.resolve() / "samples"
    if not (folder / "samples.json").is_file():
        return jsonify([])
    return send_from_directory(folder, "samples.json")


@pages.get("/samples/<string:name>")
def sample(name: str) -> Response:
    """Serve one sample picture."""
    return send_from_directory(services().settings.home.resolve() / "samples", name)
