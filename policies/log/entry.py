"""Entries of the residency log: one type per kind, and the bytes that go into the tree.

An entry is canonical JSON (RFC 8785) of at most 16,384 bytes. No type here takes free text: every field is one of a
list, a random id, a digest or a number, and `encode` holds the bytes to the shipped schema before anybody sees them.
Time, randomness and sequence come in with the `Stamp`, so that building an entry is a pure function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final

from policies.canonical import Value
from policies.canonical import encode as canonical
from policies.log.lint import MOST_ENTRY, lint

__all__ = [
    "DEPTH",
    "KINDS",
    "MOST_ENTRY",
    "PARTS",
    "VERSION",
    "Canary",
    "Candidates",
    "CatalogueActivated",
    "Changed",
    "ConstraintsChanged",
    "Decision",
    "Entry",
    "Erased",
    "Execution",
    "Gap",
    "Head",
    "KeyRotated",
    "ListActivated",
    "Manifest",
    "Marked",
    "OperatorAccess",
    "Pad",
    "PolicyActivated",
    "RequestedAccess",
    "ShardClosed",
    "ShardOpened",
    "SlaWindow",
    "Stamp",
    "Transfer",
    "Watermark",
    "Where",
    "WitnessHead",
    "encode",
    "lint",
    "plain",
]

VERSION: Final = "equerry.entry/1"
DEPTH: Final = 4  # objects and arrays within each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What every entry has and its author does not choose: where it stands in time and in its writer's sequence."""

    ts: int  # milliseconds since 1970, UTC
    id: str  # 128 random bits, hexadecimal
    salt: str  # the same; without it the hash of an entry could be guessed from outside
    w: str  # the writer: `w-` and 16 hexadecimal digits
    n: int  # the writer's sequence: 0, 1, 2, ... without holes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an entry says. A field that is None is left out of the bytes."""

    KIND: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where a request runs, as far as the catalogue knows."""

    jur: str  # jurisdiction
    cc: str  # country
    prov: str  # provider
    own: str | None = None  # jurisdiction of the ultimate owner, when it is confirmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """How many regions were eligible, and how many each rule excluded."""

    eligible: int
    denied: Mapping[str, int] = field(default_factory=dict)  # by the rule's id


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A tree head of some log."""

    origin: str
    size: int
    root: str  # hexadecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A C2PA manifest."""

    manifest: str  # digest
    cert: str  # digest of the certificate's serial number


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """A watermark and what it carries."""

    alg: str
    ver: int
    pid: str  # 48 bits, hexadecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Entry):
    """Whether a request may run, and in which region. `sel` and `where` are there when it may, and only then."""

    KIND: ClassVar[str] = "route.decision"
    ten: str
    req: str
    cls: str  # data class
    pur: str  # purpose
    sub: str  # jurisdiction of the people whom the content concerns
    dec: str  # allow or deny
    rules: tuple[str, ...]
    cand: Candidates
    pol: str  # digests of what it rests on: policy bundle,
    cat: str  # catalogue,
    lst: str  # lists,
    con: str  # the caller's constraints after narrowing
    sel: str | None = None
    where: Where | None = None
    subj: str | None = None  # HMAC-SHA256 that links a person's requests while the key exists; off by default


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution(Entry):
    """A worker ended a request. Without output `out_bytes` is 0, also when a job ends before a worker had it."""

    KIND: ClassVar[str] = "route.execution"
    ten: str
    req: str
    region: str
    evid: str  # declared, endpoint or attested
    dec2: str  # the worker's own decision
    ms: int
    gpu: str  # model of the accelerator, or cpu
    in_bytes: int
    out_bytes: int
    egress: str  # digest of the egress policy in force
    att: str | None = None  # digest of the identity document or TEE quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked(Entry):
    """A film was marked and may leave."""

    KIND: ClassVar[str] = "output.marked"
    ten: str
    req: str
    out: str  # SHA-256 of the file as delivered
    c2pa: Manifest
    wm: Watermark
    vis: bool  # a visible label


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Entry):
    """Data of a class may cross a border, on a basis."""

    KIND: ClassVar[str] = "transfer"
    ten: str
    from_: str
    to: str
    basis: str
    doc: str  # digest of the assessment or contract
    cls: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAccess(Entry):
    """The operator's staff reached into the cell."""

    KIND: ClassVar[str] = "access.operator"
    staff: str  # jurisdiction where they sit
    scope: str
    why: str
    grant: str  # digest of the approval
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedAccess(Entry):
    """An authority asked for data."""

    KIND: ClassVar[str] = "access.request"
    auth: str  # country
    basis: str
    outcome: str
    notified: bool
    minimised: bool
    ten: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Entry):
    """A document takes the place of another. The first of its kind has no `old`."""

    new: str
    by: tuple[str, ...]  # keys of those who approved
    old: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyActivated(Changed):
    """A policy bundle decides from now on."""

    KIND: ClassVar[str] = "policy.activate"
    proofs: Mapping[str, str]  # p1 to p5 and redundant: proven, refuted or skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueActivated(Changed):
    """A catalogue holds from now on."""

    KIND: ClassVar[str] = "catalog.activate"
    notice: int | None = None  # milliseconds since 1970: when customers were told


@dataclass(frozen=True, slots=True, kw_only=True)
class ListActivated(Changed):
    """Lists of entities hold from now on."""

    KIND: ClassVar[str] = "list.activate"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintsChanged(Changed):
    """What binds a customer changes."""

    KIND: ClassVar[str] = "tenant.constraints"
    ten: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaWindow(Entry):
    """One hour of one customer in one region."""

    KIND: ClassVar[str] = "sla.window"
    ten: str
    region: str
    hour: int  # hours since 1970, UTC
    count: int
    ok: int
    hist: tuple[int, ...]  # requests per bucket of time to video
    rej: Mapping[str, int]  # by reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary(Entry):
    """A request that must be denied was made on purpose."""

    KIND: ClassVar[str] = "canary"
    ten: str
    req: str
    cls: str
    region: str
    dec: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Entry):
    """Entries of a writer that were never acknowledged, first and last included."""

    KIND: ClassVar[str] = "gap"
    gw: str
    from_: int
    to: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased(Entry):
    """The key that links a person's requests was destroyed."""

    KIND: ClassVar[str] = "erase"
    ten: str
    key: str  # digest of the key's id


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotated(Entry):
    """A key takes the place of another. One that is made has no `old`, one that is revoked has no `new`."""

    KIND: ClassVar[str] = "key.rotate"
    what: str
    new: str | None = None
    old: str | None = None
    ten: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardOpened(Entry):
    """This log begins, after another. It names the schema that its entries follow."""

    KIND: ClassVar[str] = "shard.open"
    schema: str  # digest
    prev: Head | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardClosed(Entry):
    """This log ends."""

    KIND: ClassVar[str] = "shard.close"
    next: str | None = None  # origin


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessHead(Entry):
    """A head of another log was seen, and is consistent with those before."""

    KIND: ClassVar[str] = "witness.head"
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(Entry):
    """Nothing. It hides how many entries there are."""

    KIND: ClassVar[str] = "pad"


KINDS: Final[tuple[type[Entry], ...]] = (
    Decision,
    Execution,
    Marked,
    Transfer,
    OperatorAccess,
    RequestedAccess,
    PolicyActivated,
    CatalogueActivated,
    ListActivated,
    ConstraintsChanged,
    SlaWindow,
    Canary,
    Gap,
    Erased,
    KeyRotated,
    ShardOpened,
    ShardClosed,
    WitnessHead,
    Pad,
)


def encode(entry: Entry, stamp: Stamp) -> bytes:
    """The bytes of an entry. Raises Malformed when the schema does not allow them."""
    value = {"v": VERSION, "t": entry.KIND, **plain(stamp), **plain(entry)}
    data = canonical(value, depth=DEPTH, most=MOST_ENTRY)
    lint(data)
    return data


PARTS: Final = (Where, Candidates, Head, Manifest, Watermark)


def plain(thing: object) -> dict[str, Value]:
    """The fields that are there, of an entry, a part or a stamp. A field `from_` is `from`, which Python keeps."""
    there = ((name, getattr(thing, field)) for name, field in _names(type(thing)))
    return {name: _value(value) for name, value in there if value is not None}


def _names(kind: type[Any]) -> tuple[tuple[str, str], ...]:
    """The fields of a dataclass as the bytes spell them, and as Python does; worked out once for each kind."""
    if kind not in _NAMES:
        _NAMES[kind] = tuple((each.name.rstrip("_"), each.name) for each in fields(kind))
    return _NAMES[kind]


_NAMES: Final[dict[type, tuple[tuple[str, str], ...]]] = {}


def _value(value: object) -> Value:
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, PARTS):
        return plain(value)
    if isinstance(value, Mapping):  # the profile has no hyphens in keys, and ids of rules have
        return {str(key).replace("-", "_"): _value(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_value(inner) for inner in value]
    return value  # type: ignore[return-value]  # what remains is text, truth or a number, which `canonical` checks
