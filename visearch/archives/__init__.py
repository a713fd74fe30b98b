"""Uploaded archives: a zip or tar from a merchant → its pictures, listed and then fetched.

``plan`` lists the items once, without reading a pixel; ``fetch`` reads any handful of them
later, from any machine, by byte range and the ``locator`` each item carries. Nothing is
ever extracted to a disk, so a member's name is text and never a path.
"""

from visearch.archives.fetch import fetch
from visearch.archives.plan import plan
from visearch.archives.sniff import Media, sniff

__all__ = ["Media", "fetch", "plan", "sniff"]
