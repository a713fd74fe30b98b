"""The spec ``hf-hub:OWNER/NAME@REVISION[/FILE]`` and where its weights are once pulled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from visearch.errors import UnknownEncoder

PREFIX = "hf-hub:"
_NAME = r"[A-Za-z0-9][\w.-]*"
_SPEC = re.compile(rf"{PREFIX}({_NAME}/{_NAME})@({_NAME})(?:/({_NAME}(?:/{_NAME})*))?")


@dataclass(frozen=True)
class HubSource:
    """A file in a model repository; ``file`` None: whichever holds the weights."""

    repo: str
    revision: str
    file: str | None

    @classmethod
    def parse(cls, spec: str) -> HubSource:
        """Read a spec.

        Raises:
            UnknownEncoder: it does not have the form above.
        """
        match = _SPEC.fullmatch(spec)
        if match is None:
            raise UnknownEncoder(
                f"{spec!r} does not have the form hf-hub:OWNER/NAME@REVISION[/FILE]. Name the "
                "revision (a commit or a tag), so that the weights stay the same."
            )
        return cls(*match.groups())

    @property
    def spec(self) -> str:
        """This source as a spec."""
        file = f"/{self.file}" if self.file else ""
        return f"{PREFIX}{self.repo}@{self.revision}{file}"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which never moves."""
        return re.fullmatch(r"[0-9a-f]{40}", self.revision) is not None

    def path(self, weights: Path) -> Path:
        """Return the file that ``visearch weights pull`` makes in the folder ``weights``."""
        folder = weights / "hf-hub" / self.repo.replace("/", "--") / self.revision
        # A spec cannot name a file that begins with an underscore.
        stem = (self.file or "_").removesuffix(".safetensors")
        return folder / f"{stem}.safetensors"


def note_path(weights: Path) -> Path:
    """Return the file beside pulled ``weights`` that records their origin."""
    return weights.with_suffix(".json")
