"""What one check of a run came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Check", "Leak", "Verdict", "judged", "skipped"]


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # it could not be made here, and the words say why


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A canary where it must not be."""

    cell: str  # in which cell
    kind: str  # of place: log, database, objects, output …
    place: str  # file, table or address
    what: str  # which field of which request


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One sentence of the report."""

    name: str  # stable, for scripts
    says: str  # what is claimed
    verdict: Verdict
    words: str  # what was seen, or why it was skipped
    figures: Mapping[str, int] = field(default_factory=dict)
    leaks: tuple[Leak, ...] = ()


def judged(
    name: str,
    says: str,
    holds: bool,
    words: str,
    *,
    figures: Mapping[str, int] | None = None,
    leaks: tuple[Leak, ...] = (),
) -> Check:
    """A check that was made."""
    verdict = Verdict.PASSED if holds else Verdict.FAILED
    return Check(name=name, says=says, verdict=verdict, words=words, figures=figures or {}, leaks=leaks)


def skipped(name: str, says: str, why: str) -> Check:
    """A check that could not be made."""
    return Check(name=name, says=says, verdict=Verdict.SKIPPED, words=why)
