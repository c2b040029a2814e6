"""A log's heads on its disk: signed, published and kept, in the order that lets no size ever have two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from policies.errors import Doubt, Malformed, Untrusted
from policies.log.disk import Disk, put
from policies.log.note import Checkpoint, Note, Signer, verify

__all__ = ["CHECKPOINT", "HALTED", "SIGNED", "Head", "keep", "kept", "read_head"]

CHECKPOINT: Final = "checkpoint"  # what readers fetch
SIGNED: Final = ".state/signed"  # the newest head that was ever signed; written before anybody can see it
HALTED: Final = ".state/halted"  # the disk failed under the writer


@dataclass(frozen=True, slots=True)
class Head:
    """A signed checkpoint."""

    note: Note
    checkpoint: Checkpoint

    @classmethod
    def sign(cls, checkpoint: Checkpoint, signers: Sequence[Signer], seconds: int) -> Head:
        """A checkpoint with a signature by each signer, at `seconds` since 1970."""
        text = checkpoint.body().decode()
        return cls(Note(text, tuple(signer.sign(text, seconds) for signer in signers)), checkpoint)


def read_head(disk: Disk, path: str, signer: Signer) -> Head | None:
    """The head in a file, None when there is no file. Raises Doubt when it is damaged or not signed by `signer`."""
    try:
        note = Note.parse(disk.read(path))
        verify(note, [signer.vkey])
        checkpoint = Checkpoint.parse(note.text)
    except FileNotFoundError:
        return None
    except (Malformed, Untrusted) as error:
        raise Doubt(f"{path} is not a head signed by {signer.vkey.name!r}. {error}") from None
    if checkpoint.origin != signer.vkey.name:
        raise Doubt(f"{path} is a head of {checkpoint.origin!r}, and this writer is {signer.vkey.name!r}.")
    return Head(note, checkpoint)


def keep(disk: Disk, head: Head, seconds: int) -> None:
    """Keep a head for good under the day, so that later ones can be held against it. Durable on return."""
    day = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d")
    put(disk, {f"checkpoints/{day}/{head.checkpoint.size}": bytes(head.note)})


def kept(disk: Disk) -> list[tuple[int, str]]:
    """(size, path) of every kept head, smallest first. A name that is not a size is passed over."""
    return sorted(
        (int(name), f"checkpoints/{day}/{name}")
        for day in disk.names("checkpoints")
        for name in disk.names(f"checkpoints/{day}")
        if name.isascii() and name.isdecimal()
    )
