"""What a verification finds: values with a code, a place and words, never the content of an entry."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CODES", "Finding"]

#: Every code and what it means to an auditor.
CODES = {
    "head.untrusted": "the newest head is not signed as the trust policy demands",
    "head.kept": "a kept head is not signed by the log, or is not one",
    "head.forked": "an earlier signed head does not begin this log: it was cut, rewritten or forked",
    "root.differs": "the entries do not give the root that the head states",
    "tile.missing": "a tile is not there",
    "tile.differs": "a tile does not hold the hashes of what lies below it",
    "bundle.missing": "entries are not there",
    "bundle.malformed": "entries cannot be read",
    "entry.changed": "an entry does not have the hash that its tile holds",
    "lint": "an entry is not as the schema says",
    "schema.unknown": "the log names a schema other than the one it was checked against",
    "name.unknown": "an entry names a region or provider that no catalogue of the log knows",
    "sequence.gap": "entries of a writer are missing, and no gap entry says so",
    "sequence.twice": "a writer used a number twice",
    "decision.twice": "a request was decided twice",
    "execution.undecided": "a request ran without a decision",
    "execution.denied": "a request ran that was denied",
    "execution.elsewhere": "a request ran in another region than was decided",
    "execution.refused": "a request has output although the worker's own decision was deny",
    "execution.missing": "a request that was allowed has no end",
    "marking.missing": "a request has output that was not marked",
    "marking.undecided": "a film was marked that belongs to no decision",
    "canary.allowed": "a request that must be denied was allowed",
    "object.missing": "a document that decisions rest on is not in the archive",
    "object.differs": "a document is not what its digest says, or cannot be read",
    "replay.differs": "the archived policy decides otherwise than the log says",
    "listed": "a request ran on a provider that stands on a list now",
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that does not hold."""

    code: str
    place: str  # a path, or `entry 17`
    words: str
    index: int | None = None  # of the entry, where there is one

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(self.code)
