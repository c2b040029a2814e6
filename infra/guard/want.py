"""What an argument has to be: the rows that most rules are made of.

A row names a resource type, the path of an argument, what it must be, and what to write instead. The same rows are
the list of security-relevant arguments by which the tests take arguments away one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from infra.guard.seen import ABSENT, UNKNOWN, Seen, at

__all__ = ["Free", "Given", "Is", "Least", "Missing", "Never", "Test", "Want"]


class Test(Protocol):
    """What a value must be."""

    def obeys(self, value: object) -> bool:
        """Whether it is so. ABSENT and UNKNOWN are values too."""

    def __str__(self) -> str:
        """What it should be, in words that follow `it should be`."""


@dataclass(frozen=True, slots=True)
class Is:
    """Said, and one of these. The cloud's default is something else, or may become so."""

    values: tuple[object, ...]

    def obeys(self, value: object) -> bool:
        """Unknown is not said."""
        return value in self.values

    def __str__(self) -> str:
        return " or ".join(map(_shown, self.values))


@dataclass(frozen=True, slots=True)
class Never:
    """Left out, or anything but these. The cloud's default is none of them."""

    values: tuple[object, ...]

    def obeys(self, value: object) -> bool:
        """Unknown could be one of them."""
        return value is not UNKNOWN and value not in self.values

    def __str__(self) -> str:
        return "anything but " + " or ".join(map(_shown, self.values))


@dataclass(frozen=True, slots=True)
class Given:
    """Said, whatever it is; an id that the cloud has yet to draw counts."""

    def obeys(self, value: object) -> bool:
        """A reference is unknown in a preview."""
        return value is UNKNOWN or value not in (ABSENT, "", [], {}, ())

    def __str__(self) -> str:
        return "given"


@dataclass(frozen=True, slots=True)
class Missing:
    """Left out: any value of it is wrong."""

    def obeys(self, value: object) -> bool:
        """Unknown is a value."""
        return value in (ABSENT, "", [], {}, (), False)

    def __str__(self) -> str:
        return "left out"


@dataclass(frozen=True, slots=True)
class Free:
    """Left out, or one of these: the cloud's default obeys as well."""

    values: tuple[object, ...]

    def obeys(self, value: object) -> bool:
        """Unknown could be something else."""
        return value is ABSENT or value in self.values

    def __str__(self) -> str:
        return "left out, or " + " or ".join(map(_shown, self.values))


@dataclass(frozen=True, slots=True)
class Least:
    """A number that is not smaller; clouds take numbers as text, too."""

    value: float

    def obeys(self, value: object) -> bool:
        """Neither absent nor unknown is a number."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return False
        try:
            return float(value) >= self.value
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"{self.value:g} or more"


@dataclass(frozen=True, slots=True)
class Want:
    """One row."""

    rule: str
    type: str
    path: str
    test: Test
    fix: str  # what to do, and why, in one or two sentences

    def misses(self, seen: Seen) -> Iterator[str]:
        """A message for each value of this resource that is not as wanted."""
        if seen.type != self.type:
            return
        for value in at(seen.inputs, self.path):
            if not self.test.obeys(value):
                yield f"{self.path} is {_shown(value)}; it should be {self.test}. {self.fix}"


def _shown(value: object) -> str:
    if value is ABSENT:
        return "left out"
    if value is UNKNOWN:
        return "not known before the cloud answers"
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
