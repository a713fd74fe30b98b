"""What operating systems and programs leave in archives and folders: known by kind, no item."""

from __future__ import annotations

import re
from functools import lru_cache

# Each kind, and how a file or a folder of it is called, in lower case. The first that fits counts.
_KINDS = {
    "macos": (
        r"__macosx|\._.*|\.ds_store|\.spotlight-v100|\.trashes|\.fseventsd|\.apdisk"
        r"|\.appledouble|\.localized|\.documentrevisions-v100|\.temporaryitems|icon\r"
    ),
    "windows": (
        r"thumbs\.db|ehthumbs\.db|ehthumbs_vista\.db|desktop\.ini|\$recycle\.bin"
        r"|system volume information|zbthumbnail\.info|picasa\.ini"
    ),
    "storage": r"@eadir|@tmp|#recycle|lost\+found",  # what network storage adds
    "lock": r"~\$.*|\.~lock\..*#",
    "hidden": r"\..*",
}
_TEMPORARY = (".tmp", ".temp", ".crdownload", ".part", ".partial", ".swp", "~")

_NO_PICTURES = (
    "txt", "md", "pdf", "doc", "docx", "odt", "rtf", "htm", "html", "url", "lnk", "log",
    "aae", "xmp", "mov", "mp4", "m4v", "avi", "mp3", "wav",
)  # fmt: skip
"""What people, cameras and phones put beside pictures."""

JUNK = (*_KINDS, "temporary")
"""The kinds of junk."""

_NAMED = re.compile("|".join(f"(?P<{kind}>{named})" for kind, named in _KINDS.items()), re.S)


def junk_kind(path: str) -> str | None:
    """Return which of ``JUNK`` a normalised path is; None if it is none."""
    folder, _, name = path.lower().rpartition("/")
    if folder and (kind := _kind_of_folder(folder)):
        return kind
    # Of a file only: a folder may well be called so.
    return _kind(name) or ("temporary" if name.endswith(_TEMPORARY) else None)


def is_no_picture(path: str) -> bool:
    """Tell whether a file's name says that it is something else: a note, a document, a film."""
    return path.rpartition(".")[2].lower() in _NO_PICTURES


@lru_cache(1024)  # many files are in one folder
def _kind_of_folder(path: str) -> str | None:
    return next(filter(None, map(_kind, path.split("/"))), None)


def _kind(name: str) -> str | None:
    match = _NAMED.fullmatch(name)
    return match.lastgroup if match else None
