"""How many machines a cell needs for so many films a minute, and what they cost: arithmetic over the model's figures.

The time of a film is a roofline, as in `equerry model layout`: a step takes as long as reading the weights once for the
whole batch and each film's keys and values, or as long as its multiplications at peak. What a real engine reaches of
that is `efficiency`, a guess until it has been measured on the machine that is meant; it is an argument and is printed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Final

from infra.errors import Impossible
from infra.gpus import ACCELERATORS, MACHINES, Machine
from infra.ground import USABLE, offered
from infra.spec import CATALOGUE
from policies.catalogue import Catalogue, Confidence

__all__ = ["EFFICIENCY", "HOURS", "Choice", "Film", "cheapest", "choices", "fit"]

EFFICIENCY: Final = 0.35  # of the roofline; unmeasured on CUDA
LINK_LOSS: Final = 0.85  # of a group's speed that is left for each doubling of tensor parallel without NVLink; a guess
HOURS: Final = 730  # in a month
MOST_BATCH: Final = 64  # films at once in one replica
SPARE: Final = 1.25  # replicas beyond what the mean demand needs, since demand is not its mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What one film of the size and length in question takes; from `equerry model layout --json`."""

    waves: int  # steps
    sequence: int  # slots of the longest window
    weight_bytes: int
    kv_bytes_per_slot: int
    flops: float
    tensor_parallel: tuple[int, ...]  # sizes that divide the model


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One kind of machine in one region, and how many of it."""

    region: str  # as the catalogue names it
    machine: Machine
    tensor_parallel: int
    replicas_per_machine: int
    batch: int  # films at once in a replica
    film_seconds: float  # from the first wave to the last, in a full batch
    films_per_minute: float  # of one machine
    machines: int
    sure: Confidence  # how the catalogue knows that the region has the machine
    month: float | None  # of all machines, in `currency`; None where no price is known
    currency: str


def fit(carrier: Machine, film: Film, parallel: int) -> int:
    """Films at once that one group of accelerators has room for beside the weights; 0 when not one."""
    room = ACCELERATORS[carrier.accelerator].memory * USABLE * parallel - film.weight_bytes
    return max(0, min(MOST_BATCH, int(room // (film.sequence * film.kv_bytes_per_slot))))


def choices(
    film: Film,
    per_minute: float,
    catalogue: Catalogue,
    efficiency: float = EFFICIENCY,
    regions: Iterable[str] = (),
) -> list[Choice]:
    """The best group size of each machine in each region that has it, cheapest first. Raises Impossible when none."""
    wanted = set(regions)
    found = [
        _choice(region.id, carrier, film, per_minute, efficiency, gpu.confidence)
        for region in catalogue.regions
        if not wanted or region.id in wanted
        for carrier in MACHINES
        if CATALOGUE.get(carrier.provider, carrier.provider) == region.provider
        for gpu in region.gpus
        if offered(gpu, carrier)
    ]
    made = sorted((one for one in found if one is not None), key=_order)
    if not made:
        raise Impossible(
            "No machine that the catalogue knows in these regions holds one such film. Ask for fewer seconds."
        )
    return made


def cheapest(found: Iterable[Choice]) -> list[Choice]:
    """The first of each region, in the same order."""
    first: dict[str, Choice] = {}
    for one in found:
        first.setdefault(one.region, one)
    return list(first.values())


def _order(choice: Choice) -> tuple[bool, float, str, str]:
    return (choice.month is None, choice.month or 0.0, choice.region, choice.machine.name)


def _choice(
    region: str, carrier: Machine, film: Film, per_minute: float, efficiency: float, sure: Confidence
) -> Choice | None:
    """The group size with which one machine makes the most films."""
    sizes = [size for size in film.tensor_parallel if carrier.count % size == 0 and fit(carrier, film, size)]
    if not sizes:
        return None
    parallel = max(sizes, key=lambda size: _rate(carrier, film, size, efficiency))
    rate = _rate(carrier, film, parallel, efficiency)
    batch = fit(carrier, film, parallel)
    machines = ceil(per_minute * SPARE / rate)
    price = carrier.price
    return Choice(
        region=region,
        machine=carrier,
        tensor_parallel=parallel,
        replicas_per_machine=carrier.count // parallel,
        batch=batch,
        film_seconds=_batch_seconds(carrier, film, parallel, efficiency),
        films_per_minute=rate,
        machines=machines,
        sure=sure,
        month=None if price is None else price.hour * HOURS * machines,
        currency="" if price is None else price.currency,
    )


def _rate(carrier: Machine, film: Film, parallel: int, efficiency: float) -> float:
    """Films a minute of a whole machine with full batches."""
    seconds = _batch_seconds(carrier, film, parallel, efficiency)
    return 60 * fit(carrier, film, parallel) / seconds * (carrier.count // parallel)


def _batch_seconds(carrier: Machine, film: Film, parallel: int, efficiency: float) -> float:
    """Time for a full batch: weights once a wave, keys and values of each film as they grow, or the multiplications."""
    card = ACCELERATORS[carrier.accelerator]
    batch = fit(carrier, film, parallel)
    kv = film.sequence * film.kv_bytes_per_slot / 2  # half of the whole, on average over a film
    read = film.waves * (film.weight_bytes + batch * kv) / card.bandwidth
    reckoned = batch * film.flops / card.flops
    loss = 1.0 if card.linked else LINK_LOSS ** (parallel.bit_length() - 1)
    return max(read, reckoned) / parallel / efficiency / loss
