"""Classes of service as data.

Two availabilities are promised and published. *Inside the boundary* counts what could lawfully run: requests for which
a compliant region had capacity. *In total* counts every request that was not the client's own mistake, so that a
boundary without capacity cannot hide. `promises.py` says what a class means for one clip, `sla_windows.py` how it went.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from policies.canonical import Digest, encode, sha256
from policies.clip_facts import Resolution
from policies.errors import Refused
from policies.moments import Moment
from policies.reading import parse

__all__ = [
    "MILLION",
    "Availability",
    "Credit",
    "Rejection",
    "Service",
    "Sla",
    "VideoTime",
    "load_sla",
    "parse_sla",
]

MILLION: Final = 1_000_000
DAY_MS: Final = 86_400_000
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Millionths = Annotated[int, Field(ge=0, le=MILLION)]
Millis = Annotated[int, Field(ge=0, le=30 * DAY_MS)]


class Rejection(StrEnum):
    """Why a request was not taken on."""

    NO_COMPLIANT_REGION = "no_compliant_region"  # the boundary: nowhere may it run, or nowhere that has capacity
    QUEUE_FULL = "queue_full"  # ours: no promise could be kept
    UNAVAILABLE = "unavailable"  # ours: something was broken
    RATE_LIMITED = "rate_limited"  # the client's: more than agreed
    TOO_LONG = "too_long"  # the client's: more than can be made


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Availability(_Document):
    """Of a million requests, how many are served."""

    inside: Millionths  # of those that could run inside the boundary
    total: Millionths  # of those and the ones for which the boundary had no capacity

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.total > self.inside:
            raise ValueError("total availability cannot be higher than that inside the boundary")
        return self


class VideoTime(_Document):
    """How long a film of one resolution takes once it is begun: a start, and so much for each of its seconds."""

    resolution: Resolution
    base_ms: Millis
    per_second_ms: Millis


class Credit(_Document):
    """What a client gets back, in per cent of the month, when availability inside the boundary is below a mark."""

    below: Millionths
    percent: Annotated[int, Field(ge=1, le=100)]


class Service(_Document):
    """One class of service."""

    name: Name
    availability: Availability
    percentile: Annotated[int, Field(ge=1, le=99)]  # of all films, that keep both times below
    queue_wait_ms: Millis  # from acceptance to the beginning of work
    video: Annotated[tuple[VideoTime, ...], Field(min_length=1, max_length=len(Resolution))]
    credits: Annotated[tuple[Credit, ...], Field(max_length=8)] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if {time.resolution for time in self.video} != set(Resolution) or len(self.video) != len(Resolution):
            raise ValueError(f"video needs each of {', '.join(Resolution)} once")
        if any(credit.below > self.availability.inside for credit in self.credits):
            raise ValueError("a credit is due although the promise is kept")
        return self

    def credit(self, inside: int) -> int:
        """Per cent of the month's bill that goes back, for an availability inside the boundary in millionths."""
        return max((credit.percent for credit in self.credits if inside < credit.below), default=0)


class Sla(_Document):
    """All classes of service from an instant on."""

    v: Literal["equerry.sla/1"]
    version: Name
    example: bool  # true: nobody has promised this
    note: Annotated[str, Field(max_length=400)] = ""  # for people; decides nothing
    begins: Moment = Field(validation_alias="from", serialization_alias="from")
    bounds_ms: Annotated[tuple[Annotated[int, Field(ge=1, le=30 * DAY_MS)], ...], Field(min_length=1, max_length=63)]
    services: Annotated[tuple[Service, ...], Field(min_length=1, max_length=32)]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if list(self.bounds_ms) != sorted(set(self.bounds_ms)):
            raise ValueError("bounds_ms must rise")
        if len({service.name for service in self.services}) != len(self.services):
            raise ValueError("a class of service occurs twice")
        return self

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 of the canonical bytes."""
        return sha256(encode(self.model_dump(mode="json", by_alias=True)))

    def by_name(self, name: str) -> Service:
        """The class with this name. Raises Refused with those there are."""
        for service in self.services:
            if service.name == name:
                return service
        names = ", ".join(service.name for service in self.services)
        raise Refused(f"There is no class of service {name[:40]!r}. There are: {names}.")


def parse_sla(text: bytes) -> Sla:
    """Classes of service from JSON. Raises Malformed with the field that is wrong."""
    return parse(Sla, text, "SLA")


def load_sla() -> Sla:
    """The classes that are shipped: an example to copy, as it says itself."""
    return parse_sla((files("policies") / "data" / "sla.json").read_bytes())
