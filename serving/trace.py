"""From a film back to its record: what its marks say, looked up in residency logs, with a proof for each entry.

Three ways lead there, and each is named in the answer: the file itself, as it was delivered; its manifest (C2PA), while
it holds; and the watermark, which outlives encoding. The log holds no more than ids and digests, so neither does this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from policies.errors import Refused
from policies.log.export import lines
from policies.log.note import Checkpoint
from policies.log.proof import Proof, entry_at, prove
from policies.log.reader import Log
from policies.log.trust import Trust
from serving.media.marks.c2pa import Standing
from serving.media.marks.sighting import Sighting

__all__ = ["FILE", "MANIFEST", "WATERMARK", "Clue", "Record", "Traced", "clue_of", "trace"]

FILE: Final = "file"
MANIFEST: Final = "manifest"
WATERMARK: Final = "watermark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """What leads from a film to its record; what is not known is empty."""

    file: str = ""  # SHA-256 of the film's bytes
    request: str = ""  # SHA-256 of the request's id, from a manifest that holds
    pid: str = ""  # from the watermark


@dataclass(frozen=True, slots=True)
class Record:
    """One entry about the film's request."""

    index: int
    entry: Mapping[str, Any]
    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A film's request, as one log has it."""

    origin: str
    request: str  # its id
    by: tuple[str, ...]  # the ways that led there
    records: tuple[Record, ...]
    size: int  # entries under the head that the proofs lead to
    root: str  # of that head, hexadecimal
    trusted: bool | None  # whether those whom the caller trusts have signed the head; None when nobody was named


def clue_of(body: bytes, seen: Sighting) -> Clue:
    """What a film and its marks lead to. A manifest that does not hold leads nowhere: anybody could have written it."""
    said = seen.manifest
    holds = said.standing in (Standing.VALID, Standing.TRUSTED)
    return Clue(
        file=sha256(body).hexdigest(),
        request=said.residency.request if holds and said.residency else "",
        pid=seen.mark.pid if seen.mark else "",
    )


def trace(clue: Clue, logs: Iterable[Log], trust: Trust | None = None) -> tuple[Traced, ...]:
    """Every request that the film leads to, in the order of the logs; more than one when its marks disagree.

    Raises Malformed for a log that cannot be read, Refused when its tiles do not prove an entry, Untrusted when a trust
    policy was given and the head is not signed as it asks.
    """
    return tuple(found for log in logs for found in _in_log(clue, log, trust))


def _in_log(clue: Clue, log: Log, trust: Trust | None) -> Iterator[Traced]:
    head = trust.check(log.head()) if trust else Checkpoint.parse(log.head().text)
    for request, ways in _requests(clue, log).items():
        yield Traced(
            origin=head.origin,
            request=request,
            by=tuple(sorted(ways)),
            records=tuple(_records(log, request)),
            size=head.size,
            root=head.root.hex(),
            trusted=True if trust else None,
        )


def _requests(clue: Clue, log: Log) -> dict[str, set[str]]:
    """The requests that the clue leads to, each with the ways."""
    found: dict[str, set[str]] = {}
    for line in lines(log):
        request = str(line.entry.get("req", ""))
        for way in _ways(clue, line.entry, request) if request else ():
            found.setdefault(request, set()).add(way)
    return found


def _ways(clue: Clue, entry: Mapping[str, Any], request: str) -> Iterator[str]:
    if clue.request and sha256(request.encode()).hexdigest() == clue.request:
        yield MANIFEST
    if entry["t"] != "output.marked":
        return
    if clue.file and entry["out"] == clue.file:
        yield FILE
    if clue.pid and entry["wm"]["pid"] == clue.pid:
        yield WATERMARK


def _records(log: Log, request: str) -> Iterator[Record]:
    for line in lines(log):
        if line.entry.get("req") == request:
            proof = prove(log, line.index)
            if not proof.proves(entry_at(log, line.index)):
                raise Refused(f"The tiles do not prove entry {line.index:,}. Run `equerry audit verify` to see why.")
            yield Record(line.index, line.entry, proof)
