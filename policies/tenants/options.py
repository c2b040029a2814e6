"""What is typed about constraints, as values: a file, options, or a file that options add to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from pydantic import ValidationError

from policies.constraints import MOST_BYTES, OBJECTIVES, Constraints, Wish
from policies.errors import Malformed, Refused, Unavailable

__all__ = [
    "AnyOf",
    "Demanded",
    "DemandsFile",
    "Evidence",
    "Grades",
    "JurisdictionNames",
    "Lists",
    "Owners",
    "Purposes",
    "Required",
    "SealLevels",
    "demanded",
]

JurisdictionNames = Annotated[
    list[str] | None, typer.Option("--jurisdiction", help="Where requests may run; may be repeated.", metavar="EU")
]
Grades = Annotated[
    list[str] | None,
    typer.Option("--class", help="Data class: public, internal, personal, restricted_eu, restricted_jp.", metavar="C"),
]
Purposes = Annotated[
    list[str] | None, typer.Option("--purpose", help="Purpose: generation, storage, support.", metavar="P")
]
Owners = Annotated[
    list[str] | None,
    typer.Option("--forbid-ownership", help="Jurisdiction whose owners are not accepted.", metavar="US"),
]
Lists = Annotated[
    list[str] | None, typer.Option("--forbid-list", help="List that no provider may stand on.", metavar="us-1260h")
]
Required = Annotated[
    list[str] | None, typer.Option("--require", help="Certification that must be held.", metavar="secnumcloud")
]
AnyOf = Annotated[
    list[str] | None,
    typer.Option("--require-any", help="Certifications of which one must be held, with commas.", metavar="c5,ismap"),
]
SealLevels = Annotated[
    list[str] | None, typer.Option("--min-seal", help="Least SEAL, 0 to 4, of an objective.", metavar="sov1=2")
]
Evidence = Annotated[
    str | None,
    typer.Option("--min-evidence", help="How well a place must be known.", metavar="declared|endpoint|attested"),
]
DemandsFile = Annotated[
    Path | None, typer.Option("--constraints", help="JSON with these fields; options replace its own.", metavar="F")
]

D = TypeVar("D", Constraints, Wish)
MOST_SEAL: Final = 4


@dataclass(frozen=True, slots=True)
class Demanded:
    """Fields of constraints or of a wish, as JSON has them; only those that were named."""

    text: bytes | None  # the file
    fields: dict[str, Any]

    def read(self, kind: type[D]) -> D:
        """Checked, as a whole. Raises Malformed with the field that is wrong."""
        base = {} if self.text is None else kind.parse(self.text).model_dump(exclude_unset=True)
        try:
            return kind.model_validate({**base, **self.fields})
        except ValidationError as error:
            raise Malformed(_first(error)) from None


def demanded(
    file: Path | None = None,
    home: str | None = None,
    jurisdictions: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    purposes: Sequence[str] | None = None,
    owners: Sequence[str] | None = None,
    lists: Sequence[str] | None = None,
    required: Sequence[str] | None = None,
    any_of: Sequence[str] | None = None,
    seal: Sequence[str] | None = None,
    evidence: str | None = None,
) -> Demanded:
    """Gather what was typed."""
    fields: dict[str, Any] = {
        "home": home,
        "allowed_jurisdictions": jurisdictions,
        "allowed_classes": classes,
        "allowed_purposes": purposes,
        "forbidden_ownership": owners,
        "forbidden_lists": lists,
        "required_certifications": required,
        "required_any": None if any_of is None else [group.split(",") for group in any_of],
        "min_seal": None if seal is None else dict(_seal(each) for each in seal),
        "min_evidence": evidence,
    }
    return Demanded(_text(file), {name: value for name, value in fields.items() if value})


def _text(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise Refused(f"There is no file {file} with constraints.") from None
    except OSError as error:
        raise Unavailable(f"{file} cannot be read: {error.strerror}.") from None


def _seal(text: str) -> tuple[str, int]:
    objective, _, level = text.partition("=")
    if objective not in OBJECTIVES or level not in {str(number) for number in range(MOST_SEAL + 1)}:
        raise Refused(f"{text!r} is not a least SEAL. Write an objective and a level from 0 to 4, such as sov1=2.")
    return objective, int(level)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    option = {"home": "--home", "allowed_jurisdictions": "--jurisdiction", "allowed_classes": "--class"}
    place = str(first["loc"][0]) if first["loc"] else "the top"
    return f"The constraints do not hold at {place}: {first['msg']}. Say {option.get(place, place)}, or mend the file."
