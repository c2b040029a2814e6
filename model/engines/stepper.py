"""What an engine's loop drives: something that draws slots of several windows in one step.

A stepper belongs to one thread. It may raise from any call; the loop then throws it away and makes another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from model.engines.walk import Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What one step has drawn of one window."""

    name: str
    tokens: list[int]  # the next ones of its slots, in order


class Stepper(Protocol):
    """Draws slots."""

    room: int  # windows that may be open at once

    def open(self, name: str, cut: Cut) -> None:
        """Begins a window. Raises Refused for one that cannot be decoded."""

    def step(self) -> list[Drawn]:
        """Does one step for all open windows. A window whose last slot is drawn is closed by that."""

    def drop(self, name: str) -> None:
        """Closes a window early, and frees what it holds. A window that is not open is no error."""

    def check(self) -> None:
        """Raises when it cannot go on."""

    def cache_use(self) -> float | None:
        """Share of the key-value cache in use, or None."""

    def close(self) -> None:
        """Frees everything."""
