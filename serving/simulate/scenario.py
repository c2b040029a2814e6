"""What is simulated: cells and their zones, tenants and what they ask for, and what goes wrong. Values, from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from model.config import CONFIGS
from policies.catalogue import Catalogue, Region
from policies.constraints import Constraints, DataClass
from policies.money import Currency
from serving.errors import Refused
from serving.settings import Limits

__all__ = ["Burst", "Cell", "Outage", "Scenario", "Tenant", "scenario"]

HOUR_MS: Final = 3_600_000
KNOWN: Final = ("H100", "H200", "B200", "A100", "L40S")  # that hold the large model on a replica
SERVICES: Final = ("priority", "standard", "batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One region's cell."""

    region: str  # id in the catalogue
    jurisdiction: str
    zones: int
    replicas: int  # in each zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One customer, and how its clients behave."""

    name: str
    demands: Constraints
    data_class: DataClass
    service: str
    currency: Currency
    share: float  # of its jurisdiction's requests
    stray: float  # share of its requests that a client sends to a cell that it may not use


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A zone, or a whole region, is gone for a while."""

    cell: int
    zone: int | None  # None: all of them
    at_ms: int
    lasts_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """All tenants of a jurisdiction ask so many times as often for a while."""

    jurisdiction: str
    at_ms: int
    lasts_ms: int
    times: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything that a simulation follows from."""

    seed: int
    requests: int
    load: float  # of all hands, on average
    cells: tuple[Cell, ...]
    tenants: tuple[Tenant, ...]
    outages: tuple[Outage, ...]
    bursts: tuple[Burst, ...]
    model: str
    gpus: int  # in a replica
    achieved: float  # share of the roofline that a replica makes of its machines
    gpu_hour: int  # minor unit of EUR
    day: int  # days since 1970 at which it begins
    limits: Limits  # of every cell's queue

    @property
    def zones(self) -> int:
        return sum(cell.zones for cell in self.cells)

    def of(self, jurisdiction: str) -> Scenario:
        """The part that one jurisdiction sees: cells share nothing, and these tenants ask nowhere else."""
        kept = [number for number, cell in enumerate(self.cells) if cell.jurisdiction == jurisdiction]
        names = {old: new for new, old in enumerate(kept)}
        hands = [cell.zones * cell.replicas for cell in self.cells]
        before = sum(each for each, cell in zip(hands, self.cells, strict=True) if cell.jurisdiction < jurisdiction)
        until = before + sum(hands[number] for number in kept)
        return replace(
            self,
            requests=self.requests * until // sum(hands) - self.requests * before // sum(hands),  # all parts add up
            cells=tuple(self.cells[number] for number in kept),
            tenants=tuple(each for each in self.tenants if each.demands.home == jurisdiction),
            outages=tuple(replace(each, cell=names[each.cell]) for each in self.outages if each.cell in names),
            bursts=tuple(each for each in self.bursts if each.jurisdiction == jurisdiction),
        )


def scenario(
    catalogue: Catalogue,
    *,
    regions: int,
    zones: int,
    tenants: int,
    requests: int,
    seed: int,
    day: int,
    load: float,
    model: str = "horse",
    gpus: int = 2,
    achieved: float = 0.35,
    gpu_hour: int = 350,
    limits: Limits | None = None,
) -> Scenario:
    """A mixed day: cells in so many regions with GPUs, outages of zones and of a region, a burst for each jurisdiction.

    Raises Refused for numbers that cannot be.
    """
    if model not in CONFIGS:
        raise Refused(f"There is no model {model!r}. Name one of {', '.join(sorted(CONFIGS))}.")
    rng = np.random.default_rng([seed, 1])
    chosen = _regions(catalogue, regions)
    if not len(chosen) <= zones <= 8 * len(chosen):
        raise Refused(f"{len(chosen)} regions have {len(chosen)} to {8 * len(chosen)} zones between them.")
    cells = tuple(
        Cell(
            region=region.id,
            jurisdiction=region.jurisdiction,
            zones=zones // len(chosen) + (number < zones % len(chosen)),
            replicas=2,
        )
        for number, region in enumerate(chosen)
    )
    return Scenario(
        seed=seed,
        requests=requests,
        load=load,
        cells=cells,
        tenants=_tenants(rng, tenants, sorted({cell.jurisdiction for cell in cells})),
        outages=(),
        bursts=(),
        model=model,
        gpus=gpus,
        achieved=achieved,
        gpu_hour=gpu_hour,
        day=day,
        limits=limits or Limits(),
    )


def disturbed(calm: Scenario, lasts_ms: int) -> Scenario:
    """The same days, with what goes wrong in them: each tenth zone and each sixteenth region fails once, and every
    jurisdiction has an hour at three times its rate."""
    rng = np.random.default_rng([calm.seed, 2])

    def when(longest: int) -> tuple[int, int]:
        at = int(rng.integers(lasts_ms))
        return at, min(lasts_ms - at, int(rng.integers(longest // 8, longest)))

    outages = []
    for number, cell in enumerate(calm.cells):
        fallen = [zone for zone in range(cell.zones) if rng.random() < 0.1]
        outages += [
            Outage(cell=number, zone=zone, at_ms=at, lasts_ms=gone)
            for zone in fallen
            for at, gone in [when(4 * HOUR_MS)]
        ]
        if rng.random() < 1 / 16:
            at, gone = when(2 * HOUR_MS)
            outages.append(Outage(cell=number, zone=None, at_ms=at, lasts_ms=gone))
    bursts = [
        Burst(jurisdiction=each, at_ms=int(rng.integers(lasts_ms)), lasts_ms=min(HOUR_MS, lasts_ms // 8), times=3.0)
        for each in sorted({cell.jurisdiction for cell in calm.cells})
    ]
    return replace(calm, outages=tuple(outages), bursts=tuple(bursts))


def _regions(catalogue: Catalogue, count: int) -> list[Region]:
    """Regions that are open, those first whose GPUs are known to hold the model."""
    open_to_all = [region for region in catalogue.regions if region.status == "open"]
    known = [region for region in open_to_all if any(gpu.model in KNOWN for gpu in region.gpus)]
    others = [region for region in open_to_all if region not in known]
    if not 1 <= count <= len(open_to_all):
        raise Refused(f"The catalogue has {len(open_to_all)} open regions. Ask for 1 to {len(open_to_all)}.")
    return [*known, *others][:count]


def _tenants(rng: np.random.Generator, count: int, jurisdictions: list[str]) -> tuple[Tenant, ...]:
    """Tenants of every jurisdiction, some of whom accept fewer owners than others."""
    weights = rng.pareto(1.5, count) + 0.1
    made = []
    for number in range(count):
        home = jurisdictions[number % len(jurisdictions)]
        strict = rng.random() < 0.3
        restricted = {"EU": DataClass.RESTRICTED_EU, "JP": DataClass.RESTRICTED_JP}.get(home)
        data_class = (
            restricted if restricted and rng.random() < 0.15 else DataClass(rng.choice(["personal", "internal"]))
        )
        made.append(
            Tenant(
                name=f"tenant-{number}",
                demands=Constraints.model_validate(
                    {
                        "home": home,
                        "allowed_jurisdictions": [home],
                        "allowed_classes": [each.value for each in DataClass],
                        "forbidden_ownership": ["US", "CN"] if strict else [],
                    }
                ),
                data_class=data_class,
                service=str(rng.choice(SERVICES, p=[0.2, 0.6, 0.2])),
                currency=Currency.JPY if home == "JP" else Currency.EUR,
                share=float(weights[number]),
                stray=0.01,
            )
        )
    return tuple(made)
