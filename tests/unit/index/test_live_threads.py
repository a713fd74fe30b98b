"""Readers search while a writer makes 2000 changes: no error, and no removed key comes back."""

from __future__ import annotations

import threading

import numpy as np
from clouds import FINGERPRINT, cloud, live_keys, save

from visearch.index import LiveIndex, open_generation

D, BASE, CHANGES = 8, 1500, 2000


class Shared:
    """What the threads share: the current snapshot, and the log of keys by the change."""

    def __init__(self, index):
        self.index = index
        self.errors = []
        self.searches = 0


def writer(shared, vectors):
    """Add key BASE + i in change i; remove key i (base) or the key added 50 changes ago."""
    try:
        for i in range(CHANGES):
            gone = i if i % 2 and i < BASE else BASE + i - 50
            shared.index = shared.index.apply(
                np.array([BASE + i], np.int64), vectors[i : i + 1], np.array([gone]), i + 4
            )
    except BaseException as error:
        shared.errors.append(error)


def live_at(revision):
    """Return the live keys after the change of this revision."""
    live = set(range(BASE))
    for i in range(revision - 3):
        live.add(BASE + i)
        live.discard(i if i % 2 and i < BASE else BASE + i - 50)
    return live


def reader(shared, queries, done):
    try:
        while not done.is_set():
            for query in queries:
                index = shared.index
                found = index.search(query, 20)
                some = index.search(query, 5, allowed=np.arange(0, BASE + CHANGES, 3))
                live = live_at(index.revision)
                assert len(found) == 20 and {n.image for n in (*found, *some)} <= live
                assert index.size == len(live)
                assert len({n.image for n in found}) == 20
                shared.searches += 1
                if done.is_set():
                    return
    except BaseException as error:
        shared.errors.append(error)


def test_readers_never_see_a_half_made_change(tmp_path):
    save(tmp_path / "g", cloud(1, BASE, D, "cosine"))
    shared = Shared(LiveIndex.on(open_generation(tmp_path / "g", fingerprint=FINGERPRINT)))
    done = threading.Event()
    queries = cloud(2, 50, D, "cosine")
    readers = [threading.Thread(target=reader, args=(shared, queries, done)) for _ in range(2)]
    writing = threading.Thread(target=writer, args=(shared, cloud(3, CHANGES, D, "cosine")))
    for thread in (*readers, writing):
        thread.start()
    writing.join()
    done.set()
    for thread in readers:
        thread.join()
    assert shared.errors == []
    assert shared.searches > 50
    assert live_keys(shared.index) == sorted(live_at(CHANGES + 3))
