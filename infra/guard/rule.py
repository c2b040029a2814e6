"""Rules: what they are called, what they say, and what they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from infra.guard.border import Border
from infra.guard.seen import Seen

__all__ = ["OnPlan", "OnResource", "Rule"]

#: Messages about one resource; none when it obeys.
OnResource = Callable[[Seen, Border], Iterator[str]]
#: Messages about a whole plan, each with the resource that it is about, or None when something is missing.
OnPlan = Callable[[Sequence[Seen], Border], Iterator[tuple[Seen | None, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that must hold. It looks at each resource before it is made, or at the plan as a whole, or at both."""

    name: str
    says: str  # one sentence; the engine prints it above each message
    each: OnResource | None = None
    whole: OnPlan | None = None
