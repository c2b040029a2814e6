"""Refusals of keys that are none of this cell's: which of them the log gets one by one, and how many it does not.

A key of another cell can be made up by anybody, since its checksum is no secret. So what strangers do may cost the log
a bounded number of entries: those that are not written are counted, and the sum goes into the log before the next one.
"""

from __future__ import annotations

from typing import Final

from policies.log.entry import SlaWindow
from policies.sla import Rejection
from serving.bucket import Bucket

__all__ = ["NOBODY", "PER_MINUTE", "Strangers"]

NOBODY: Final = "t-0000000000000000"  # stands in the log for a caller whom this cell does not know
PER_MINUTE: Final = 60  # entries of one gateway
HOUR: Final = 3_600_000  # milliseconds
MOST: Final = 999_999_999  # that one entry may count


class Strangers:
    """Counts for one gateway. `now` is milliseconds since 1970."""

    def __init__(self, region: str, per_minute: int = PER_MINUTE) -> None:
        self._region = region
        self._turns = Bucket(per_minute=per_minute, most=per_minute)
        self._unwritten = 0

    def writes(self, now: int) -> bool:
        """Whether one more refusal is written by itself; it is counted when not."""
        if not self._turns.take(now):
            return True
        self._unwritten += 1
        return False

    def summary(self, now: int) -> SlaWindow | None:
        """How many were not written since the last time, or None. They are forgotten here: see `again`."""
        number, self._unwritten = min(self._unwritten, MOST), 0
        if not number:
            return None
        turned = {Rejection.RATE_LIMITED.value: number}
        return SlaWindow(ten=NOBODY, region=self._region, hour=now // HOUR, count=number, ok=0, hist=(), rej=turned)

    def again(self, summary: SlaWindow) -> None:
        """Keep in mind what could not be written."""
        self._unwritten += summary.count
