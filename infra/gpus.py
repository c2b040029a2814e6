"""Accelerators and the machines that carry them: what they hold, how fast they are, and what they cost.

Memory and speed are from NVIDIA's data sheets (dense bf16, without sparsity). A price is a list price on demand and
without tax, in the region that `at` names; it gives the order of magnitude of a cell and nothing else. `sure` says how
it is known, in the catalogue's words: `reported` from a dated third-party table, `recalled` when nobody looked it up.
Whether a region has a machine is the catalogue's business, not this table's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from policies.catalogue import Confidence

__all__ = ["ACCELERATORS", "MACHINES", "Accelerator", "Machine", "Price", "machine"]

GB: Final = 10**9
TB: Final = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One card."""

    name: str  # as the catalogue spells it
    memory: int  # bytes
    flops: float  # dense bf16, per second
    bandwidth: float  # bytes of its memory per second
    linked: bool  # cards of one machine talk over NVLink; the others over PCIe


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Money for an hour of one machine."""

    hour: float
    currency: Literal["USD", "EUR"]
    at: str  # the region that it is of
    checked: str  # the day of the source, or of this table where nobody looked
    sure: Confidence
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A cloud's machine with accelerators."""

    provider: str  # as stack files spell it
    name: str
    family: str  # as the catalogue's entries name the offer
    accelerator: str
    count: int
    price: Price | None


ACCELERATORS: Final[Mapping[str, Accelerator]] = {
    card.name: card
    for card in (
        Accelerator(name="H100", memory=80 * GB, flops=989e12, bandwidth=3.35 * TB, linked=True),
        Accelerator(name="H200", memory=141 * GB, flops=989e12, bandwidth=4.8 * TB, linked=True),
        Accelerator(name="H100 NVL", memory=94 * GB, flops=835e12, bandwidth=3.9 * TB, linked=True),
        Accelerator(name="H100 PCIe", memory=80 * GB, flops=756e12, bandwidth=2.0 * TB, linked=False),
        Accelerator(name="L40S", memory=48 * GB, flops=362e12, bandwidth=0.864 * TB, linked=False),
        Accelerator(name="L4", memory=24 * GB, flops=121e12, bandwidth=0.3 * TB, linked=False),
        Accelerator(name="A10", memory=24 * GB, flops=125e12, bandwidth=0.6 * TB, linked=False),
        Accelerator(name="A10G", memory=24 * GB, flops=70e12, bandwidth=0.6 * TB, linked=False),
        Accelerator(name="L20", memory=48 * GB, flops=119.5e12, bandwidth=0.864 * TB, linked=False),
    )
}

_TABLE: Final = "2026-11-21"
_HYPERSCALERS: Final = "github.com/datareceipts/data-receipts 109-gpu-pricing/hyperscalers.json"
_SILYBENCH: Final = "github.com/tgarg01/silybench-data derived/csv/gpu_prices.csv"


def _reported(hour: float, at: str, checked: str, source: str) -> Price:
    return Price(hour=hour, currency="USD", at=at, checked=checked, sure=Confidence.REPORTED, source=source)


def _recalled(hour: float, currency: Literal["USD", "EUR"], at: str) -> Price:
    return Price(hour=hour, currency=currency, at=at, checked=_TABLE, sure=Confidence.RECALLED, source="nobody checked")


def _machine(provider: str, name: str, family: str, card: str, count: int, price: Price | None) -> Machine:
    return Machine(provider=provider, name=name, family=family, accelerator=card, count=count, price=price)


MACHINES: Final[tuple[Machine, ...]] = (
    _machine("aws", "p5.4xlarge", "p5.4xlarge", "H100", 1, _recalled(6.88, "USD", "us-east-1")),
    _machine(
        "aws", "p5.48xlarge", "p5.48xlarge", "H100", 8, _reported(55.04, "us-east-1", "2026-11-09", _HYPERSCALERS)
    ),
    _machine("aws", "p5en.48xlarge", "p5en.48xlarge", "H200", 8, _recalled(63.30, "USD", "us-east-1")),
    _machine("aws", "g6e.xlarge", "g6e.*", "L40S", 1, _recalled(1.86, "USD", "us-east-1")),
    _machine("aws", "g6e.2xlarge", "g6e.*", "L40S", 1, _recalled(2.24, "USD", "us-east-1")),
    _machine("aws", "g6e.12xlarge", "g6e.*", "L40S", 4, _recalled(10.49, "USD", "us-east-1")),
    _machine("aws", "g6e.48xlarge", "g6e.*", "L40S", 8, _recalled(30.13, "USD", "us-east-1")),
    _machine("aws", "g6.12xlarge", "g6.*", "L4", 4, _recalled(4.60, "USD", "us-east-1")),
    _machine("aws", "g5.12xlarge", "g5.*", "A10G", 4, _recalled(5.67, "USD", "us-east-1")),
    _machine(
        "gcp", "a3-highgpu-1g", "a3-highgpu-*", "H100", 1, _reported(10.98, "us-central1", "2026-09-26", _SILYBENCH)
    ),
    _machine("gcp", "a3-highgpu-2g", "a3-highgpu-*", "H100", 2, _recalled(21.96, "USD", "us-central1")),
    _machine("gcp", "a3-highgpu-4g", "a3-highgpu-*", "H100", 4, _recalled(43.92, "USD", "us-central1")),
    _machine("gcp", "a3-highgpu-8g", "a3-highgpu-*", "H100", 8, _recalled(87.83, "USD", "us-central1")),
    _machine("gcp", "a3-ultragpu-8g", "a3-ultragpu-8g", "H200", 8, _recalled(84.80, "USD", "us-central1")),
    _machine("gcp", "g2-standard-96", "g2-*", "L4", 8, _recalled(8.00, "USD", "us-central1")),
    _machine(
        "azure",
        "Standard_NC40ads_H100_v5",
        "NC H100 v5",
        "H100 NVL",
        1,
        _reported(6.98, "eastus", "2026-11-09", _HYPERSCALERS),
    ),
    _machine(
        "azure",
        "Standard_NC80adis_H100_v5",
        "NC H100 v5",
        "H100 NVL",
        2,
        _reported(17.64, "eastus", "2026-11-09", _HYPERSCALERS),
    ),
    _machine(
        "azure",
        "Standard_ND96isr_H100_v5",
        "ND H100 v5",
        "H100",
        8,
        _reported(98.32, "eastus", "2026-11-09", _HYPERSCALERS),
    ),
    _machine("azure", "Standard_ND96isr_H200_v5", "ND H200 v5", "H200", 8, _recalled(84.80, "USD", "eastus")),
    _machine("alicloud", "ecs.gn7i-c32g1.32xlarge", "gn7i", "A10", 4, None),
    _machine("alicloud", "ecs.gn8is.2xlarge", "gn8is", "L20", 1, None),
    _machine("alicloud", "ecs.gn8is-4x.8xlarge", "gn8is", "L20", 4, None),
    _machine("alicloud", "ecs.gn8is-8x.16xlarge", "gn8is", "L20", 8, None),
    _machine("ovh", "h100-380", "h100-*", "H100 PCIe", 1, _recalled(2.80, "EUR", "GRA")),
    _machine("ovh", "h100-760", "h100-*", "H100 PCIe", 2, _recalled(5.60, "EUR", "GRA")),
    _machine("ovh", "h100-1520", "h100-*", "H100 PCIe", 4, _recalled(11.20, "EUR", "GRA")),
    _machine("ovh", "l40s-90", "l40s-*", "L40S", 1, _recalled(1.40, "EUR", "GRA")),
    _machine("ovh", "l40s-180", "l40s-*", "L40S", 2, _recalled(2.80, "EUR", "GRA")),
    _machine("ovh", "l40s-360", "l40s-*", "L40S", 4, _recalled(5.60, "EUR", "GRA")),
    _machine("ovh", "l4-90", "l4-*", "L4", 1, _recalled(0.75, "EUR", "GRA")),
    _machine("scaleway", "H100-1-80G", "H100-1-80G", "H100 PCIe", 1, _recalled(2.73, "EUR", "fr-par-2")),
    _machine("scaleway", "H100-SXM-2-80G", "H100-SXM-*-80G", "H100", 2, _recalled(6.02, "EUR", "fr-par-2")),
    _machine("scaleway", "H100-SXM-4-80G", "H100-SXM-*-80G", "H100", 4, _recalled(11.61, "EUR", "fr-par-2")),
    _machine("scaleway", "H100-SXM-8-80G", "H100-SXM-*-80G", "H100", 8, _recalled(23.03, "EUR", "fr-par-2")),
    _machine("scaleway", "L40S-1-48G", "L40S-*-48G", "L40S", 1, _recalled(1.40, "EUR", "fr-par-2")),
    _machine("scaleway", "L40S-2-48G", "L40S-*-48G", "L40S", 2, _recalled(2.80, "EUR", "fr-par-2")),
    _machine("scaleway", "L40S-4-48G", "L40S-*-48G", "L40S", 4, _recalled(5.60, "EUR", "fr-par-2")),
    _machine("scaleway", "L40S-8-48G", "L40S-*-48G", "L40S", 8, _recalled(11.20, "EUR", "fr-par-2")),
    _machine("scaleway", "L4-1-24G", "L4-*-24G", "L4", 1, _recalled(0.75, "EUR", "fr-par-2")),
    _machine("scaleway", "L4-4-24G", "L4-*-24G", "L4", 4, _recalled(3.00, "EUR", "fr-par-2")),
)


def machine(provider: str, name: str) -> Machine | None:
    """A machine with accelerators by its name; None for those without, and for those that are not in the table."""
    return next((one for one in MACHINES if (one.provider, one.name) == (provider, name)), None)
