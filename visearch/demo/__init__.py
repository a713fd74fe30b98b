"""A demo catalog drawn by visearch itself, so that a first start has something to find.

Nothing is photographed or downloaded: every picture is drawn here, and every product says so
(the attribute ``picture`` is ``drawn``, titles end in ``(drawn)``). The catalog is written as
an ordinary archive and imported like any other.
"""

from visearch.demo.archive import write_archive
from visearch.demo.samples import write_samples

__all__ = ["write_archive", "write_samples"]
