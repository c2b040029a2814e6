"""Decides past requests again, from nothing but the documents that the log names by digest.

`pol`, `cat`, `lst` and `con` of a log entry name four documents, and the archive holds their bytes. With them and the
question that the entry records, every decision can be made again, by anyone, on any day. With another list in the
archive the same questions say which requests ran on a provider that is listed now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Answer", "Archive", "Question", "replay"]


@dataclass(frozen=True, slots=True)
class Archive:
    """The documents behind decisions, byte for byte as their digests name them (canonical JSON, each of them)."""

    policy: bytes  # `pol`: the bundle of schema and rules
    catalogue: bytes  # `cat`: the catalogue with the operator's overlays
    lists: bytes  # `lst`: lists of entities, and of countries that are adequate
    constraints: bytes  # `con`: what the caller demanded, narrowed


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked."""

    data_class: str
    purpose: str
    subject_region: str  # the jurisdiction of the people whom the content concerns, such as `EU`
    region: str  # the id of the region that was chosen, or that was asked about
    day: int  # whole days since 1970-01-01, UTC


@dataclass(frozen=True, slots=True)
class Answer:
    """What the rules say: deciding rules are the permit's id, or the ids of all that forbid, sorted."""

    allowed: bool
    rules: tuple[str, ...]


def replay(archive: Archive, questions: Sequence[Question]) -> list[Answer]:
    """The answers, in the order of the questions. Raises Malformed when a document is not what it claims to be."""
    raise NotImplementedError
