"""Where a cell is reached by its clients: every address that it hands out begins here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Origin"]

_ORIGIN: Final = re.compile(
    r"https?://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|https?://\[[0-9a-f:]{2,45}\](?::[0-9]{1,5})?"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port, as configured. The Host header of a request is never asked: a client can write there."""

    text: str

    def __post_init__(self) -> None:
        if not _ORIGIN.fullmatch(self.text):
            raise ValueError(
                f"{self.text[:80]!r} is no origin. Write scheme, host and port, without a slash at the end."
            )

    def url(self, path: str) -> str:
        """The absolute address of a path that begins with a slash."""
        return self.text + path
