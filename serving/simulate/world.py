"""One jurisdiction in simulated time: its clients, the gates of its cells, and what goes wrong.

There is no router between cells, so a client does what a client can: it asks its first cell, then others where the
policy lets it, then waits as long as it was told to and asks once more.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import simpy

from model.clip import Mode as MakeMode
from model.clip import Size
from model.config import CONFIGS
from policies.clip_facts import ClipFacts, Mode, Resolution
from policies.prices import PriceBook, load_prices, quote
from policies.promises import Timing, kept, promise
from policies.sla import Rejection, Sla, load_sla
from serving.simulate.cell import Film, House
from serving.simulate.scenario import Outage, Scenario, Tenant
from serving.simulate.suppose import Law, law, supposed
from serving.simulate.tally import Tally
from serving.simulate.traffic import MIX, SECONDS, TIERS, Traffic, traffic
from serving.sla.admission import Taken, Turned
from serving.sla.work import work_of

__all__ = ["World", "lasts", "simulated"]

MOST_CELLS: Final = 3  # that a client asks, one after the other
PATIENCE_MS: Final = 600_000  # longest Retry-After that a client waits out
REFERENCES: Final = 3  # pictures of a film from references
SAMPLED: Final = 20  # each so many-th film tells how good its ETA was
DAY_MS: Final = 86_400_000
_SIZES: Final = {
    Resolution.P480: Size(832, 480),
    Resolution.P720: Size(1280, 720),
    Resolution.P1080: Size(1920, 1080),
}


@dataclass(frozen=True, slots=True)
class Work:
    """How much work films are, and how long a replica needs for it."""

    part: Scenario

    def of(self, mode: Mode, tier: Resolution, seconds: int) -> int:
        """Nanoseconds of the reference machine, at least."""
        return _work(self.part.model, mode, tier, seconds)

    def hand_ms(self, work: int) -> int:
        """Milliseconds of a replica."""
        return max(1, round(work / 1e6 / self.part.gpus / self.part.achieved))


@lru_cache(maxsize=1_024)
def _work(model: str, mode: Mode, tier: Resolution, seconds: int) -> int:
    references = REFERENCES if mode is Mode.R2V else 0
    return work_of(CONFIGS[model])(MakeMode(mode.value), _SIZES[tier], seconds, references)


def lasts(whole: Scenario) -> int:
    """Milliseconds over which the requests come, so that hands have the load that is asked for."""
    work = Work(whole)
    mean = sum(
        share * tier_share * length * work.hand_ms(work.of(mode, tier, seconds))
        for mode, share in MIX.items()
        for tier, tier_share in TIERS.items()
        for seconds, length in SECONDS.items()
    )
    hands = sum(cell.zones * cell.replicas for cell in whole.cells)
    return max(1, round(whole.requests * mean / hands / whole.load))


class World:
    """One jurisdiction."""

    def __init__(self, part: Scenario, ruled: Law, sla: Sla, book: PriceBook, told: Callable[[int], None]) -> None:
        self.part, self.law, self.sla, self.book, self.told = part, ruled, sla, book, told
        self.env = simpy.Environment()
        self.work = Work(part)
        self.tally = Tally()
        self.houses = [House(self.env, cell, self.work.hand_ms, self._delivered, part.limits) for cell in part.cells]
        self._sound: dict[tuple[int, str], bool] = {}

    def run(self, asked: Traffic) -> Tally:
        """Everything, until the last film is delivered."""
        self.env.process(self._clients(asked))
        for outage in self.part.outages:
            self.env.process(self._outage(outage))
        self.env.run()
        for house in self.houses:
            house.count_hands()
            self.tally.hand_ms += house.worked_ms
            self.tally.up_ms += house.up_ms
            self.tally.resumed += house.resumed
        self.tally.lasted_ms = int(self.env.now)
        return self.tally

    def _outage(self, outage: Outage) -> Generator[simpy.Event, None, None]:
        yield self.env.timeout(outage.at_ms)
        self.houses[outage.cell].fail(outage.zone)
        yield self.env.timeout(outage.lasts_ms)
        self.houses[outage.cell].mend(outage.zone)

    def _clients(self, asked: Traffic) -> Generator[simpy.Event, None, None]:
        for number in range(len(asked.at)):
            wait = int(asked.at[number]) - self.env.now
            if wait > 0:
                yield self.env.timeout(wait)
            self._request(number, asked)
            if number % 1_000 == 999:
                self.told(1_000)
        self.told(len(asked.at) % 1_000)

    def _request(self, number: int, asked: Traffic) -> None:
        place = int(asked.tenant[number])
        tenant = self.part.tenants[place]
        self.tally.requests += 1
        decision = self.law.tables.decide(tenant.name, tenant.data_class, day=self.law.day)
        open_to = [house for house in self.houses if house.cell.region in decision.eligible]
        if asked.stray[number] and len(open_to) < len(self.houses):
            self._stray(number, tenant, decision.eligible)
            return
        if not open_to:
            self.tally.nowhere += 1
            return
        first = place % len(open_to)
        film = self._film(number, place, tenant, asked)
        self.tally.service(tenant.service).asked += 1
        self._ask(film, [*open_to[first:], *open_to[:first]][:MOST_CELLS], tries=1)

    def _stray(self, number: int, tenant: Tenant, eligible: tuple[str, ...]) -> None:
        """A client's mistake: the gate of that cell looks the tenant up, and its own region is not in the answer."""
        self.tally.strays += 1
        closed = [house for house in self.houses if house.cell.region not in eligible]
        region = closed[number % len(closed)].cell.region
        again = self.law.tables.decide(tenant.name, tenant.data_class, day=self.law.day)
        self.tally.refused_at_the_border += region not in again.eligible

    def _film(self, number: int, place: int, tenant: Tenant, asked: Traffic) -> Film:
        mode, tier = list(MIX)[asked.mode[number]], list(TIERS)[asked.tier[number]]
        seconds = int(asked.seconds[number])
        length = seconds * 1_000
        facts = ClipFacts(mode=mode, resolution=tier, output_ms=length, input_ms=length if mode is Mode.EDIT else 0)
        work = self.work.of(mode, tier, seconds)
        at = self.part.day * DAY_MS + int(self.env.now)
        return Film(
            number=number,
            tenant=place,
            tier=tier,
            kind=f"{mode}/{tier}",
            work=work,
            needs_ms=max(1, round(self.work.hand_ms(work) * float(asked.luck[number]))),
            promise=promise(self.sla.by_name(tenant.service), facts),
            price=quote(self.book, facts, tenant.currency, at).total.amount,
        )

    def _ask(self, film: Film, houses: list[House], tries: int) -> None:
        answers: list[Turned] = []
        for tried, house in enumerate(houses):
            found = house.ask(film)
            if isinstance(found, Taken):
                self._taken(film, house, elsewhere=tried > 0)
                return
            answers.append(found)
        first = answers[0]
        if tries and 0 < first.retry_ms <= PATIENCE_MS:
            self.env.process(self._later(film, houses, first.retry_ms))
        else:
            self.tally.turned[first.why if first.why is not Rejection.NO_COMPLIANT_REGION else "no_capacity"] += 1

    def _later(self, film: Film, houses: list[House], wait: int) -> Generator[simpy.Event, None, None]:
        yield self.env.timeout(wait)
        self._ask(film, houses, tries=0)

    def _taken(self, film: Film, house: House, *, elsewhere: bool) -> None:
        tenant = self.part.tenants[film.tenant]
        self.tally.accepted += 1
        self.tally.elsewhere += elsewhere
        self.tally.service(tenant.service).accepted += 1
        key = (film.tenant, house.cell.region)
        if key not in self._sound:
            self._sound[key] = self.law.second_opinion(tenant.demands, tenant.data_class, house.cell.region)
        self.tally.violations += not self._sound[key]

    def _delivered(self, film: Film) -> None:
        tenant, tally = self.part.tenants[film.tenant], self.tally
        tally.delivered += 1
        how = kept(film.promise, Timing(waited_ms=film.begun - film.accepted, video_ms=film.done - film.accepted))
        service = tally.service(tenant.service)
        service.wait_kept += how.wait
        service.kept += how.whole
        tally.revenue[tenant.currency] += film.price
        tally.made[film.tier] += 1
        if tenant.currency == "EUR":
            tally.paid_films[film.tier] += 1
            tally.earned[film.tier] += film.price
            tally.paid_hand_ms[film.tier] += film.needs_ms
        if film.number % SAMPLED == 0 and film.eta:
            tally.eta_errors.append(abs(film.done - film.accepted - film.eta) / film.eta)


def simulated(part: Scenario, lasts_ms: int, told: Callable[[int], None]) -> Tally:
    """One jurisdiction of a scenario, from the shipped policy, classes of service and prices."""
    tenants = {tenant.name: tenant.demands for tenant in part.tenants}
    ruled = law(supposed(part.day), tenants, part.day)
    return World(part, ruled, load_sla(), load_prices(), told).run(traffic(part, lasts_ms))
