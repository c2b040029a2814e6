"""Proofs that one entry is in the log, as files that anyone checks offline (C2SP tlog-proof)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

from policies.errors import Malformed, Refused
from policies.log.note import Checkpoint, Note, decode64
from policies.log.reader import Log
from policies.log.tiles import HASH, WIDTH, nodes
from policies.log.tree import check_inclusion, inclusion_proof, leaf_hash

__all__ = ["Proof", "entry_at", "prove"]

MAGIC: Final = "c2sp.org/tlog-proof@v1"
MOST_STEPS: Final = 63
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Proof:
    """The way from an entry to a signed head."""

    index: int
    steps: tuple[bytes, ...]  # sibling hashes, lowest first
    note: Note  # the checkpoint

    def __bytes__(self) -> bytes:
        steps = "".join(f"{base64.b64encode(step).decode()}\n" for step in self.steps)
        return f"{MAGIC}\nindex {self.index}\n{steps}\n".encode() + bytes(self.note)

    @classmethod
    def parse(cls, data: bytes) -> Proof:
        """The proof in a file. Extra data is skipped: it is not authenticated. Raises Malformed."""
        text, blank, note = data[:_MOST_BYTES].partition(b"\n\n")
        try:
            lines = text.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise Malformed("A proof is text, and this is not.") from None
        if not blank or len(data) > _MOST_BYTES or lines[0] != MAGIC:
            raise Malformed(f"A proof begins with {MAGIC}, and this does not.")
        rest = lines[2:] if len(lines) > 1 and lines[1].startswith("extra ") else lines[1:]
        number = re.fullmatch(r"index (0|[1-9][0-9]{0,18})", rest[0]) if rest else None
        if number is None or len(rest) > 1 + MOST_STEPS:
            raise Malformed("A proof names an index and then holds at most 63 hashes.")
        return cls(int(number[1]), tuple(_hash(line) for line in rest[1:]), Note.parse(note))

    def proves(self, entry: bytes) -> bool:
        """Whether this leads from the entry to the head. Who signed the head is for a trust policy to say."""
        head = Checkpoint.parse(self.note.text)
        return check_inclusion(leaf_hash(entry), self.index, head.size, self.steps, head.root)


def prove(log: Log, index: int) -> Proof:
    """A proof for the entry at an index under the newest head. Raises Refused when there is none, or no tile for it."""
    note = log.head()
    head = Checkpoint.parse(note.text)
    try:
        steps = inclusion_proof(index, head.size, nodes(head.size, lambda path: log.source.read(path, WIDTH * HASH)))
    except FileNotFoundError as error:
        raise Refused(f"The tile {error} is not there. Ask the operator for the whole log.") from None
    return Proof(index, tuple(steps), note)


def entry_at(log: Log, index: int) -> bytes:
    """The bytes of an entry. Raises Refused when there is none, or when it was pruned."""
    size = Checkpoint.parse(log.head().text).size
    if not 0 <= index < size:
        raise Refused(f"There is no entry {index:,}: the log has {size:,}, counted from 0.")
    n, place = divmod(index, WIDTH)
    try:
        return log.bundle(n, min(WIDTH, size - n * WIDTH))[place]
    except FileNotFoundError:
        why = "it was pruned" if index < log.minimum else "its bundle is missing"
        raise Refused(f"Entry {index:,} is not there: {why}. Ask the operator.") from None
    except Malformed as error:
        raise Malformed(f"Entry {index:,} cannot be read: {error} `equerry audit verify` says what is wrong.") from None


def _hash(line: str) -> bytes:
    data = decode64(line)
    if len(data) != HASH:
        raise Malformed("A line of the proof is not a hash of 32 bytes in base64.")
    return data
