"""A question to the rules, and the answer with everything that it was based on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from policies.canonical import Digest
from policies.constraints import DataClass, Purpose

__all__ = ["PERMIT", "Asked", "Decision", "Grounds", "Verdict"]

PERMIT: Final = "permit"  # the id of the one rule that allows

_NONE: Final = Digest("")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is, apart from who asks and where it would run."""

    data_class: DataClass
    purpose: Purpose
    subject_region: str  # jurisdiction of the people whom the content concerns
    day: int  # whole days since 1970-01-01, UTC


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for one region."""

    allowed: bool
    rules: tuple[str, ...]  # ids of the rules that decided, sorted


@dataclass(frozen=True, slots=True)
class Grounds:
    """Digests of what a decision rests on, by the names that the log uses; "" where there is none."""

    pol: Digest = _NONE  # rules and schema
    cat: Digest = _NONE  # catalogue and overlays
    lst: Digest = _NONE  # lists
    con: Digest = _NONE  # the caller's demands, narrowed


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a request may run: `eligible` regions, and for each other region the rules that deny it."""

    eligible: tuple[str, ...]
    denied: Mapping[str, tuple[str, ...]]
    grounds: Grounds
    #: Why nothing is eligible, in one word: `no_compliant_region`, `unknown_tenant`, `unknown_class`,
    #: `unknown_purpose`, `stale_table`, `engine_missing`, `refused_wish`, or what `Tables.closed` was given.
    reason: str = ""
    counts: Mapping[str, int] = field(init=False)  # by rule, how many regions it denied

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", dict(Counter(rule for rules in self.denied.values() for rule in rules)))

    @property
    def allowed(self) -> bool:
        """Whether the request may run anywhere."""
        return bool(self.eligible)

    def __bool__(self) -> bool:
        raise TypeError("A decision is not a truth value; ask for `allowed`.")

    def verdict(self, region: str) -> Verdict:
        """The answer for one region."""
        if region in self.eligible:
            return Verdict(True, (PERMIT,))
        return Verdict(False, self.denied.get(region) or (self.reason if not self.denied else "unknown_region",))
