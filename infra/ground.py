"""Whether a cell may stand where its stack file puts it: the spec held against the signed catalogue.

What cannot be had is refused with the nearest thing that can. What is known only by hearsay is refused as well, until
somebody confirms it in a signed overlay, or the stack file accepts the doubt by name; then the doubt stands in the
stack's outputs, and tenants who ask for confirmed facts are still refused the region.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from infra.errors import Impossible, Unconfirmed
from infra.figures import Figures, figures
from infra.gpus import ACCELERATORS, MACHINES, Machine, machine
from infra.spec import CATALOGUE, Pool, RegionSpec
from policies.atlas import Atlas
from policies.catalogue import Confidence, Gpu, Region

__all__ = ["Ground", "offered", "stand"]

_LOCAL: Final = "This machine; no catalogue knows it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the catalogue says of the place."""

    confidence: str  # how the location is known
    grade: str  # declared, endpoint or attested
    digest: str  # of catalogue and overlays
    doubts: tuple[str, ...]


def stand(spec: RegionSpec, atlas: Atlas, day: int) -> Ground:
    """The ground that a cell stands on, on this day. Raises Impossible or Unconfirmed."""
    if spec.provider == "local":
        return Ground(confidence=Confidence.UNKNOWN, grade="declared", digest=str(atlas.digest), doubts=(_LOCAL,))
    region = _region(spec, atlas)
    for pool in spec.pools_of("gpu"):
        _holds(spec, pool, figures(spec.model))
    doubts = [
        *_location(spec, region, day),
        *(doubt for pool in spec.pools_of("gpu") for doubt in _offer(spec, pool, region, day)),
    ]
    return Ground(
        confidence=region.location.confidence,
        grade=region.evidence.grade,
        digest=str(atlas.digest),
        doubts=tuple(dict.fromkeys(doubts)),
    )


def offered(gpu: Gpu, carrier: Machine) -> bool:
    """Whether a catalogue's entry speaks of this machine; entries hold patterns, ranges and families, by commas."""
    return any(_speaks(part.strip(), carrier) for part in re.split(r", | / ", re.sub(r"\(.*?\)", "", gpu.sku)))


def _speaks(text: str, carrier: Machine) -> bool:
    spread = re.fullmatch(r"(.*?)(\d)(\D)\.\.(\d)\3", text)  # a3-highgpu-1g..4g
    if spread:
        begin, low, unit, high = spread.groups()
        return any(carrier.name == f"{begin}{number}{unit}" for number in range(int(low), int(high) + 1))
    words = set(re.split(r"[ /]", text))
    return fnmatchcase(carrier.name, text) or text == carrier.family or set(carrier.family.split()) <= words


def _region(spec: RegionSpec, atlas: Atlas) -> Region:
    regions = atlas.catalogue.regions
    found = next((region for region in regions if region.id == spec.region_id), None)
    if found is None:
        raise Impossible(f"The catalogue knows no region {spec.region_id}. {_nearest(spec, regions)}")
    if found.jurisdiction != spec.jurisdiction:
        raise Impossible(
            f"{found.id} lies in {found.city}, {found.country}, which is {found.jurisdiction} and not "
            f"{spec.jurisdiction}. {_nearest(spec, regions)}"
        )
    if found.status != "open":
        raise Impossible(f"{found.id} is {found.status}. {_nearest(spec, regions, but=found.id)}")
    return found


def _nearest(spec: RegionSpec, regions: Sequence[Region], but: str = "") -> str:
    """A sentence that names the region that was probably meant."""
    provider = CATALOGUE.get(spec.provider, spec.provider)
    fit = [one for one in regions if one.jurisdiction == spec.jurisdiction and one.status == "open" and one.id != but]
    own = [one.name for one in fit if one.provider == provider]
    if not own:
        return (
            f"{spec.provider} has none in {spec.jurisdiction}; {fit[0].id} would be one." if fit else "There is none."
        )
    close = get_close_matches(spec.region, own, 1, 0.0)
    return f"The nearest one in {spec.jurisdiction} is {close[0]}; there are {_list(own)}."


def _location(spec: RegionSpec, region: Region, day: int) -> list[str]:
    if region.location.holds(day):
        return []
    doubt = f"that {region.id} lies in {region.country} is {region.location.confidence} and not confirmed"
    return _accepted(spec, "location", doubt)


def _offer(spec: RegionSpec, pool: Pool, region: Region, day: int) -> list[str]:
    """The doubts about a pool's accelerators. Raises Impossible when nobody says that the region has them."""
    carrier = _carrier(spec, pool)
    known = [gpu for gpu in region.gpus if offered(gpu, carrier)]
    if not known:
        raise Impossible(
            f"{region.id} is not known to have {carrier.name} ({carrier.accelerator}). {_instead(spec, pool, region)}"
        )
    if any(gpu.holds(day) for gpu in known):
        return []
    doubt = f"that {region.id} has {carrier.accelerator} ({carrier.name}) is {known[0].confidence} and not confirmed"
    return _accepted(spec, known[0].model, doubt)


def _instead(spec: RegionSpec, pool: Pool, region: Region) -> str:
    """The machines of the region that would hold the model, the likest first."""
    needs = figures(spec.model)
    fit = [
        one
        for one in MACHINES
        if one.provider == spec.provider and any(offered(gpu, one) for gpu in region.gpus) and least(one, needs)
    ]
    if not fit:
        return f"The catalogue names nothing there that holds the {spec.model}; take another region."
    wanted = _carrier(spec, pool)
    first = min(fit, key=lambda one: (one.accelerator != wanted.accelerator, abs(one.count - wanted.count), one.name))
    return (
        f"The nearest that it has is {first.name} ({first.count} x {first.accelerator}), "
        f"with tensor_parallel {least(first, needs)}."
    )


def _accepted(spec: RegionSpec, doubt: str, sentence: str) -> list[str]:
    if doubt in spec.unconfirmed:
        return [sentence]
    raise Unconfirmed(
        f"It is in doubt {sentence}. Confirm it in a signed overlay (`equerry policy sign`), or accept the doubt for "
        f"this stack with `unconfirmed: [{doubt}]`; tenants are refused the region until it is confirmed."
    )


def _carrier(spec: RegionSpec, pool: Pool) -> Machine:
    found = machine(spec.provider, pool.machine)
    if found is not None:
        return found
    own = [one.name for one in MACHINES if one.provider == spec.provider]
    close = get_close_matches(pool.machine, own, 1, 0.0)
    raise Impossible(
        f"Pool {pool.name}: nothing is known of {spec.provider}'s {pool.machine} with accelerators. "
        f"The nearest is {close[0] if close else 'on another cloud'}; there are {_list(own)}."
    )


def _holds(spec: RegionSpec, pool: Pool, needs: Figures) -> None:
    """Raises Impossible unless each group of accelerators has room for the weights and one film."""
    carrier = _carrier(spec, pool)
    if least(carrier, needs, pool.tensor_parallel) == pool.tensor_parallel:
        return
    fits = least(carrier, needs)
    room = ACCELERATORS[carrier.accelerator].memory * pool.tensor_parallel / 1e9
    raise Impossible(
        f"Pool {pool.name}: tensor_parallel {pool.tensor_parallel} on {carrier.name} ({carrier.count} x "
        f"{carrier.accelerator}, {room:.0f} GB in a group) cannot hold the {needs.model}, which takes "
        f"{needs.least_bytes / 1e9:.0f} GB. "
        + (
            f"The nearest that can is tensor_parallel {fits}."
            if fits
            else "No group of this machine can; take another."
        )
    )


def least(carrier: Machine, needs: Figures, begin: int = 1) -> int | None:
    """The smallest tensor parallel size from `begin` on that holds the model on this machine; None when none does."""
    memory = ACCELERATORS[carrier.accelerator].memory * USABLE
    sizes = (size for size in needs.tensor_parallel if begin <= size <= carrier.count and carrier.count % size == 0)
    return next((size for size in sizes if memory * size >= needs.least_bytes), None)


#: Of a card's memory; the rest is for activations, graphs and the driver.
USABLE: Final = 0.9


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
