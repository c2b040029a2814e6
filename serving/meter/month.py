"""A calendar month in UTC: what statements, caps and credits are about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from serving.errors import Refused

__all__ = ["Month", "month_of"]


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One month. `since` belongs to it, `until` does not; both are milliseconds since 1970 UTC."""

    year: int
    number: int  # 1 to 12

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def since(self) -> int:
        """The first millisecond."""
        return _ms(self.year, self.number)

    @property
    def until(self) -> int:
        """The first millisecond of the next month."""
        return _ms(self.year + self.number // 12, self.number % 12 + 1)

    @classmethod
    def parse(cls, text: str) -> Month:
        """From `2026-11`. Raises Refused."""
        found = re.fullmatch(r"(20[0-9]{2})-(0[1-9]|1[0-2])", text)
        if found is None:
            raise Refused(f"{text[:20]!r} is not a month. Write year and month, such as 2026-11.")
        return cls(int(found[1]), int(found[2]))


def month_of(at: int) -> Month:
    """The month of an instant in milliseconds since 1970 UTC."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return Month(moment.year, moment.month)


def _ms(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000
