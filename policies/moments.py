"""Instants in documents: written `2026-12-01T00:00:00Z`, kept as milliseconds since 1970-01-01 UTC.

Only UTC is accepted, so that no promotion or book begins at another instant for somebody in another zone or on a day
when clocks change.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainSerializer

from policies.errors import Malformed

__all__ = ["Moment", "moment", "written"]

_FORM: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def moment(text: str) -> int:
    """Milliseconds since 1970 of an instant as documents write it. Raises Malformed."""
    try:
        if not _FORM.fullmatch(text):
            raise ValueError
        return int(datetime.fromisoformat(text).timestamp()) * 1000
    except ValueError:
        raise Malformed(f"{text[:40]!r} is not an instant. Write it in UTC, such as 2026-12-01T00:00:00Z.") from None


def written(instant: int) -> str:
    """An instant as documents write it, to the second."""
    return datetime.fromtimestamp(instant // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(value: object) -> object:
    """For pydantic, which wants a ValueError."""
    if not isinstance(value, str):
        return value
    try:
        return moment(value)
    except Malformed as error:
        raise ValueError(str(error)) from None


Moment = Annotated[
    int, Field(ge=0, lt=253_402_300_800_000), BeforeValidator(_read), PlainSerializer(written, when_used="json")
]
