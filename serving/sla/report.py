"""A month of promises for one tenant: what was asked, what was kept, and what goes back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from policies.money import Currency, Money, share
from policies.sla import Availability, Rejection, Service
from policies.sla_windows import Bucket, Window, availability, merge, percentile
from serving.meter.month import Month

__all__ = ["Report", "report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the operator owes an explanation for, or money."""

    tenant: str
    month: Month
    service: Service
    hours: int  # that are settled
    window: Window  # all of them together
    reached: Availability  # inside the boundary, and in total
    percentile: Bucket | None  # of time to video, at the percentile that the class promises
    credit_percent: int
    credits: tuple[Money, ...]  # one for each currency that was billed

    @property
    def kept(self) -> bool:
        """Whether both availabilities were reached."""
        promised = self.service.availability
        return self.reached.inside >= promised.inside and self.reached.total >= promised.total

    def shown(self) -> dict[str, Any]:
        """For scripts. Availabilities are millionths, times milliseconds, money the minor unit."""
        w = self.window
        return {
            "v": "equerry.sla-report/1",
            "tenant": self.tenant,
            "month": str(self.month),
            "service": self.service.name,
            "hours": self.hours,
            "asked": w.count,
            "delivered": w.ok,
            "in_time": w.kept,
            "rejected": {str(reason): w.rejections.get(reason, 0) for reason in Rejection},
            "availability": {
                "inside": self.reached.inside,
                "inside_promised": self.service.availability.inside,
                "total": self.reached.total,
                "total_promised": self.service.availability.total,
            },
            "percentile": self.service.percentile,
            "time_to_video": None if self.percentile is None else [self.percentile.low, self.percentile.high],
            "kept": self.kept,
            "credit_percent": self.credit_percent,
            "credits": [{"amount": each.amount, "currency": each.currency} for each in self.credits],
        }


def report(
    tenant: str,
    month: Month,
    service: Service,
    windows: Sequence[Window],
    bounds_ms: Sequence[int],
    bill: dict[Currency, Money],
) -> Report:
    """The report of a month from its settled hours. Raises Refused when their buckets differ."""
    none = Window(count=0, ok=0, kept=0, histogram=(0,) * (len(bounds_ms) + 1))
    whole = reduce(merge, windows, none)
    reached = availability(whole)
    percent = service.credit(reached.inside)
    return Report(
        tenant=tenant,
        month=month,
        service=service,
        hours=len(windows),
        window=whole,
        reached=reached,
        percentile=percentile(whole, service.percentile, bounds_ms),
        credit_percent=percent,
        credits=tuple(share(money, percent) for _, money in sorted(bill.items())) if percent else (),
    )
