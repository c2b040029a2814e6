"""The second decision: a worker asks Cedar itself, about the region that it knows it is in.

The gate decided from a table; the worker decides again with its own identity and its own copy of the documents, and
refuses when the two disagree. Both answers go into the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from policies.atlas import Atlas, LegalLists
from policies.cedar import Cedar, World
from policies.constraints import RANKS, Constraints, Evidence, Wish, narrow
from policies.decision import Asked, Verdict
from policies.errors import Refused
from policies.facts import facts
from policies.policy import Policy

__all__ = ["Worker"]

MOST_TENANTS: Final = 4096  # whose demands are kept parsed


@dataclass(frozen=True, slots=True)
class Worker:
    """One region's own judge. It outlives a day: once its facts are out of date, it denies."""

    region: str
    cedar: Cedar
    world: World
    _known: dict[Constraints, tuple[str, World]] = field(default_factory=dict, repr=False)

    @classmethod
    def prepare(
        cls,
        policy: Policy,
        atlas: Atlas,
        lists: LegalLists,
        region: str,
        now_day: int,
        evidence: Evidence = Evidence.ATTESTED,
    ) -> Worker:
        """A judge for this region. Raises Refused when there is no such region, or the policy may not decide.

        `evidence` is how well the worker itself knows where it is. The catalogue cannot make it more.
        """
        own = facts(atlas.catalogue, lists.lists, now_day).get(region)
        if own is None:
            raise Refused(
                f"This worker says that it is in {region}, which is not in the catalogue. "
                "Correct cell.provider and cell.region, or sign a catalogue that has it."
            )
        cedar = Cedar.load(policy)
        return cls(region, cedar, cedar.world([replace(own, evidence=min(own.evidence, RANKS[evidence]))]))

    def decide(self, demands: Constraints, asked: Asked, wishes: Sequence[Wish | Constraints] = ()) -> Verdict:
        """Whether a request may run here: one Cedar call. Raises Refused when the wishes cannot be joined."""
        for wish in wishes:
            demands = narrow(demands, wish)
        name, world = self._known.get(demands) or self._learn(demands)
        return self.cedar.ask(world, name, [self.region], asked)[0]

    def _learn(self, demands: Constraints) -> tuple[str, World]:
        if len(self._known) >= MOST_TENANTS:
            self._known.clear()
        self._known[demands] = (demands.digest, self.world.with_tenants([demands]))
        return self._known[demands]
