"""Entries between processes: whoever has something to say sends an entry without its stamp to whoever has the log.

The bytes are canonical JSON and can be nothing but an entry: what is read is built from the same types again, and is
held to the schema when it is stamped. So the process that has the log need not trust the others' code.
"""

from __future__ import annotations

import json
from dataclasses import fields
from types import NoneType
from typing import Any, Final, get_args, get_origin, get_type_hints

from policies.canonical import encode as canonical
from policies.errors import Malformed
from policies.log.entry import DEPTH, KINDS, MOST_ENTRY, PARTS, Entry, plain
from policies.log.heads import Head
from policies.log.note import Checkpoint, Note
from policies.log.writer import Receipt

__all__ = ["hear", "receipt", "receive", "tell"]

_KINDS: Final = {kind.KIND: kind for kind in KINDS}


def tell(entry: Entry) -> bytes:
    """An entry without time, chance and sequence."""
    return canonical({"t": entry.KIND, **plain(entry)}, depth=DEPTH, most=MOST_ENTRY)


def hear(data: bytes) -> Entry:
    """The entry in what `tell` gave. Raises Malformed for anything else."""
    if len(data) > MOST_ENTRY:
        raise Malformed(f"An entry has at most {MOST_ENTRY:,} bytes.")
    try:
        value = json.loads(data)
        entry: Entry = _built(_KINDS[value.pop("t")], value)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Malformed("This is no entry of the log. Both processes must run the same version.") from None
    return entry


def _built(kind: type[Any], value: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    there = {field.name: field.name.rstrip("_") for field in fields(kind)}
    if unknown := set(value) - set(there.values()):
        raise KeyError(*unknown)
    return kind(**{field: _typed(hints[field], value[name]) for field, name in there.items() if name in value})


def _typed(hint: Any, value: Any) -> Any:
    inner = [each for each in get_args(hint) if each is not NoneType]
    if hint in PARTS:
        return _built(hint, value)
    if get_origin(hint) is tuple:
        return tuple(value)
    if NoneType in get_args(hint):
        return _typed(inner[0], value)
    return value


def receipt(given: Receipt) -> dict[str, str]:
    """A receipt as text."""
    return {"index": str(given.index), "leaf": given.leaf.hex(), "head": bytes(given.head.note).decode()}


def receive(told: dict[str, str]) -> Receipt:
    """The receipt in what `receipt` gave. Nothing is verified. Raises Malformed for anything else."""
    try:
        note = Note.parse(told["head"].encode())
        return Receipt(int(told["index"]), bytes.fromhex(told["leaf"]), Head(note, Checkpoint.parse(note.text)))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise Malformed("This is no receipt of the log. Both processes must run the same version.") from None
