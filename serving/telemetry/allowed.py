"""The allow-list: everything that may leave in a span, a metric or a log, by name, and for each its type and values.

What is not here is dropped and counted, and so is a value that does not fit its row. Values are numbers, words of a
closed set, or ids that this cell has drawn itself. No row takes free text, so a prompt, a file's name, an address or a
user's id has no place to go, whichever part tells it by mistake.
"""

from __future__ import annotations

import builtins
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Final

import model.errors
import policies.errors
import policies.log.entry
import serving.errors
from model.clip import Mode
from policies.constraints import DataClass
from policies.tenants.cell import CELL
from serving.dialects.names import NAMES
from serving.jobs.job import State
from serving.jobs.store import Bench, Counter, Keep
from serving.media.store import Objects

__all__ = ["ATTRIBUTES", "CALLS", "ENTRIES", "SPANS", "Count", "Id", "Number", "Rule", "Words"]

MOST_LETTERS: Final = 128  # of any word


@dataclass(frozen=True, slots=True)
class Words:
    """One of a closed set."""

    words: frozenset[str]
    says: str = ""  # which they are, where they are many

    def fits(self, value: object) -> bool:
        """Whether a value may leave."""
        return isinstance(value, str) and value in self.words

    def __str__(self) -> str:
        return self.says or ", ".join(f"`{word}`" for word in sorted(self.words))


@dataclass(frozen=True, slots=True)
class Id:
    """Letters that this cell has drawn or was given by its operator."""

    pattern: re.Pattern[str]
    says: str

    def fits(self, value: object) -> bool:
        """Whether a value may leave."""
        return isinstance(value, str) and len(value) <= MOST_LETTERS and self.pattern.fullmatch(value) is not None

    def __str__(self) -> str:
        return self.says


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number from 0 to `most`."""

    most: int = 2**53

    def fits(self, value: object) -> bool:
        """Whether a value may leave."""
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= self.most

    def __str__(self) -> str:
        return "whole number" if self.most == 2**53 else f"whole number up to {self.most}"


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number."""

    def fits(self, value: object) -> bool:
        """Whether a value may leave."""
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

    def __str__(self) -> str:
        return "number"


Values = Words | Id | Count | Number


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: what an attribute says, and what it may hold."""

    help: str
    values: Values


def _words(*words: str) -> Words:
    return Words(frozenset(words))


def _kinds_of_errors() -> Iterator[str]:
    """Names of classes of exceptions: Python's and this project's own. Nobody but a programmer writes them."""
    trees: tuple[ModuleType, ...] = (builtins, model.errors, policies.errors, serving.errors)
    for tree in trees:
        yield from (name for name, value in vars(tree).items() if isinstance(value, type) and _raised(value))
    yield "other"


def _raised(kind: type) -> bool:
    return issubclass(kind, BaseException)


_METHODS: Final = _words("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "_OTHER")
_VERSION: Final = Id(re.compile(r"[0-9]{1,4}\.[0-9]{1,4}(\.[0-9a-z]{1,12})?"), "version")
_AT: Final = r"[a-z0-9_]{1,30}\.py:[0-9]{1,5}"  # where an error came from
_HEX: Final = "hexadecimal digits"
_REQUEST: Final = Id(re.compile(r"[0-9a-f]{32}"), f"32 {_HEX}")
_KINDS: Final = Words(frozenset(_kinds_of_errors()), "a class of Python's or of this project's errors, or `other`")
#: Kinds of entries of the residency log.
ENTRIES: Final = frozenset(
    kind.KIND for kind in vars(policies.log.entry).values() if isinstance(kind, type) and hasattr(kind, "KIND")
)

_PARTS: Final = {"store": (Counter, Bench, Keep), "objects": (Objects,)}
CALLS: Final = {
    part: frozenset(name for kind in kinds for name in vars(kind) if not name.startswith("_"))
    for part, kinds in _PARTS.items()
}

_STAGES: Final = ("media", "prepare", "decode", "render", "marks", "pictures", "deliver")

#: Names that a span may have.
SPANS: Final = frozenset(
    {
        "request", "gate", "dialect", "studio", "engine", "log",
        *_STAGES, *(f"{part}.{call}" for part, calls in CALLS.items() for call in calls),
    }
)  # fmt: skip

_CALLS: Final = Words(CALLS["store"] | CALLS["objects"], "a method of the job store or the object store")
_ENTRIES: Final = Words(ENTRIES, "a kind of `policies.log.entry`, such as `route.decision`")
_NAMES: Final = Words(frozenset(NAMES), "a name of `serving.dialects.names`")

_ROWS: Final[dict[str, Rule]] = {
    # Who and where.
    "service.name": Rule("What this is.", _words("equerry")),
    "service.version": Rule("Its version.", _VERSION),
    "service.instance.id": Rule("The process.", Id(re.compile(r"[0-9a-f]{8}"), f"8 {_HEX}, drawn at its start")),
    "cell": Rule("The cell.", Id(re.compile(CELL), "name of a cell")),
    "studio": Rule("A studio, by its drawn name.", Id(re.compile(rf"{CELL}-[0-9a-f]{{8}}"), "cell and 8 " + _HEX)),
    "tenant": Rule(
        "A customer, by its drawn id. In metrics the first ones seen have their own label, and the rest share `other`.",
        Id(re.compile(r"t-[0-9a-f]{16}|other"), f"`t-` and 16 {_HEX}, or `other`"),
    ),
    "request": Rule("A request's id, as the log has it after `r-`; it is the trace's id too.", _REQUEST),
    "job": Rule("A job's id, which is the id of the request that made it.", _REQUEST),
    "trace": Rule("The trace that a log line belongs to.", _REQUEST),
    "span": Rule("The span that a log line belongs to.", Id(re.compile(r"[0-9a-f]{16}"), f"16 {_HEX}")),
    # What was asked.
    "http.request.method": Rule("OpenTelemetry's.", _METHODS),
    "http.response.status_code": Rule("OpenTelemetry's.", Count(599)),
    "method": Rule("As `http.request.method`, in metrics.", _METHODS),
    "status": Rule("The hundred of an answer's status, in metrics.", _words("1xx", "2xx", "3xx", "4xx", "5xx", "none")),
    "dialect": Rule("Whose client asks.", _words("openai", "dashscope", "native", "films", "other")),
    "data_class": Rule("Class of data, as the rules know it.", Words(frozenset(DataClass))),
    "mode": Rule("What a film is made from.", Words(frozenset(Mode))),
    "seconds": Rule("Length of a film.", Count(3600)),
    "width": Rule("Pixels.", Count(65_536)),
    "height": Rule("Pixels.", Count(65_536)),
    "pieces": Rule("Images and films that came with a request.", Count(1_000)),
    "gen_ai.operation.name": Rule("OpenTelemetry's.", _words("generate_content")),
    "gen_ai.provider.name": Rule("OpenTelemetry's.", _words("equerry")),
    "gen_ai.request.model": Rule("The model by the name that the caller used.", _NAMES),
    "gen_ai.response.model": Rule("The model that runs.", _words("pony", "horse", "own")),
    "gen_ai.output.type": Rule("OpenTelemetry's; this cell makes films.", _words("video")),
    "gen_ai.usage.output_tokens": Rule("Slots drawn for a film.", Count()),
    # How it went.
    "error": Rule("What was raised, by its class.", _KINDS),
    "error.type": Rule("The same, by OpenTelemetry's name.", _KINDS),
    "place": Rule(
        "Where an error came from.",
        Id(re.compile(rf"{_AT}(?: < {_AT}){{0,2}}"), "up to 3 of FILE:LINE"),
    ),
    "state": Rule("Where a job stands.", Words(frozenset(State))),
    "reason": Rule(
        "Why a job failed.",
        _words("none", "generation_failed", "invalid_request", "policy", "attempts", "deadline", "cancelled", "other"),
    ),
    "outcome": Rule("How a call ended.", _words("ok", "refused", "unavailable", "failed")),
    "cause": Rule("Why something was dropped or given back.", _words("unlisted", "full", "failed", "drain", "lease")),
    "again": Rule("Whether another studio had the job before.", _words("yes", "no")),
    "call": Rule("A call of a part.", _CALLS),
    "stage": Rule("A stage of the work on a film.", _words(*_STAGES)),
    "entry": Rule("Kind of an entry of the residency log.", _ENTRIES),
    "duty": Rule(
        "A duty of the house that failed.",
        _words(
            *("rules", "leases", "control", "ends", "expiry", "erase", "settle", "sweep", "orphans"),
            *("webhooks", "witnesses"),
        ),
    ),
    "witness": Rule("A witness, by its place in `log.witnesses`, from 1.", Count(16)),
    "signal": Rule("What was told on.", _words("spans", "metrics", "logs")),
    "source": Rule("Whose metrics.", _words("vllm", "ray")),
    "fence": Rule("Grows with each claim of a job.", Count()),
    "attempts": Rule("Times that a job was claimed.", Count(100_000)),
    "chunks": Rule("Chunks.", Count(100_000)),
    "resumed": Rule("Chunks that were there already.", Count(100_000)),
    "bytes": Rule("Bytes.", Count()),
    "count": Rule("How many.", Count()),
    "ms": Rule("Milliseconds.", Number()),
}  # fmt: skip

#: By name.
ATTRIBUTES: Final[Mapping[str, Rule]] = MappingProxyType(_ROWS)
