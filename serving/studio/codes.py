"""A chunk's codes as bytes, for checkpoints: a safetensors file, which cannot run code when it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from model.generate import Codes
from serving.errors import Broken

__all__ = ["UNSEALED", "Seals", "joined", "pack", "unpack"]


class Seals(Protocol):
    """What checkpoints are closed with; see `serving.sealed.keys.Keyring`."""

    def seal(self, tenant: str, name: str, content: bytes) -> bytes:
        """Bytes that only the tenant's key opens, under this name."""

    def open(self, tenant: str, name: str, sealed: bytes) -> bytes:
        """What was sealed. Raises Broken when its key was destroyed."""


class _Unsealed:
    def seal(self, tenant: str, name: str, content: bytes) -> bytes:  # noqa: ARG002
        return content

    def open(self, tenant: str, name: str, sealed: bytes) -> bytes:  # noqa: ARG002
        return sealed


UNSEALED: Final[Seals] = _Unsealed()


def pack(codes: Codes) -> bytes:
    """One or more chunks as bytes. They fit in 32 bits whatever the model."""
    both = {"video": codes.video, "audio": codes.audio}
    return save({name: part.to(torch.int32).contiguous() for name, part in both.items()})


def unpack(data: bytes) -> Codes:
    """What `pack` was given. Raises Broken for anything else."""
    try:
        both = load(data)
        return Codes(both["video"].to(torch.int64), both["audio"].to(torch.int64))
    except (SafetensorError, KeyError):
        raise Broken("A checkpoint cannot be read. The job begins anew.") from None


def joined(chunks: Sequence[bytes]) -> Codes | None:
    """Checkpoints one behind the other; None when there are none."""
    if not chunks:
        return None
    parts = [unpack(chunk) for chunk in chunks]
    return Codes(torch.cat([part.video for part in parts]), torch.cat([part.audio for part in parts]))
