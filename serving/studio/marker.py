"""The seam where a film is marked as generated, before anybody can have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from model.clip import Film
from policies.log.entry import Manifest, Watermark
from serving.jobs.job import Job
from serving.order import Order

__all__ = ["Delivery", "Marker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A film as it leaves, and what the log says of its marks."""

    body: bytes  # MP4
    c2pa: Manifest
    watermark: Watermark
    label: bool  # a visible one


class Marker(Protocol):
    """Marks films. There is no way to deliver one past it."""

    def deliver(self, film: Film, job: Job, order: Order) -> Delivery:
        """Watermark, encode and sign, in this order. Whatever it raises, nothing is delivered."""
