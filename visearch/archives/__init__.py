"""Uploaded archives: a merchant's zip or tar → a list of items → their pictures' bytes.

``plan`` lists the items once, without reading a picture. ``fetch`` reads any of them later, on
any machine, by byte range from the item's ``locator``. Nothing is extracted to disk: a
member's name is text, never a path.
"""

from visearch.archives.compressed import compression_of, open_compressed
from visearch.archives.fetch import fetch
from visearch.archives.plan import plan
from visearch.archives.sniff import Media, sniff

__all__ = ["Media", "compression_of", "fetch", "open_compressed", "plan", "sniff"]
