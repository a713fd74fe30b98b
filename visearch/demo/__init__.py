"""A demo catalog drawn by visearch itself, so that a first start has something to find.

No photographs and nothing downloaded: every picture is drawn here, and every product
says so (attribute ``picture`` = ``drawn``, titles end in ``(drawn)``). The catalog is
written as an ordinary archive and comes in through the ordinary import.
"""

from visearch.demo.archive import write_archive
from visearch.demo.draw import CAPACITY, DemoProduct, products
from visearch.demo.samples import Sample, sample_queries, samples, write_samples

__all__ = [
    "CAPACITY",
    "DemoProduct",
    "Sample",
    "products",
    "sample_queries",
    "samples",
    "write_archive",
    "write_samples",
]
