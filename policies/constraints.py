"""What a tenant, a key or a request demands of the place where it runs.

Demands only add up. A key narrows its tenant and a request narrows its key; what two of them allow together is what
both allow, so `narrow` is total, never widens, and gives the same whichever comes first. A wish for more than the
ceiling allows is cut rather than refused, because a ceiling may be lowered long after a key was made and the key must
then still work, for less. Whoever makes a key asks `widenings` first and refuses there, where a person can mend it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies.canonical import Digest, Value, encode, sha256
from policies.errors import Malformed, Refused

__all__ = [
    "MOST_GROUPS",
    "OBJECTIVES",
    "RANKS",
    "Constraints",
    "DataClass",
    "Evidence",
    "Purpose",
    "Seal",
    "Wish",
    "narrow",
    "widenings",
]

MOST_GROUPS: Final = 4  # groups of certifications of which one must be held; the rules have a slot for each
MOST_NAMES: Final = 64  # in one set
MOST_BYTES: Final = 1 << 16  # of one tenant's constraints as JSON
OBJECTIVES: Final = tuple(f"sov{number}" for number in range(1, 9))  # Cloud Sovereignty Framework, SOV-1 to SOV-8


class DataClass(StrEnum):
    """How the content of a request must be treated."""

    PUBLIC = "public"  # holds nothing about people and nothing secret
    INTERNAL = "internal"
    PERSONAL = "personal"
    RESTRICTED_EU = "restricted_eu"  # only where the EU's law alone reaches: in the EU, on an EU-owned provider
    RESTRICTED_JP = "restricted_jp"  # only where Japan's law alone reaches


class Purpose(StrEnum):
    """What is done with the content."""

    GENERATION = "generation"
    STORAGE = "storage"
    SUPPORT = "support"


class Evidence(StrEnum):
    """How well a region's location is known, weakest first."""

    DECLARED = "declared"  # the provider says so
    ENDPOINT = "endpoint"  # the region is part of an endpoint, credential or partition that code checks
    ATTESTED = "attested"  # a signed identity document or TEE quote is bound to the worker's key


RANKS: Final = {grade: rank for rank, grade in enumerate(Evidence, start=1)}

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]  # of a list or a certification
Jurisdiction = Annotated[str, Field(pattern=r"^[A-Z]{2,8}$")]
Names = Annotated[frozenset[Name], Field(max_length=MOST_NAMES)]
Jurisdictions = Annotated[frozenset[Jurisdiction], Field(max_length=MOST_NAMES)]
Groups = Annotated[
    frozenset[Annotated[frozenset[Name], Field(min_length=1, max_length=MOST_NAMES)]], Field(max_length=MOST_GROUPS)
]
Level = Annotated[int, Field(ge=0, le=4)]


T = TypeVar("T", bound=str)
M = TypeVar("M", bound=BaseModel)


class Seal(BaseModel):
    """A SEAL level, 0 to 4, for each of the eight objectives of the Cloud Sovereignty Framework."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sov1: Level = 0
    sov2: Level = 0
    sov3: Level = 0
    sov4: Level = 0
    sov5: Level = 0
    sov6: Level = 0
    sov7: Level = 0
    sov8: Level = 0

    def levels(self) -> dict[str, int]:
        """Level of each objective, by its name."""
        return {objective: getattr(self, objective) for objective in OBJECTIVES}


class _Demands(BaseModel):
    """What tenants and wishes have in common: demands whose absence demands nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Owners' jurisdictions that are not accepted. With any named here, an owner that is not confirmed is not either.
    forbidden_ownership: Jurisdictions = frozenset()
    #: Lists, such as `us-1260h`, that neither the ultimate parent nor a subprocessor may stand on.
    forbidden_lists: Names = frozenset()
    #: Certifications that must all be held: confirmed, in date, for this region.
    required_certifications: Names = frozenset()
    #: Groups of certifications; of each group one must be held.
    required_any: Groups = frozenset()
    min_seal: Seal = Seal()
    min_evidence: Evidence = Evidence.DECLARED


class Constraints(_Demands):
    """Everything one caller demands. What is not allowed here is forbidden."""

    v: Literal["equerry.constraints/1"] = "equerry.constraints/1"
    #: The jurisdiction whose law protects the people this tenant speaks for. A request cannot change it.
    home: Jurisdiction
    allowed_jurisdictions: Jurisdictions
    allowed_classes: frozenset[DataClass]
    allowed_purposes: frozenset[Purpose] = frozenset({Purpose.GENERATION, Purpose.STORAGE})

    def canonical(self) -> bytes:
        """The bytes that the log's `con` names: every field, sets sorted."""
        return encode(_plain(self))

    @property
    def digest(self) -> Digest:
        """SHA-256 of the canonical bytes."""
        return sha256(self.canonical())

    @classmethod
    def parse(cls, text: bytes) -> Constraints:
        """Constraints from JSON. Raises Malformed with the field that is wrong."""
        return _parse(cls, text)


class Wish(_Demands):
    """What a key or a request asks for beneath its ceiling. A field that is left out asks for nothing."""

    v: Literal["equerry.wish/1"] = "equerry.wish/1"
    allowed_jurisdictions: Jurisdictions | None = None
    allowed_classes: frozenset[DataClass] | None = None
    allowed_purposes: frozenset[Purpose] | None = None

    def canonical(self) -> bytes:
        """Every field that asks for something, sets sorted."""
        return encode(_plain(self))

    @classmethod
    def parse(cls, text: bytes) -> Wish:
        """A wish from JSON. Raises Malformed with the field that is wrong."""
        return _parse(cls, text)


def narrow(ceiling: Constraints, wish: Wish | Constraints) -> Constraints:
    """What both allow. Raises Refused when they cannot be joined: other homes, or too many groups."""
    if isinstance(wish, Constraints) and wish.home != ceiling.home:
        raise Refused(f"The home is {ceiling.home} and cannot become {wish.home} further down; leave it out.")
    groups = ceiling.required_any | wish.required_any
    if len(groups) > MOST_GROUPS:
        raise Refused(f"Together these ask for {len(groups)} groups of certifications; {MOST_GROUPS} are possible.")
    return Constraints(
        home=ceiling.home,
        allowed_jurisdictions=_both(ceiling.allowed_jurisdictions, wish.allowed_jurisdictions),
        allowed_classes=_both(ceiling.allowed_classes, wish.allowed_classes),
        allowed_purposes=_both(ceiling.allowed_purposes, wish.allowed_purposes),
        forbidden_ownership=ceiling.forbidden_ownership | wish.forbidden_ownership,
        forbidden_lists=ceiling.forbidden_lists | wish.forbidden_lists,
        required_certifications=ceiling.required_certifications | wish.required_certifications,
        required_any=groups,
        min_seal=_higher(ceiling.min_seal, wish.min_seal),
        min_evidence=max(ceiling.min_evidence, wish.min_evidence, key=RANKS.__getitem__),
    )


def widenings(ceiling: Constraints, wish: Wish | Constraints) -> tuple[str, ...]:
    """What the wish names as allowed and the ceiling does not, as `field: value`; `narrow` cuts exactly these."""
    fields = ("allowed_jurisdictions", "allowed_classes", "allowed_purposes")
    return tuple(
        f"{field}: {name}"
        for field in fields
        for name in sorted((getattr(wish, field) or frozenset()) - getattr(ceiling, field))
    )


def _both(ceiling: frozenset[T], wish: frozenset[T] | None) -> frozenset[T]:
    return ceiling if wish is None else ceiling & wish


def _higher(one: Seal, other: Seal) -> Seal:
    other_levels = other.levels()
    return Seal(**{objective: max(level, other_levels[objective]) for objective, level in one.levels().items()})


def _plain(demands: BaseModel) -> dict[str, Value]:
    """The fields as JSON values; sets become sorted arrays, so that equal demands have equal bytes."""
    return {
        name: _sorted(value) for name in type(demands).model_fields if (value := getattr(demands, name)) is not None
    }


def _sorted(value: object) -> Value:
    if isinstance(value, frozenset):
        return sorted((_sorted(inner) for inner in value), key=str)
    if isinstance(value, Seal):
        return dict(value.levels())
    return str(value)


def _parse(kind: type[M], text: bytes) -> M:
    if len(text) > MOST_BYTES:
        raise Malformed(f"Constraints of {len(text):,} bytes are too long; {MOST_BYTES:,} are allowed.")
    try:
        return kind.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Malformed(f"The constraints do not hold at {place or 'the top'}: {first['msg']}.") from None
