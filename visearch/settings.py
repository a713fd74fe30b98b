"""Settings: one table of names, defaults and help, read from ``VISEARCH_*`` variables.

Every field of :class:`Settings` is one environment variable: ``max_image_bytes`` is
``VISEARCH_MAX_IMAGE_BYTES``. ``docs/settings.md`` lists them; a test compares the two.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from visearch.contract import MAX_SHARDS
from visearch.errors import SettingsError

PREFIX = "VISEARCH_"
MIB = 1024 * 1024
MAX_SOCKET_PATH = 100
"""A Unix socket's address has 108 bytes; a deep home folder would not fit."""


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration of one process; immutable once read."""

    home: Path = _setting(Path(".visearch"), "Folder of everything the embedded defaults write.")
    host: str = _setting("127.0.0.1", "Address the web server binds.")
    port: int = _setting(8000, "Port the web server binds.")
    open_access: bool = _setting(
        False, "Serve without keys on an address others can reach (a private network, say)."
    )
    public_hosts: str = _setting(
        "", "Names, comma-separated, by which browsers reach this server (behind a proxy, say)."
    )
    redis_url: str = _setting("", "Redis; empty starts an embedded server on a socket in HOME.")
    database_url: str = _setting("", "SQLAlchemy URL; empty is SQLite in HOME.")
    blobs_url: str = _setting("", "Object store URL (file, s3, gs, az); empty is HOME/blobs.")
    encoder: str = _setting(
        "bundled",
        "Encoder of new catalogs: `bundled`, `file:PATH` or `hf-hub:OWNER/NAME@REVISION`.",
    )
    encoders: str = _setting(
        "", "Other encoders, comma-separated, that a client may name for a catalog or a reindex."
    )

    runtime: str = _setting("auto", "What runs the encoder: `auto`, `xla`, `onnx` or `openvino`.")
    precision: str = _setting("auto", "Arithmetic of the encoder: `auto`, `float32` or `bfloat16`.")
    encoder_threads: str = _setting(
        "auto", "Threads of the encoder on a CPU; `auto` is one per core."
    )

    max_image_bytes: int = _setting(20 * MIB, "Largest picture file accepted, in bytes.")
    max_image_pixels: int = _setting(64_000_000, "Most pixels a picture may have.")
    max_image_side: int = _setting(16_384, "Longest side a picture may have, in pixels.")
    max_upload_bytes: int = _setting(4096 * MIB, "Largest import file accepted, in bytes.")
    max_import_items: int = _setting(1_000_000, "Most items one import may have.")

    search_deadline_s: float = _setting(15.0, "Seconds from acceptance until a search expires.")
    search_retention_s: int = _setting(3600, "Seconds a finished search can be read.")
    search_queue_limit: int = _setting(256, "Waiting searches above which new ones get 503.")
    search_batch: int = _setting(16, "Most queries encoded together by one search worker.")

    search_threads: int = _setting(16, "Threads of one search worker.")
    shards: str = _setting(
        "all",
        "Shards of catalogs a search or shard worker holds: `all`, `none` or numbers (`0,2`).",
    )
    shard_workers: int = _setting(
        0, "Shard workers that `up` starts; the search worker then holds no shard itself."
    )
    shard_deadline_s: float = _setting(1.0, "Seconds a search waits for the shards it asks.")
    ingest_processes: int = _setting(2, "Processes of one ingest worker.")
    web_threads: int = _setting(32, "Threads of the web server.")
    chunk_items: int = _setting(64, "Pictures handled by one ingest or embed task.")
    import_window: int = _setting(12, "Chunks of one import in flight at a time.")
    max_attempts: int = _setting(3, "Tries before a piece of work is failed for good.")
    ingest_memory_bytes: int = _setting(2048 * MIB, "Address space of one ingest process.")
    brute_force_limit: int = _setting(20_000, "Vectors up to which the index is exhaustive.")
    compact_min: int = _setting(2_000, "Fewest index changes that justify a new generation.")
    compact_ratio: float = _setting(
        0.02, "Smallest changed share of the index that justifies a new generation."
    )
    reindex_share: float = _setting(
        0.5, "Share of the time that a reindex may keep an embed worker's encoder busy."
    )
    rollback_days: float = _setting(
        7.0, "Days for which the former encoder's embeddings are kept up for a rollback."
    )
    generations_kept: int = _setting(2, "Index generations kept for rollback, per catalog.")

    demo: bool = _setting(True, "Fill an empty store with the drawn demo catalog on `up`.")
    log_format: str = _setting("console", "`console` or `json`.")

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'visearch.db'}"

    @property
    def redis(self) -> str:
        """The Redis URL in force; the embedded server listens on this socket."""
        return self.redis_url or f"unix://{self.redis_socket}"

    @property
    def broker(self) -> str:
        """The same Redis as Celery spells it."""
        return self.redis.replace("unix://", "redis+socket://", 1)

    @property
    def redis_socket(self) -> Path:
        """Unix socket of the embedded Redis."""
        path = self.home.resolve() / "redis" / "redis.sock"
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
            return path
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"visearch-{name}.sock"

    @property
    def blobs(self) -> str:
        """The object store URL in force."""
        return self.blobs_url or f"file://{self.home.resolve() / 'blobs'}"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from ``environ`` (default: the process environment).

        Raises:
            SettingsError: a value does not parse, or a ``VISEARCH_`` name is unknown.
        """
        environ = os.environ if environ is None else environ
        known = {PREFIX + f.name.upper(): f for f in fields(cls)}
        unknown = sorted(n for n in environ if n.startswith(PREFIX) and n not in known)
        unknown = [n for n in unknown if n not in FOREIGN]
        if unknown:
            raise SettingsError(f"unknown setting {', '.join(unknown)}; see docs/settings.md")
        values = {
            f.name: _parse(name, environ[name], f.default)
            for name, f in known.items()
            if environ.get(name)
        }
        return cls(**values)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def address(self) -> str:
        """``host:port`` as it stands in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def held_shards(self) -> frozenset[int] | None:
        """The numbers of ``shards``; None for all.

        Raises:
            SettingsError: it is not a list of shards.
        """
        if self.shards in ("all", "none"):
            return None if self.shards == "all" else frozenset()
        try:
            held = frozenset(int(number) for number in self.shards.split(","))
        except ValueError:
            held = frozenset({-1})
        if not held <= frozenset(range(MAX_SHARDS)):
            raise SettingsError(
                f"VISEARCH_SHARDS={self.shards} must be `all`, `none` or numbers from 0 to "
                f"{MAX_SHARDS - 1} with commas between"
            )
        return held

    @property
    def listed_hosts(self) -> frozenset[str]:
        """The names of ``public_hosts``."""
        return frozenset(re.findall(r"[^,\s]+", self.public_hosts.lower()))

    @property
    def offered_encoders(self) -> frozenset[str]:
        """The encoders that a client may name: bundled, this server's own, and ``encoders``."""
        listed = (spec.strip() for spec in self.encoders.split(","))
        return frozenset({"bundled", self.encoder, *filter(None, listed)})

    def answers_to(self, name: str) -> bool:
        """Whether a browser may call this server ``name``.

        Only listed names and addresses: a stranger's name that was made to point here (DNS
        rebinding) would let that stranger's pages pass for ours.
        """
        if name == "localhost" or name in self.listed_hosts:
            return True
        try:
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def check_bind(self) -> None:
        """Refuse to serve strangers: there are no access keys yet.

        Raises:
            SettingsError: the bind is not loopback and ``open_access`` is not set.
        """
        if self.loopback:
            return
        if not self.open_access:
            raise SettingsError(
                f"VISEARCH_HOST={self.host} lets anyone who reaches it read and change every "
                "catalog; bind 127.0.0.1, or set VISEARCH_OPEN_ACCESS=1 behind a proxy that "
                "checks access"
            )

    def environ(self) -> dict[str, str]:
        """The environment that makes a child process read these same settings."""
        out = {}
        for f in fields(self):
            value = getattr(self, f.name)
            text = str(value.resolve()) if isinstance(value, Path) else str(value)
            out[PREFIX + f.name.upper()] = text
        return out


FOREIGN = frozenset({"VISEARCH_SHARED", "VISEARCH_ROLE"})
"""``VISEARCH_`` variables that are not settings: test data, the supervisor's mark."""


def _parse(name: str, text: str, default: Any) -> Any:
    try:
        if isinstance(default, bool):
            return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
        if isinstance(default, int):
            return _positive(int(text), default)
        if isinstance(default, float):
            return _positive(float(text), default)
    except (ValueError, KeyError) as error:
        kind = type(default).__name__
        raise SettingsError(f"{name}={text!r} is not a valid {kind}") from error
    return type(default)(text) if isinstance(default, Path) else text


def _positive(value: float, default: float) -> float:
    """Return a value above 0, or the default where that is 0."""
    if value <= 0 and value != default:
        raise ValueError("must be positive")
    return value
