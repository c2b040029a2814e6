"""Decisions made beforehand: tables built when something changes, and a look-up when a request comes.

A table holds, for each tenant and class of data, the regions that may serve it and the rules that deny the others. It
is never changed; whoever builds a new one swaps it in. It knows the days on which its facts hold and permits nothing
outside them. A request that narrows its tenant's demands is decided by Cedar once and remembered, within a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final

from policies import oracle
from policies.atlas import Atlas, LegalLists
from policies.cedar import Cedar, World
from policies.constraints import Constraints, DataClass, Purpose, Wish, narrow
from policies.decision import Asked, Decision, Grounds, Verdict
from policies.errors import Refused, Unavailable
from policies.facts import Facts, facts
from policies.policy import Policy

__all__ = ["MOST_REMEMBERED", "Place", "Tables"]

MOST_REMEMBERED: Final = 65_536  # decisions on narrowed requests, of about a kilobyte each

_Key = tuple[str, str]
_Wishes = tuple[Wish | Constraints, ...]
_NarrowKey = tuple[str, str, str, str, _Wishes]
_CLASSES: Final = frozenset(DataClass)
_PURPOSES: Final = frozenset(Purpose)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a region lies, as a log entry tells it."""

    jurisdiction: str
    country: str
    provider: str
    ownership: str  # "" when it is not confirmed


class Tables:
    """All decisions under one policy, one atlas, one set of lists and one set of tenants."""

    __slots__ = ("_ask", "_facts", "_grounds", "_lock", "_ready", "_reason", "_remembered", "_tenants", "_window")

    def __init__(
        self,
        tenants: Mapping[str, Constraints],
        regions: Mapping[str, Facts],
        grounds: Grounds,
        ask: Callable[[Constraints, Asked], list[Verdict]],
        reason: str = "",
    ) -> None:
        self._tenants = dict(tenants)
        self._facts = dict(regions)
        self._grounds = grounds
        self._ask = ask
        self._reason = reason  # why nothing is permitted at all, or ""
        self._ready: dict[_Key, Decision] = {}
        self._remembered: dict[_NarrowKey, Decision] = {}
        self._lock = Lock()  # held while `_remembered` grows; reading needs no lock
        self._window = _window(regions.values())

    @classmethod
    def build(
        cls,
        policy: Policy,
        atlas: Atlas,
        lists: LegalLists,
        tenants: Mapping[str, Constraints],
        now_day: int,
        told: Callable[[str], None] = lambda _: None,
    ) -> Tables:
        """Every decision of every tenant on this day; `told` hears each tenant that is done.

        Raises Refused when the policy may not decide. Without Cedar the tables deny everything, for the rules' reasons.
        """
        regions = facts(atlas.catalogue, lists.lists, now_day)
        grounds = Grounds(pol=policy.digest, cat=atlas.digest, lst=lists.digest)
        try:
            tables = cls(tenants, regions, grounds, _by_cedar(Cedar.load(policy), regions))
        except Unavailable:
            tables = cls(tenants, regions, grounds, _by_oracle(regions), "engine_missing")
        for tenant, demands in tables._tenants.items():
            for data_class in DataClass:
                asked = Asked(data_class, Purpose.GENERATION, demands.home, now_day)
                tables._ready[tenant, data_class.value] = tables._decide(demands, asked)
            told(tenant)
        return tables

    @classmethod
    def closed(cls, reason: str) -> Tables:
        """Tables that permit nothing, for a reason of one word such as `policy_refused`; for when building failed."""
        return cls({}, {}, Grounds(), lambda _, __: [], reason)

    @property
    def grounds(self) -> Grounds:
        """Digests of policy, atlas and lists."""
        return self._grounds

    @property
    def valid_from_day(self) -> int:
        """The first day on which the facts hold."""
        return self._window[0]

    @property
    def valid_until_day(self) -> int:
        """The last day on which the facts hold; build anew before it ends."""
        return self._window[1]

    def place(self, region: str) -> Place:
        """Where a region lies. Raises Refused when there is no such region."""
        known = self._facts.get(region)
        if known is None:
            raise Refused(f"There is no region {region} in the catalogue; see `equerry policy regions`.")
        return Place(known.jurisdiction, known.country, known.provider.id, known.provider.ownership)

    def basis(self, origin: str, region: str) -> str:
        """On what ground content about a jurisdiction's people may go to a region: `domestic`, `adequacy` or `none`."""
        known = self._facts[region]
        if origin == known.jurisdiction:
            return "domestic"
        return "adequacy" if origin in known.adequate_for else "none"

    def decide(
        self,
        tenant: str,
        data_class: str,
        *,
        day: int,
        purpose: str = Purpose.GENERATION,
        subject_region: str | None = None,
        wishes: _Wishes = (),
    ) -> Decision:
        """Where a request may run: a look-up. `wishes` are the key's and the request's, which only narrow.

        What cannot be answered is a denial that says why: it never raises for what a caller sends.
        """
        ready = self._ready.get((tenant, data_class))
        if ready is None or self._reason or not self._window[0] <= day <= self._window[1]:
            return self._refusal(tenant, data_class)
        if not wishes and subject_region is None and purpose == Purpose.GENERATION:
            return ready
        return self._narrowed(tenant, data_class, purpose, subject_region, wishes, day)

    def _refusal(self, tenant: str, data_class: str) -> Decision:
        if self._reason:
            ready = self._ready.get((tenant, data_class))
            return ready if ready is not None else Decision((), {}, self._grounds, self._reason)
        if tenant not in self._tenants:
            return Decision((), {}, self._grounds, "unknown_tenant")
        if data_class not in _CLASSES:
            return Decision((), {}, self._grounds, "unknown_class")
        return Decision((), {}, self._grounds, "stale_table")

    def _narrowed(
        self, tenant: str, data_class: str, purpose: str, subject: str | None, wishes: _Wishes, day: int
    ) -> Decision:
        if purpose not in _PURPOSES:
            return Decision((), {}, self._grounds, "unknown_purpose")
        demands = self._tenants[tenant]
        key = (tenant, data_class, str(purpose), subject or demands.home, wishes)
        known = self._remembered.get(key)
        if known is None:
            asked = Asked(DataClass(data_class), Purpose(purpose), subject or demands.home, day)
            known = self._remember(key, self._wished(demands, wishes, asked))
        return known

    def _wished(self, demands: Constraints, wishes: _Wishes, asked: Asked) -> Decision:
        try:
            for wish in wishes:
                demands = narrow(demands, wish)
        except Refused:
            return Decision((), {}, self._grounds, "refused_wish")
        return self._decide(demands, asked)

    def _remember(self, key: _NarrowKey, decision: Decision) -> Decision:
        with self._lock:
            if len(self._remembered) >= MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]  # the oldest
            return self._remembered.setdefault(key, decision)

    def _decide(self, demands: Constraints, asked: Asked) -> Decision:
        verdicts = dict(zip(self._facts, self._ask(demands, asked), strict=True))
        eligible = tuple(region for region, verdict in verdicts.items() if verdict.allowed)
        denied = {region: verdict.rules for region, verdict in verdicts.items() if not verdict.allowed}
        reason = self._reason or ("" if eligible else "no_compliant_region")
        return Decision(eligible, denied, replace(self._grounds, con=demands.digest), reason)


def _by_cedar(cedar: Cedar, regions: Mapping[str, Facts]) -> Callable[[Constraints, Asked], list[Verdict]]:
    world = cedar.world(regions.values())
    ids = list(regions)
    latest: list[tuple[Constraints, World]] = []  # a table asks about one tenant's classes in a row

    def ask(demands: Constraints, asked: Asked) -> list[Verdict]:
        if not latest or latest[0][0] is not demands:
            latest[:] = [(demands, world.with_tenants([demands]))]
        return cedar.ask(latest[0][1], demands.digest, ids, asked)

    return ask


def _by_oracle(regions: Mapping[str, Facts]) -> Callable[[Constraints, Asked], list[Verdict]]:
    """Denies everything: with the rules that deny, or because nobody is there to permit."""

    def ask(demands: Constraints, asked: Asked) -> list[Verdict]:
        told = [oracle.verdict(demands, region, asked) for region in regions.values()]
        return [Verdict(False, ("engine-missing",) if verdict.allowed else verdict.rules) for verdict in told]

    return ask


def _window(regions: Iterable[Facts]) -> tuple[int, int]:
    spans = [(region.facts_from, region.facts_until) for region in regions]
    return max((first for first, _ in spans), default=0), min((last for _, last in spans), default=-1)
