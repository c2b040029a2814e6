"""A resource as the guard sees it: plain values, with what is not known yet marked as such.

A preview does not know what a cloud will answer. The policy SDK turns a rule that touches such a value into mere
advice, so a rule that reads carelessly fails open. Here the unknown is a value of its own, `UNKNOWN`, and each rule
decides about it: the id of a key may be unknown, a region may not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

__all__ = ["ABSENT", "UNKNOWN", "Mark", "Seen", "at", "leaves"]


class Mark(Enum):
    """What stands where there is no value."""

    ABSENT = "nothing"
    UNKNOWN = "something that only the cloud knows"


ABSENT: Final = Mark.ABSENT
UNKNOWN: Final = Mark.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One resource of a plan, with its inputs by the cloud's own names."""

    type: str  # pulumi's token, such as aws:s3/bucket:Bucket
    name: str
    urn: str
    inputs: Mapping[str, object]
    protected: bool = False
    provider: Mapping[str, object] | None = None  # inputs of the explicit provider; None when there is none
    leans_on: Mapping[str, frozenset[str]] = field(default_factory=dict)  # URNs by the input that comes from them

    @property
    def package(self) -> str:
        """Whose SDK: aws, gcp, azure-native …; `pulumi` for providers and stack references."""
        return self.type.partition(":")[0]

    @property
    def custom(self) -> bool:
        """Whether a cloud makes it; components only hold others."""
        return self.package not in {"pulumi", "equerry"}


def at(value: object, path: str) -> Iterator[object]:
    """Every value at a path such as `a.b[*].c`; ABSENT once where a step leads nowhere."""
    head, _, rest = path.partition(".")
    many = head.endswith("[*]")
    for found in _step(value, head.removesuffix("[*]"), many):
        if rest and not isinstance(found, Mark):
            yield from at(found, rest)
        else:
            yield found


def _step(value: object, key: str, many: bool) -> Iterator[object]:
    found = value.get(key, ABSENT) if isinstance(value, Mapping) else ABSENT
    if found is None:
        found = ABSENT
    if not many or isinstance(found, Mark):
        yield found
    elif isinstance(found, Sequence) and not isinstance(found, str):
        yield from found if found else (ABSENT,)
    else:
        yield found


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value that holds no others, with its path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{place}]")
    else:
        yield path, value
