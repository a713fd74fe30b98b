"""Settings: one table of names, defaults and help, read from ``VISEARCH_*`` variables.

Every field of :class:`Settings` is one environment variable: ``max_image_bytes`` is
``VISEARCH_MAX_IMAGE_BYTES``. ``docs/settings.md`` lists them; a test compares the two.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from visearch import private
from visearch.contract import MAX_SHARDS
from visearch.errors import SettingsError

PREFIX = "VISEARCH_"
_MIB = 1024 * 1024
_MAX_SOCKET_PATH = 100
"""The kernel allows a Unix socket path of 108 bytes; a deep home folder would exceed it."""

_SHORTER_HOME = "set VISEARCH_HOME to a folder with a shorter path, or VISEARCH_REDIS_URL."


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration of one process; immutable once read."""

    home: Path = _setting(Path(".visearch"), "Folder for everything the embedded defaults write.")
    host: str = _setting("127.0.0.1", "Address the web server binds to.")
    port: int = _setting(8000, "Port the web server binds to.")
    open_access: bool = _setting(
        False, "Serve without keys on an address that others can reach, such as a private network."
    )
    public_hosts: str = _setting(
        "",
        "Host names by which browsers reach this server, comma-separated; needed behind a proxy.",
    )
    redis_url: str = _setting("", "Redis URL; empty starts an embedded server on a socket in HOME.")
    database_url: str = _setting("", "Database URL; empty is SQLite in HOME.")
    blobs_url: str = _setting(
        "", "Object store URL (`file`, `s3`, `gs`, `az`); empty is HOME/blobs."
    )
    encoder: str = _setting(
        "bundled",
        "Encoder for new catalogs: `bundled`, `file:PATH` or `hf-hub:OWNER/NAME@REVISION`.",
    )
    encoders: str = _setting(
        "", "Other encoders, comma-separated, that a client may name for a catalog or a reindex."
    )

    runtime: str = _setting("auto", "Runtime of the encoder: `auto`, `xla`, `onnx` or `openvino`.")
    precision: str = _setting("auto", "Arithmetic of the encoder: `auto`, `float32` or `bfloat16`.")
    encoder_threads: str = _setting("auto", "Encoder threads on a CPU; `auto` is one per core.")

    max_image_bytes: int = _setting(20 * _MIB, "Largest picture file, in bytes.")
    max_image_pixels: int = _setting(
        64_000_000, "Most pixels of a picture as it is decoded; a larger JPEG is decoded smaller."
    )
    max_image_side: int = _setting(16_384, "Longest side of a picture as it is decoded, in pixels.")
    max_upload_bytes: int = _setting(4096 * _MIB, "Largest import file, in bytes.")
    max_import_items: int = _setting(1_000_000, "Most items in one import.")

    replace_guard: float = _setting(
        0.2,
        "Share of a catalog's products that an import with `mode=replace` may remove unless it "
        "says another (`guard`).",
    )
    preview_timeout_s: float = _setting(
        60.0, "Seconds for looking through a file before its import (`dry_run`)."
    )
    preview_kept_h: float = _setting(
        6.0, "Hours for which a file that was looked through is kept, to start its import."
    )

    fetch_allow: str = _setting(
        "",
        "Private places that URLs may lead to all the same: host names (`*.example` for all "
        "below), addresses and networks, comma-separated.",
    )
    fetch_ports: str = _setting(
        "80,443,8080,8443", "Ports that URLs may name, comma-separated, or `all`."
    )
    fetch_proxy: str = _setting(
        "", "HTTP proxy through which all URLs are fetched; it then looks up the names of hosts."
    )
    fetch_per_host: int = _setting(4, "Most URLs of one host that a process fetches at a time.")
    fetch_at_once: int = _setting(64, "Most URLs that one call fetches at a time.")
    fetch_timeout_s: float = _setting(
        15.0, "Seconds for fetching a picture, from the connection to the last byte."
    )
    fetch_chunk_s: float = _setting(
        20.0,
        "Seconds for which an import fetches the pictures of one task; what has not come by then "
        "is put off.",
    )
    fetch_tries: int = _setting(
        6, "Tries to fetch a picture before it fails, where the failure may pass."
    )
    fetch_retry_s: float = _setting(
        10.0,
        "Seconds before the second try; each later wait is four times as long, up to an hour, and "
        "as long as the host asks. Six tries take about an hour.",
    )
    fetch_patience_s: float = _setting(
        86_400.0,
        "Seconds after which a picture fails that was put off without a try, by a host that asks "
        "to be left alone.",
    )
    fetch_file_timeout_s: float = _setting(
        1800.0, "Seconds for fetching a whole file, such as a feed."
    )

    search_deadline_s: float = _setting(15.0, "Seconds from acceptance until a search expires.")
    search_retention_s: int = _setting(3600, "Seconds for which a finished search can be read.")
    search_queue_limit: int = _setting(
        256, "Most searches waiting in the queue; beyond it, new ones get 503."
    )
    search_queue_bytes: int = _setting(
        256 * _MIB,
        "Most bytes of pictures waiting in Redis to be searched; beyond it, new searches get 503.",
    )
    answers_bytes: int = _setting(
        256 * _MIB, "Most bytes of answers kept in Redis; beyond it, the oldest go and are 410."
    )
    redis_memory_bytes: int = _setting(
        1024 * _MIB, "Memory of the embedded Redis, in bytes; when it is full, requests get 503."
    )
    search_batch: int = _setting(16, "Most queries that a search worker encodes in one batch.")
    search_fetches: int = _setting(
        32, "Most searches whose picture is being fetched by URL; beyond it, new ones get 503."
    )
    denoise_queries: bool = _setting(
        True, "Remove impulse noise (salt and pepper) from query pictures that have it."
    )
    search_threads: int = _setting(16, "Threads in one search worker.")
    shards: str = _setting(
        "all",
        "Shards that a search or shard worker holds: `all`, `none` or numbers (`0,2`).",
    )
    shard_workers: int = _setting(
        0, "Shard workers that `up` starts; if any, the search worker holds no shard itself."
    )
    shard_deadline_s: float = _setting(1.0, "Seconds a search waits for answers from shards.")
    ingest_processes: int = _setting(2, "Processes in one ingest worker.")
    web_threads: int = _setting(32, "Threads in the web server.")
    web_connections: int = _setting(
        2000, "Most connections to the web server; beyond it, the one that waits longest is closed."
    )
    web_patience_s: float = _setting(
        30.0, "Seconds for a request's head; after so many below 8 kB a second, a client is left."
    )
    web_uploads: int = _setting(
        4, "Most import files above 64 MB that the web server receives at a time; more get 503."
    )
    chunk_items: int = _setting(64, "Pictures in one ingest or embed task.")
    import_window: int = _setting(12, "Most chunks of one import in flight at a time.")
    max_attempts: int = _setting(3, "Attempts before a piece of work fails for good.")
    import_queue_limit: int = _setting(
        10_000, "Most imports, of files and products, under way; beyond it, new ones get 503."
    )
    import_retention_days: float = _setting(
        90.0, "Days for which an import and its ledger are kept after its end; products' take 7."
    )
    disk_reserve_bytes: int = _setting(
        1024 * _MIB, "Free space on the disk below which no new work is accepted."
    )
    outage_limit_s: float = _setting(
        86_400.0, "Seconds for which an import waits for a dependency before it fails."
    )
    silence_limit_s: float = _setting(
        30.0,
        "Seconds without a sign of life after which `up` restarts a process; a worker that was "
        "told to end may take four times as long.",
    )
    ingest_memory_bytes: int = _setting(
        2048 * _MIB, "Address space of one ingest process, in bytes."
    )
    decoders: int = _setting(
        0,
        "Processes in which a search or embed worker decodes pictures; 0 is one per core, "
        "at most 8.",
    )
    decoder_memory_bytes: int = _setting(
        1536 * _MIB, "Address space of one of these processes, in bytes."
    )
    decode_timeout_s: float = _setting(
        10.0, "Seconds that one of these processes may take for one picture."
    )
    brute_force_limit: int = _setting(
        20_000, "Vectors up to which a search scores every one; above it, a tree is built."
    )
    compact_min: int = _setting(
        2_000, "Fewest changes to an index before a new generation is built."
    )
    compact_ratio: float = _setting(
        0.02, "Smallest share of an index that must change before a new generation is built."
    )
    reindex_share: float = _setting(
        0.5, "Share of its time that an embed worker's encoder may spend on a reindex."
    )
    rollback_days: float = _setting(
        7.0, "Days for which the former encoder's embeddings are kept current for a rollback."
    )
    generations_kept: int = _setting(2, "Index generations kept per catalog, for rollback.")

    demo: bool = _setting(True, "Whether `up` fills an empty store with the drawn demo catalog.")
    log_format: str = _setting("console", "Format of the logs: `console` or `json`.")

    @property
    def database(self) -> str:
        """The database URL to use."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'visearch.db'}"

    @property
    def redis(self) -> str:
        """The Redis URL to use; by default, the embedded server's socket."""
        return self.redis_url or f"unix://{self.redis_socket}"

    @property
    def broker(self) -> str:
        """The same URL in Celery's spelling."""
        return self.redis.replace("unix://", "redis+socket://", 1)

    @property
    def redis_socket(self) -> Path:
        """Unix socket of the embedded Redis; for a long home, in a folder of this user's in /tmp.

        Raises:
            SettingsError: others can get into that folder, or its path is too long as well.
        """
        path = self.home.resolve() / "redis" / "redis.sock"
        if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
            return path
        # Not $XDG_RUNTIME_DIR: it is removed when its user logs out, and `up` may go on.
        folder = Path(tempfile.gettempdir()) / f"visearch-{os.geteuid()}"
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        short = folder / f"{name}.sock"
        if len(os.fsencode(short)) > _MAX_SOCKET_PATH:
            raise SettingsError(
                f"Neither {path} nor {short} is short enough for a Unix socket: {_SHORTER_HOME}"
            )
        private.own_folder(
            folder, f"Redis would listen there for {self.home}. Remove it, or {_SHORTER_HOME}"
        )
        return short

    @property
    def blobs(self) -> str:
        """The object store URL to use."""
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
        unknown = [n for n in unknown if n not in _FOREIGN]
        if unknown:
            raise SettingsError(
                f"{', '.join(unknown)}: no such setting. Correct the spelling or unset it; "
                "docs/settings.md lists all settings."
            )
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
        """``host:port`` as a URL spells it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def held_shards(self) -> frozenset[int] | None:
        """The shard numbers in ``shards``; None for all.

        Raises:
            SettingsError: ``shards`` is not a list of shard numbers.
        """
        if self.shards in ("all", "none"):
            return None if self.shards == "all" else frozenset()
        try:
            held = frozenset(int(number) for number in self.shards.split(","))
        except ValueError:
            held = frozenset({-1})
        if not held <= frozenset(range(MAX_SHARDS)):
            raise SettingsError(
                f"VISEARCH_SHARDS is {self.shards!r}, which is not a list of shards. "
                f"Use `all`, `none` or numbers from 0 to {MAX_SHARDS - 1} separated by commas."
            )
        return held

    @property
    def listed_hosts(self) -> frozenset[str]:
        """The host names in ``public_hosts``, in lower case."""
        return frozenset(re.findall(r"[^,\s]+", self.public_hosts.lower()))

    @property
    def offered_encoders(self) -> frozenset[str]:
        """The encoders that a client may name: bundled, this server's own, and ``encoders``."""
        listed = (spec.strip() for spec in self.encoders.split(","))
        return frozenset({"bundled", self.encoder, *filter(None, listed)})

    def answers_to(self, name: str) -> bool:
        """Whether this server accepts requests for the host ``name``.

        Only listed names and addresses: an attacker can point a domain of their own at this
        server (DNS rebinding), and their pages would then count as ours.
        """
        if name == "localhost" or name in self.listed_hosts:
            return True
        try:
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def check_bind(self) -> None:
        """Refuse to serve other machines by accident: there are no access keys yet.

        Raises:
            SettingsError: the bind is not loopback and ``open_access`` is not set.
        """
        if self.loopback:
            return
        if not self.open_access:
            raise SettingsError(
                f"VISEARCH_HOST is {self.host!r}: anyone who can reach it could read and change "
                "every catalog. Use 127.0.0.1, or set VISEARCH_OPEN_ACCESS=1 behind a proxy that "
                "controls access."
            )

    def environ(self) -> dict[str, str]:
        """The environment that gives a child process these same settings."""
        out = {}
        for f in fields(self):
            value = getattr(self, f.name)
            text = str(value.resolve()) if isinstance(value, Path) else str(value)
            out[PREFIX + f.name.upper()] = text
        return out


_FOREIGN = frozenset({"VISEARCH_SHARED", "VISEARCH_ROLE"})
"""``VISEARCH_`` variables that are not settings: the test data and a worker's own role."""


def _parse(name: str, text: str, default: Any) -> Any:
    try:
        if isinstance(default, bool):
            return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
        if isinstance(default, int):
            return _positive(int(text), default)
        if isinstance(default, float):
            return _positive(float(text), default)
    except (ValueError, KeyError) as error:
        raise SettingsError(f"{name} is {text!r}. Use {_usable(default)}.") from error
    return type(default)(text) if isinstance(default, Path) else text


def _usable(default: float) -> str:
    """Say which values a setting with this default takes."""
    if isinstance(default, bool):
        return "0 or 1"
    least = "above 0" if default else "of 0 or more"
    return f"a whole number {least}" if isinstance(default, int) else f"a number {least}"


def _positive(value: float, default: float) -> float:
    """Return the value; ValueError unless it is above 0 or the default."""
    if not 0 < value < math.inf and value != default:
        raise ValueError("The value must be above 0.")
    return value
