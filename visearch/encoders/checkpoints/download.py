"""Downloads from the Hugging Face hub, verified by the SHA-256 that the hub or the user states."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi, ModelInfo, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from visearch.encoders.checkpoints.hub import HubSource
from visearch.errors import DependencyUnavailable, UnknownEncoder, WeightsMismatch

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file of a repository, as it was at one commit."""

    path: Path
    file: str
    commit: str
    sha256: str
    licence: str | None
    config: dict[str, Any] | None

    def notes(self, source: HubSource) -> dict[str, str | None]:
        """Return what an encoder made of it records: its origin and its licence."""
        return {
            "repository": source.repo,
            "commit": self.commit,
            "file": self.file,
            "sha256": self.sha256,
            "licence": self.licence,
        }


def download(source: HubSource, cache: Path, sha256: str | None = None) -> Download:
    """Download the weights that ``source`` names, and ``config.json`` if there is one.

    Raises:
        UnknownEncoder: there is no such repository, revision or file.
        WeightsMismatch: the file's SHA-256 is not the one that the hub, or ``sha256``, states.
        DependencyUnavailable: the hub does not answer.
    """
    try:
        info = HfApi().model_info(source.repo, revision=source.revision, files_metadata=True)
        if info.sha is None or (source.pinned and info.sha != source.revision):
            raise WeightsMismatch(
                f"The hub answered the request for {source.spec} with commit {info.sha}."
            )
        names = [file.rfilename for file in info.siblings or ()]
        chosen = source.file or _choose(source, names)
        path = _fetch(source.repo, chosen, info.sha, cache)
        config = None
        if "config.json" in names:
            text = _fetch(source.repo, "config.json", info.sha, cache).read_text(encoding="utf-8")
            config = json.loads(text)
    except LocalEntryNotFoundError as error:
        raise _unanswered(source, error) from error
    except (RepositoryNotFoundError, EntryNotFoundError, HfHubHTTPError) as error:
        raise _translated(source, error) from error
    except (httpx2.HTTPError, OSError) as error:
        raise _unanswered(source, error) from error
    except ValueError as error:
        raise WeightsMismatch(f"The config.json of {source.spec} is not JSON ({error}).") from error
    return Download(
        path=path,
        file=chosen,
        commit=info.sha,
        sha256=_verified(path, sha256 or _promised(info, chosen)),
        licence=_licence(info),
        config=config,
    )


def _unanswered(source: HubSource, error: Exception) -> DependencyUnavailable:
    return DependencyUnavailable(
        f"The hub does not answer ({error or type(error).__name__}). Pull {source.spec} on a "
        "machine with network access, or copy its file here and use `visearch weights convert`."
    )


def _fetch(repo: str, file: str, commit: str, cache: Path) -> Path:
    return Path(hf_hub_download(repo, file, revision=commit, cache_dir=cache))


def _choose(source: HubSource, names: Iterable[str]) -> str:
    weights = [name for name in names if name.endswith(_SUFFIXES)]
    for name in _WEIGHTS:
        if name in weights:
            return name
    if len(weights) != 1:
        raise UnknownEncoder(
            f"{source.spec} has {len(weights)} files of weights "
            f"({', '.join(sorted(weights)) or 'none'}). Name one as {source.spec}/FILE."
        )
    return weights[0]


def _translated(source: HubSource, error: Exception) -> UnknownEncoder | DependencyUnavailable:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, RepositoryNotFoundError | EntryNotFoundError) or status in (401, 403, 404):
        return UnknownEncoder(
            f"The hub has no {source.spec}, or it requires a token (HF_TOKEN). Check the name."
        )
    return DependencyUnavailable(f"The hub answered with status {status}. Try again later.")


def _promised(info: ModelInfo, file: str) -> str:
    for sibling in info.siblings or ():
        if sibling.rfilename == file and sibling.lfs is not None:
            return str(sibling.lfs.sha256)
    raise WeightsMismatch(f"The hub states no SHA-256 for {file}. State it with --sha256.")


def _verified(path: Path, expected: str) -> str:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected.lower():
        # Remove the file and the cache's link to it; if not, the next pull would use it.
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise WeightsMismatch(
            f"{path.name} has SHA-256 {found}, not {expected}: it is damaged or was replaced. "
            "Pull it again."
        )
    return found


def _licence(info: ModelInfo) -> str | None:
    tags = [tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")]
    return tags[0] if tags else None
