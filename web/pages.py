"""The pages and what they load: HTML, thumbnails, the demo's sample queries, API docs."""

from __future__ import annotations

import re

from flask import Blueprint, Response, jsonify, render_template, request, send_from_directory

from visearch.errors import NotFound
from visearch.fields import CATALOG_NAME
from visearch.store import products
from web.services import services

pages = Blueprint("pages", __name__)
DIGEST = re.compile(r"[0-9a-f]{64}")
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
"""What a page may load: our own files only, and never a script written into the page."""


@pages.after_request
def _guard(response: Response) -> Response:
    """Pages get the content security policy; pictures and lists need none."""
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-cache"
    return response


@pages.get("/")
def search_page() -> str:
    """The shopper's page."""
    return render_template("search.html", max_image_bytes=services().settings.max_image_bytes)


@pages.get("/merchant")
def merchant_page() -> str:
    """The merchant's page."""
    limit = services().settings.max_upload_bytes
    return render_template("merchant.html", max_upload_bytes=limit, name_rule=CATALOG_NAME)


@pages.get("/thumbnails/<string:digest>.jpg")
def thumbnail(digest: str) -> Response:
    """Serve a small picture of a live product; its name is its content's digest."""
    if not DIGEST.fullmatch(digest):
        raise NotFound("there is no such picture")
    response = Response(mimetype="image/jpeg")
    response.headers["Cache-Control"] = FOREVER
    response.set_etag(digest)
    if digest in request.if_none_match:
        response.status_code = 304
        return response
    with services().database.read() as connection:
        if not products.has_thumbnail(connection, digest):
            raise NotFound("there is no such picture")
    response.set_data(services().blobs.get(f"thumbnails/{digest}"))
    return response


@pages.get("/samples")
def samples() -> Response:
    """List the sample queries that go with the demo catalog (none without it)."""
    folder = services().settings.home.resolve() / "samples"
    if not (folder / "samples.json").is_file():
        return jsonify([])
    return send_from_directory(folder, "samples.json")


@pages.get("/samples/<string:name>")
def sample(name: str) -> Response:
    """Serve one sample picture."""
    return send_from_directory(services().settings.home.resolve() / "samples", name)
