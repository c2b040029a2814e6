"""One film that was delivered and is billed: a usage row, read back.

The studio writes it in the transaction that completes the job, so there is one for each delivered film and none for
any other: a replay, a retry or a second worker finds the first one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from serving.errors import Broken
from serving.jobs.records import Usage
from serving.sla.pace import Sample
from serving.sla.terms import Terms

__all__ = ["Billed", "read", "samples", "written"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """One usage row. Times are milliseconds since 1970 UTC, lengths milliseconds."""

    job: str
    tenant: str
    at: int  # when the film was delivered
    ordered: int  # when the job was taken on; this instant decides the price
    key: str  # id of the key that asked
    model: str
    mode: str
    width: int
    height: int
    ms: int  # of the film as delivered
    hand_ms: int  # that a studio's hand was busy; 0 when several studios shared the film
    engine_ms: int  # this film's part of the engine's time
    terms: Terms | None  # None for a job that was taken on without terms

    @property
    def sample(self) -> Sample | None:
        """What it says about the cell's pace."""
        if self.terms is None:
            return None
        t = self.terms
        patience = min(t.wait_ms, max(0, t.video_ms - self.hand_ms))
        return Sample(
            kind=t.kind,
            work=t.work,
            hand_ms=self.hand_ms,
            patience_ms=patience,
            ordered=self.ordered,
            done=self.at,
        )


def written(terms: str, **told: object) -> str:
    """A row's line: the job's terms, as JSON, and what was delivered and measured."""
    return json.dumps({**json.loads(terms), **told}, separators=(",", ":"))


def read(row: Usage) -> Billed:
    """From a row. Raises Broken for one that cannot be billed."""
    try:
        told: dict[str, Any] = json.loads(row.line)
        return Billed(
            job=row.job,
            tenant=row.tenant,
            at=row.at,
            ordered=int(told.get("ordered", row.at)),
            key=str(told["key"]),
            model=str(told["model"]),
            mode=str(told["mode"]),
            width=int(told["width"]),
            height=int(told["height"]),
            ms=int(told["ms"]),
            hand_ms=int(told.get("hand_ms", 0)),
            engine_ms=int(told.get("engine_ms", 0)),
            terms=Terms.read(row.line),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Broken(f"The usage row of job {row.job} cannot be read. Restore it from a copy.") from None


def samples(rows: Iterable[Usage]) -> list[Sample]:
    """What these films say about the pace. A row that cannot be read says nothing; whoever bills it says so."""
    found = []
    for row in rows:
        with suppress(Broken):
            found.append(read(row).sample)
    return [sample for sample in found if sample is not None]
