"""Building a ScaNN searcher over an immutable array, as cheap as its promise allows.

Up to a limit ScaNN scores every vector; above it a partition tree, anisotropic 4-bit codes and
reordering by 8-bit ones (Guo et al. 2020, arXiv:1908.10396), with spilling for dot products
(SOAR, Sun et al. 2023, arXiv:2404.00774).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from math import isqrt
from typing import Any

from visearch.index.recall import NEIGHBOURS, Sample
from visearch.index.scoring import Floats, check_metric, check_shape
from visearch.index.searcher import Searcher, SearcherSettings
from visearch.index.tuning import Setting, Tree, cheapest
from visearch.records import TARGET_RECALL, Metric

BRUTE_FORCE_LIMIT = 20_000
"""Up to here scoring everything takes under a millisecond; also what ScaNN's guide advises."""
_SAMPLING_ERROR = 0.01
"""A tree must show that much more on the sample than is promised: the sample may be lucky. Where
less than twice as much is left to gain, half of that."""
_COPIES = 2
"""SOAR puts every point into so many leaves."""
_SMALLEST_TREE = 256  # fewer points than this cannot train 16 codes a block and some leaves


def build(
    vectors: Floats,
    metric: Metric,
    *,
    brute_force_limit: int = BRUTE_FORCE_LIMIT,
    target_recall: float = TARGET_RECALL,
    threads: int = 1,
) -> Searcher:
    """Build a searcher over vectors float32 [n, d], n ≥ 1, with ``threads`` threads.

    The cheapest setting is kept whose recall@10 reaches ``target_recall`` with a margin for the
    sampling error. A promise near 1 may be missed by a neighbour or two of thousands that the codes
    hide however hard they are searched; ``settings.recall`` says so. Training is not reproducible:
    ScaNN takes no seed.

    Raises ValueError for another dtype or shape, no vectors, values that are not finite or, for
    ``cosine``, not unit vectors.
    """
    check_metric(metric)
    check_shape(vectors)
    if len(vectors) == 0:
        raise ValueError("a searcher needs at least one vector")
    settings = SearcherSettings(
        metric=metric, count=len(vectors), dimension=vectors.shape[1], target=target_recall
    )
    if len(vectors) > max(brute_force_limit, _SMALLEST_TREE):
        settings = replace(settings, leaves=isqrt(len(vectors)))
    sample = Sample(vectors, metric)  # before training: it checks every vector
    return _tune(_train(vectors, settings, threads), settings, vectors, sample)


def _train(vectors: Floats, settings: SearcherSettings, threads: int) -> Any:
    from scann.scann_ops.py import scann_ops_pybind

    dot = settings.metric == "cosine"
    measure = "dot_product" if dot else "squared_l2"
    builder = scann_ops_pybind.builder(vectors, NEIGHBOURS, measure)
    builder.set_n_training_threads(threads)
    if not settings.leaves:
        return builder.score_brute_force().build()
    # SOAR and anisotropic loss are about inner products; ScaNN refuses SOAR for distances.
    spill = {"soar_lambda": 1.5} if dot else {}
    builder.tree(settings.leaves, 10, training_sample_size=100_000, **spill)
    builder.score_ah(2, anisotropic_quantization_threshold=0.2 if dot else float("nan"))
    from scann.scann_ops.py.scann_builder import ReorderType

    return builder.reorder(100, quantize=ReorderType.INT8).build()


def _tune(raw: Any, settings: SearcherSettings, vectors: Floats, sample: Sample) -> Searcher:
    curve: list[list[float]] = []

    @cache
    def recall(setting: Setting) -> float:
        search = Searcher(raw, _searching(settings, setting)).search
        found = sample.recall(partial(search, vectors=vectors))
        curve.append([*setting, round(found, 4)])
        return found

    copies = _COPIES if settings.metric == "cosine" else 1
    tree = Tree(settings.leaves, settings.count, copies)
    aim = settings.target + min(_SAMPLING_ERROR, (1 - settings.target) / 2)
    chosen = cheapest(tree, aim, recall) if settings.leaves else Setting(0, 0)
    settings = replace(_searching(settings, chosen), recall=recall(chosen), curve=curve)
    return Searcher(raw, settings)


def _searching(settings: SearcherSettings, setting: Setting) -> SearcherSettings:
    return replace(settings, leaves_to_search=setting.leaves, reorder=setting.reorder)
