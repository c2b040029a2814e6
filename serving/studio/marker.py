"""The seam where a film is marked as generated, before anybody can have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from model.clip import Frames, Size, Sound
from policies.log.entry import Manifest, Watermark
from serving.jobs.job import Job
from serving.order import Order

__all__ = ["Delivery", "Form", "Marker", "Marking", "Seen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A film as it leaves, and what the log says of its marks."""

    body: bytes  # MP4
    c2pa: Manifest
    watermark: Watermark
    label: bool  # a visible one


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What is known of a film before its first frame."""

    size: Size
    fps: Fraction
    rate: int  # samples per second


Seen = Callable[[Frames], object]  # is given marked frames, in order


class Marking(Protocol):
    """One film that is marked while it is made."""

    def add(self, frames: Frames) -> None:
        """Takes the next frames of the film."""

    def deliver(self, sound: Sound) -> Delivery:
        """The whole film with its sound, marked, encoded and signed. Whatever it raises, nothing is delivered."""


class Marker(Protocol):
    """Marks films. There is no way to deliver one past it."""

    def begin(self, form: Form, job: Job, order: Order, seen: Seen) -> Marking:
        """A film of a job; `seen` is given its frames as they will be delivered, before they are compressed."""
