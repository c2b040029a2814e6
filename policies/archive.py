"""Documents kept by digest, and the record of a decision that names them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from policies.canonical import Digest, encode, sha256
from policies.decision import Grounds
from policies.errors import Malformed, Refused
from policies.replay import Archive, Question
from policies.shelf import read
from policies.signatures import checked, read_json

__all__ = ["read_archive", "read_record"]

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[str, Field(max_length=128)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pol: Hex
    cat: Hex
    lst: Hex
    con: Hex
    data_class: Word
    purpose: Word
    subject_region: Word
    region: Word
    day: Annotated[int, Field(ge=0, le=3_000_000)]


def read_record(text: bytes) -> tuple[Grounds, Question]:
    """A recorded decision: what it was based on, and what was asked. Raises Malformed."""
    record = checked(_Record, text, "record")
    grounds = Grounds(*(Digest(digest) for digest in (record.pol, record.cat, record.lst, record.con)))
    asked = (record.data_class, record.purpose, record.subject_region, record.region, record.day)
    return grounds, Question(*asked)


def read_archive(objects: Path, grounds: Grounds, lists: Path | None = None) -> Archive:
    """The documents of a decision, each compared with its digest; or other lists, which nobody needs to have signed."""
    listed = encode(read_json(read(lists), "lists")) if lists else _named(objects, grounds.lst)
    return Archive(_named(objects, grounds.pol), _named(objects, grounds.cat), listed, _named(objects, grounds.con))


def _named(objects: Path, digest: Digest) -> bytes:
    path = objects / "sha256" / digest[:2] / digest[2:]
    if not path.is_file():
        raise Refused(f"The document {digest} is not in {objects}; take the whole `objects` folder of the log.")
    found = read(path)
    if sha256(found) != digest:
        raise Malformed(f"{path} does not have the digest that names it: it was changed after the decision.")
    return found
