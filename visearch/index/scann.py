"""Build a ScaNN tree over an immutable array, as cheap to search as the promised recall allows.

It is a partition tree with anisotropic 4-bit codes of the residual of a vector to its leaf's
centre (Guo et al. 2020, arXiv:1908.10396). ``coded.py`` scores the candidates.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from math import isqrt
from typing import Any

from visearch.index.coded import Coded
from visearch.index.recall import NEIGHBOURS, Sample
from visearch.index.scoring import Floats
from visearch.index.searcher import Searcher, SearcherSettings
from visearch.index.tuning import Setting, Tree, cheapest

SMALLEST_TREE = 257
"""Fewer points cannot train 16 codes per block and several leaves."""
_SAMPLING_ERROR = 0.01
"""The recall on the sample must exceed the promise by this margin, because the sample may be lucky;
or by half of what is missing to 1, if that is less."""
_COARSE, _FINE = 2, 1
"""How many numbers of a vector share a code."""
_POINTS_A_LEAF = 250
"""Training points per leaf. With 100, ScaNN drops some centres, because it wants 50 points in each,
and their points are scattered over leaves that no search visits."""
_MOST_CODES = 256
"""The most codes of a vector that ScaNN can add up in 16 bits."""


def build(
    vectors: Floats, coded: Coded, sample: Sample, *, target_recall: float, threads: int = 1
) -> Searcher:
    """Build a tree over vectors float32 [n, d], n ≥ ``SMALLEST_TREE``, with ``threads`` threads.

    ``coded`` are the same vectors, and ``sample`` holds queries among them. The result is the
    cheapest setting whose recall@10 reaches ``target_recall`` with a margin for the sampling
    error. If coarse codes need so many candidates that finer codes could be cheaper, both are
    tried. A target near 1 may be missed by a neighbour or two in thousands, which the codes hide
    however hard they are searched; ``settings.recall`` shows this. Training is not reproducible:
    ScaNN takes no seed.
    """
    leaves, dimension = isqrt(len(vectors)), vectors.shape[1]
    coarse, fine = (Tree(leaves, len(vectors), _COARSE // block) for block in (_COARSE, _FINE))

    def built(tree: Tree) -> tuple[float, Searcher]:
        searcher = _tuned(vectors, coded, sample, tree, target_recall, threads)
        return tree.cost(_setting(searcher.settings)), searcher

    cost, searcher = built(coarse)
    kept = searcher.settings.recall >= _aim(target_recall)
    hope = fine.cost(fine.cheapest_with(searcher.settings.leaves_to_search))
    if dimension > _MOST_CODES * _FINE or (kept and hope >= cost):
        return searcher
    other_cost, other = built(fine)
    if kept and other.settings.recall >= _aim(target_recall):
        return other if other_cost < cost else searcher
    return max(searcher, other, key=lambda each: each.settings.recall)


def _tuned(
    vectors: Floats, coded: Coded, sample: Sample, tree: Tree, target: float, threads: int
) -> Searcher:
    block = _COARSE // tree.fine
    raw = _train(vectors, coded.metric == "cosine", tree.leaves, block, threads)
    curve: list[list[float]] = []
    start = SearcherSettings(
        metric=coded.metric,
        count=len(vectors),
        leaves=tree.leaves,
        block=block,
        leaves_to_search=0,
        reorder=0,
        recall=0.0,
        target=target,
    )

    @cache
    def recall(setting: Setting) -> float:
        search = Searcher(raw, _searching(start, setting)).search
        found = sample.recall(partial(search, coded=coded))
        curve.append([*setting, round(found, 4)])
        return found

    chosen = cheapest(tree, _aim(target), recall)
    settings = replace(_searching(start, chosen), recall=recall(chosen), curve=curve)
    return Searcher(raw, settings)


def _train(vectors: Floats, dot: bool, leaves: int, block: int, threads: int) -> Any:
    from scann.scann_ops.py import scann_ops_pybind

    measure = "dot_product" if dot else "squared_l2"
    builder = scann_ops_pybind.builder(vectors, NEIGHBOURS, measure)
    builder.set_n_training_threads(threads)
    # k-means++ takes some seconds, but leaves fewer clusters with two centres.
    sample = min(len(vectors), _POINTS_A_LEAF * leaves)
    builder.tree(leaves, NEIGHBOURS, training_sample_size=sample, random_init=False)
    # The anisotropic loss is defined for inner products only.
    builder.score_ah(block, anisotropic_quantization_threshold=0.2 if dot else float("nan"))
    return builder.build().searcher


def _aim(target: float) -> float:
    return target + min(_SAMPLING_ERROR, (1 - target) / 2)


def _searching(settings: SearcherSettings, setting: Setting) -> SearcherSettings:
    return replace(settings, leaves_to_search=setting.leaves, reorder=setting.reorder)


def _setting(settings: SearcherSettings) -> Setting:
    return Setting(settings.leaves_to_search, settings.reorder)
