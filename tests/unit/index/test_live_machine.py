"""LiveIndex against a dict, through random adds, removals, compactions and searches."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from clouds import FINGERPRINT, live_keys, oracle, scores_of, scores_of_vector
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from visearch.index import LiveIndex, open_generation, write
from visearch.index.scoring import METRICS

D = 3
KEYS = st.integers(-5, 160)
SEEDS = st.integers(0, 11)
"""Few seeds over a coarse grid, so copies, and therefore ties, are common."""


def point(seed, metric):
    grid = np.random.default_rng(np.random.SeedSequence(seed)).integers(-2, 3, size=D) + 0.25
    vector = grid.astype(np.float32)
    return vector / np.linalg.norm(vector) if metric == "cosine" else vector


class AgainstADict(RuleBasedStateMachine):
    """The model is {key: vector}; the oracle scores all of it in order of key."""

    @initialize(metric=st.sampled_from(METRICS))
    def start(self, metric):
        self.metric, self.model, self.revision, self.generations = metric, {}, 0, 0
        self.index = LiveIndex.empty(D, metric)
        self.folder = tempfile.TemporaryDirectory()

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(added=st.lists(st.tuples(KEYS, SEEDS), max_size=40), removed=st.lists(KEYS, max_size=12))
    def change(self, added, removed):
        self.revision += 1
        vectors = [point(seed, self.metric) for _, seed in added]
        for (key, _), vector in zip(added, vectors, strict=True):
            self.model.setdefault(key, vector)
        for key in removed:
            self.model.pop(key, None)
        keys = np.array([key for key, _ in added], np.int64)
        stacked = np.array(vectors, np.float32).reshape(-1, D)
        gone = np.array(removed, np.int64)
        self.index = self.index.apply(keys, stacked, gone, self.revision)

    @rule(first=st.integers(0, 100), seed=SEEDS)
    def fill(self, first, seed):
        self.change([(first + i, (seed + i) % 12) for i in range(60)], [])

    @rule()
    def compact(self):
        self.generations += 1
        keys, vectors = self.arrays()
        folder = Path(self.folder.name) / str(self.generations)
        names = {"id": folder.name, "catalog": 1, "revision": self.revision}
        write(folder, vectors, keys, metric=self.metric, fingerprint=FINGERPRINT, **names)
        self.index = LiveIndex.on(open_generation(folder, fingerprint=FINGERPRINT))
        assert self.index.delta_size == self.index.tombstones == 0

    @rule(seed=st.integers(0, 20), k=st.integers(1, 60), offset=st.integers(0, 20))
    def search(self, seed, k, offset):
        query = point(seed, self.metric)
        found = self.index.search(query, offset + k)[offset:]
        assert [(n.image, n.score) for n in found] == self.oracle(query, k + offset)[offset:]

    @rule(seed=SEEDS, k=st.integers(1, 30), allowed=st.lists(KEYS, max_size=60))
    def search_among(self, seed, k, allowed):
        query = point(seed, self.metric)
        found = self.index.search(query, k, allowed=np.array(allowed, np.int64))
        assert [(n.image, n.score) for n in found] == self.oracle(query, k, set(allowed))

    @rule(key=KEYS)
    def look_up(self, key):
        vector = self.model.get(key)
        expected = [] if vector is None else scores_of_vector(vector, self.metric)
        assert scores_of(self.index, key) == expected

    @invariant()
    def holds_what_the_model_holds(self):
        if hasattr(self, "model"):
            assert self.index.size == len(self.model)
            assert live_keys(self.index) == sorted(self.model)
            assert self.index.revision == self.revision

    def arrays(self, among=None):
        keys = sorted(set(self.model) & among if among is not None else self.model)
        vectors = np.array([self.model[key] for key in keys], np.float32).reshape(-1, D)
        return np.array(keys, np.int64), vectors

    def oracle(self, query, k, among=None):
        keys, vectors = self.arrays(among)
        rows, scores = oracle(query[None], vectors, k, self.metric)
        return list(zip(keys[rows[0]].tolist(), scores[0].tolist(), strict=True))


TestAgainstADict = pytest.mark.filterwarnings("error")(AgainstADict.TestCase)
AgainstADict.TestCase.settings = settings.get_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "index-quick")
)
