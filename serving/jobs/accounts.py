"""What a store keeps for accounts: the line that admission reads, limits of tenants, rejections, windows, erasures.

This is the fourth part of `serving.jobs.store.Store`; its calls keep the same promises as the other three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from serving.jobs.job import Job, JobId, TenantId
from serving.jobs.records import Usage

__all__ = ["Accounts", "DataKey", "Delivered", "Erasure", "InHand", "InLine", "TurnedAway", "WindowKept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InHand:
    """A job that is being made."""

    id: JobId
    left_ms: int  # of its estimate, by the chunks that are done
    estimated_ms: int
    worked_ms: int  # since it was first claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class InLine:
    """A job that waits."""

    id: JobId
    priority: int
    due: int | None  # the latest start that keeps its promise; milliseconds since 1970
    created: int
    left_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway:
    """How many requests of one tenant were not taken on in one hour, for one reason."""

    tenant: TenantId
    hour: int  # since 1970
    reason: str  # of `policies.sla.Rejection`
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowKept:
    """One hour of one tenant, as it was settled."""

    tenant: TenantId
    hour: int  # since 1970
    line: str  # JSON of a window
    logged: int | None  # when the residency log had it


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A job that succeeded, by the events, which are only ever added."""

    job: JobId
    tenant: TenantId
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A tenant's data that are to go, or have gone."""

    id: str  # 32 hexadecimal digits
    tenant: TenantId
    asked: int
    done: int | None
    proof: str | None  # JSON: what was erased, and the entry of the log that says so


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """The key that a tenant's films, sources and checkpoints are sealed under."""

    id: str  # 32 hexadecimal digits
    tenant: TenantId
    wrapped: bytes  # by the cell's key


class Accounts(Protocol):
    """What the meter and admission ask of a store."""

    def line(self, most: int) -> tuple[Sequence[InHand], Sequence[InLine]]:
        """Jobs being made, and the first `most` that wait, as they will be claimed."""

    def newest_usage(self, most: int) -> Sequence[Usage]:
        """The films that were finished last, newest first."""

    def usage_of(self, tenant: TenantId, since: int, until: int) -> Sequence[Usage]:
        """What one tenant was billed, oldest first."""

    def delivered_between(self, since: int, until: int) -> Sequence[Delivered]:
        """The jobs that succeeded in this time, oldest first."""

    def accounts(self) -> Mapping[str, str]:
        """The terms, as JSON, of every tenant or key that has some; a key is `TENANT/KEY`."""

    def set_account(self, subject: str, terms: str | None) -> None:
        """Keep terms for a tenant or key; None forgets them."""

    def turn_away(self, tenant: TenantId, reason: str) -> None:
        """Count a request that was not taken on, in the hour that it is."""

    def turned_away(self, since: int, until: int) -> Sequence[TurnedAway]:
        """What was counted in hours from `since`, before `until`."""

    def made_between(self, tenant: TenantId, since: int, until: int) -> Sequence[Job]:
        """All jobs of a tenant that were taken on in this time, deleted ones too."""

    def keep_window(self, tenant: TenantId, hour: int, line: str) -> None:
        """Settle an hour; one that is settled stays as it is."""

    def windows(self, since: int, until: int) -> Sequence[WindowKept]:
        """The settled hours from `since`, before `until`."""

    def window_logged(self, tenant: TenantId, hour: int) -> None:
        """The residency log has it."""

    def ask_erasure(self, id: str, tenant: TenantId) -> None:  # noqa: A002 - what it is everywhere
        """Put the erasure of a tenant's data on the house's list."""

    def erasures(self) -> Sequence[Erasure]:
        """All erasures, oldest first."""

    def erase(self, tenant: TenantId) -> int | None:
        """End what is open, and forget what was asked, made and told. Bills and states stay. Returns how many jobs
        were emptied now, or None while one is still being made: then ask again."""

    def erased(self, id: str, proof: str) -> None:  # noqa: A002
        """An erasure is done."""

    def data_key(self, tenant: TenantId, id: str | None = None) -> DataKey | None:  # noqa: A002
        """The data key of a tenant that is not destroyed; None when there is none, or it has another `id`."""

    def keep_data_key(self, made: DataKey) -> DataKey:
        """Keep a new data key, unless the tenant has one; returns the one that counts."""

    def destroy_data_keys(self, tenant: TenantId) -> Sequence[str]:
        """Forget the wrapped key, so that it is in no page of the database's files when this returns; in Postgres the
        next vacuum does that. Returns the ids of all keys of the tenant that ever were, oldest first."""

    def has_data_keys(self) -> bool:
        """Whether any tenant has a data key that is not destroyed."""
