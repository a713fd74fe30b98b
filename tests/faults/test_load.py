"""Heavy use: many writers, generations built (and rotten) under searches, huge pictures."""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import psutil
import pytest
from ledgers import assert_complete, is_fresh, upload
from PIL import Image
from system import System, archive, eventually, picture

WRITERS, WRITES = 8, 15
COMPACT_MIN = 50


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that builds a trained generation after every few changes."""
    settings = {"compact_ratio": "0.01", "brute_force_limit": "200"}
    home = tmp_path_factory.mktemp("load") / "home"
    running = System(home, chunk_items="32", compact_min=str(COMPACT_MIN), **settings).start()
    yield running
    assert running.stop() == 0, running.output()


def test_products_are_put_while_an_import_runs(system: System) -> None:
    """SQLite has one writer at a time: the others wait, and none is turned away."""
    record = upload(system, "writers", range(400))

    def write(writer: int) -> list[int]:
        with httpx.Client(base_url=system.url, timeout=60) as http:
            return [put(http, f"w{writer}-{i}", 1000 + writer * WRITES + i) for i in range(WRITES)]

    def put(http: httpx.Client, product: str, seed: int) -> int:
        files = {"image": ("p.jpg", picture(seed, side=96))}
        return http.put(f"/v1/catalogs/writers/products/{product}", files=files).status_code

    with ThreadPoolExecutor(WRITERS) as pool:
        statuses = Counter(s for done in pool.map(write, range(WRITERS)) for s in done)
    assert statuses == {202: WRITERS * WRITES}
    system.finish(record)
    eventually(lambda: settled(system), seconds=60, what="the end of every import")
    assert system.query("SELECT DISTINCT status FROM imports") == [("succeeded",)]
    catalog = system.http.get("/v1/catalogs/writers").json()
    assert (catalog["products"], catalog["images"]) == (400 + 120, 400 + 120)


def test_searches_succeed_while_generations_are_built(system: System) -> None:
    stop, seeds = threading.Event(), range(500)
    record = upload(system, "built", seeds)

    def search_on() -> Counter[str]:
        seen: Counter[str] = Counter()
        while not stop.is_set():
            seed = sum(seen.values()) % 40
            found = system.search(picture(seed, side=96), "built", limit=1)
            seen[found["status"]] += 1
        return seen

    with ThreadPoolExecutor(2) as pool:
        try:
            readers: list[Future[Counter[str]]] = [pool.submit(search_on) for _ in range(2)]
            system.finish(record)
            eventually(lambda: last_generation(system, 500), seconds=60, what="a generation")
            time.sleep(2)  # searches go on over the new generation
        finally:
            stop.set()
        seen = sum((reader.result() for reader in readers), Counter[str]())
    print(f"searches meanwhile: {dict(seen)}")
    assert set(seen) == {"succeeded"}
    assert_complete(system, record, seeds)


def test_a_rotten_generation_is_refused(system: System) -> None:
    """One flipped byte: searches are answered from the stored embeddings instead."""
    name = eventually(lambda: last_generation(system, 500), what="the last generation")
    folder = system.home / "blobs" / "generations" / name
    path = max(folder.rglob("*"), key=lambda p: p.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    old = system.kill("search")
    system.wait_restarted("search", old)
    eventually(lambda: refused(system, name), seconds=90, what="the refusal")
    eventually(lambda: is_fresh(system, "built", 500), seconds=60, what="an answer")
    for seed in (0, 123, 499):
        found = system.search(picture(seed, side=96), "built", limit=1)
        assert found["results"][0]["product_id"] == f"p{seed}", found
        assert found["results"][0]["score"] > 0.999


def test_a_picture_of_64_megapixels(system: System) -> None:
    """Under the real memory limit of an ingest process; its neighbours do not notice."""
    children = psutil.Process(system.pids()["ingest"]).children()
    limits = [child.rlimit(psutil.RLIMIT_AS)[0] for child in children]
    assert set(limits) == {2 << 30}
    files = [(f"p{i}.jpg", picture(i, side=96)) for i in range(10)]
    big = {"rgb.png": png(8000, 8000, 2), "rgba.png": png(8000, 8000, 6), "deep.png": deep()}
    huge = {"huge.png": png(8001, 8000, 2)}
    upload = archive([*files, *big.items(), *huge.items()])
    record = system.upload(system.create_catalog("big"), upload)
    system.finish(record)
    found = {item["path"]: item["code"] for item in system.items(record)}
    print({name: code for name, code in found.items() if not name.startswith("p")})
    assert found["huge.png"] == "image_too_large"
    assert {found[name] for name in big} <= {None, "image_too_large"}
    assert {found[name] for name, _ in files} == {None}
    assert all(child.is_running() for child in children)


def refused(system: System, generation: str) -> bool:
    """Tell whether a worker has refused it: of search, or of maintain if that looked first."""
    lines = (system.log("search") + system.log("maintain")).splitlines()
    return any(
        "generation_refused" in line and f"generation={generation}" in line for line in lines
    )


def last_generation(system: System, pictures: int) -> str:
    """Return the generation in use once it lacks too few of ``pictures`` to be built again."""
    sql = "SELECT id FROM generations JOIN catalogs ON generation = id WHERE name = 'built'"
    found = system.query(sql + " AND count > ?", pictures - COMPACT_MIN)
    return str(found[0][0]) if found else ""


def settled(system: System) -> bool:
    active = "SELECT count(*) FROM imports WHERE status IN ('received', 'running')"
    return system.query(active) == [(0,)]


def png(width: int, height: int, colour: int) -> bytes:
    """Write a PNG of one colour without holding its pixels: Pillow would need them."""
    row = b"\0" + b"\x80" * (width * {2: 3, 6: 4}[colour])
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts
    )


def deep() -> bytes:
    """A grey picture of 16 bits whose conversion takes more memory than its decoding."""
    out = io.BytesIO()
    Image.new("I;16", (8000, 8000), 4000).save(out, "PNG", compress_level=1)
    return out.getvalue()
