"""Uploaded files: a merchant's zip, tar or table → a list of items → their pictures' bytes.

``Contents`` lists the items once, without reading a picture. ``fetch`` reads any of them later, on
any machine, by byte range from the item's ``locator``. Nothing is extracted to disk: a
member's name is text, never a path.
"""

from visearch.archives.compressed import compression_of, open_compressed
from visearch.archives.fetch import fetch
from visearch.archives.plan import Contents
from visearch.archives.sniff import Media, sniff

__all__ = ["Contents", "Media", "compression_of", "fetch", "open_compressed", "sniff"]
