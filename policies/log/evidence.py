"""An evidence zip: everything that somebody needs to check a log offline, with tools that we did not write.

The same log gives the same bytes: names are sorted and times fixed. It is read back by `verify` like a folder.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from policies.canonical import sha256
from policies.errors import Refused
from policies.log.lint import schema
from policies.log.note import MOST_NOTE, Checkpoint
from policies.log.reader import MOST_OBJECT, Log
from policies.log.tiles import encode_bundle, entries_path, tiles_of

__all__ = ["SUMS", "members", "pack"]

SUMS = "SHA256SUMS"
_MOST_TOKEN = 1 << 20  # bytes of one RFC 3161 time-stamp token


def pack(log: Log, trust: bytes, out: Path) -> int:
    """Write an evidence zip; returns how many files it holds. Raises Refused when entries were pruned."""
    sums: dict[str, str] = {}
    with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members(log, trust):
            if name not in sums:
                sums[name] = sha256(data)
                _add(archive, name, data)
        _add(archive, SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())).encode())
    return len(sums) + 1


def members(log: Log, trust: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of an evidence zip by name, without their sums. The head is read first: all else belongs to it."""
    note = log.head()
    size = Checkpoint.parse(note.text).size
    if log.minimum:
        raise Refused(
            f"Entries below {log.minimum:,} were pruned, so the entries alone do not prove this log. Hand out "
            "the log's folder, or proofs of single entries with `equerry audit proof`."
        )
    here = files("policies.log")
    yield "checkpoint", bytes(note)
    yield "trust.policy", trust
    yield "schema/entry-1.json", schema()
    yield "verify.sh", (here / "verify.sh").read_bytes()
    yield "VERIFY.md", (here / "VERIFY.md").read_bytes()
    for tile in tiles_of(size):
        yield tile.path, b"".join(log.tile(tile.level, tile.n, tile.width))
        if tile.level == 0:
            yield entries_path(tile.n, tile.width), encode_bundle(log.bundle(tile.n, tile.width))
    yield from _rest(log, size)


def _rest(log: Log, size: int) -> Iterator[tuple[str, bytes]]:
    """Earlier heads, archived documents and time stamps."""
    for path in log.kept():
        if int(path.rpartition("/")[2]) <= size:
            yield path, log.source.read(path, MOST_NOTE)
    for path in log.source.paths("objects"):
        if not path.rpartition("/")[2].startswith("."):
            yield path, log.source.read(path, MOST_OBJECT)
    for path in log.source.paths("ts"):
        yield path, log.source.read(path, _MOST_TOKEN)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    member = zipfile.ZipInfo(name)  # dated 1980-01-01, so that equal evidence has equal bytes
    member.external_attr = (0o100755 if name.endswith(".sh") else 0o100644) << 16
    member.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(member, data)
