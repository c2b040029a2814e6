"""A log's signing keys: seeds of 32 bytes, a pair per log and shard, drawn in the cell, readable by their owner alone.

A KMS or a PKCS#11 device takes the place of a seed by giving `Signer` its own `sign_bytes`. There is no rotation of a
seed: a new shard has a new origin and new keys.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from policies.errors import Refused, Unavailable
from policies.log.note import Kind, Signer, Vkey

__all__ = [
    "SEED_BYTES",
    "create_seed",
    "has_signed",
    "log_signers",
    "note_signed",
    "read_seed",
    "seed_path",
    "signer_of",
]

SEED_BYTES: Final = 32
_SUFFIX = {Kind.ED25519: "ed25519", Kind.COSIGNATURE: "cosignature", Kind.ML_DSA_44: "ml-dsa-44"}


def signer_of(kind: Kind, name: str, seed: bytes) -> Signer:
    """A signer whose secret is a seed in memory."""
    if len(seed) != SEED_BYTES:
        raise Refused(f"A seed has {SEED_BYTES} bytes, not {len(seed)}.")
    key = (
        MLDSA44PrivateKey.from_seed_bytes(seed)
        if kind is Kind.ML_DSA_44
        else Ed25519PrivateKey.from_private_bytes(seed)
    )
    return Signer(Vkey(name, kind, key.public_key().public_bytes_raw()), key.sign)


def log_signers(folder: Path, origin: str, *, rng: Callable[[int], bytes] | None = None) -> tuple[Signer, Signer]:
    """A log's own Ed25519 signer and its ML-DSA-44 cosigner, from seeds in `folder`.

    With `rng` the seeds are drawn when they are not there yet; without it a missing seed raises Unavailable.
    """
    names = ((Kind.ED25519, origin), (Kind.ML_DSA_44, f"{origin}/pq"))
    if rng is not None:
        for kind, name in names:
            if not seed_path(folder, kind, name).exists():
                create_seed(seed_path(folder, kind, name), rng)
    first, second = (signer_of(kind, name, read_seed(seed_path(folder, kind, name))) for kind, name in names)
    return first, second


def seed_path(folder: Path, kind: Kind, name: str) -> Path:
    """Where the seed of a name lies. The name is hashed, since it holds slashes."""
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.{_SUFFIX[kind]}"


def has_signed(folder: Path, origin: str) -> Path | None:
    """The note beside a log's seeds that they have signed a log with entries, or None."""
    path = _signed_path(folder, origin)
    return path if path.exists() else None


def note_signed(folder: Path, origin: str) -> None:
    """Notes beside a log's seeds that there is a log, so that one that is lost is not begun anew. Durable on return."""
    path = _signed_path(folder, origin)
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _sync_folder(folder)


def _signed_path(folder: Path, origin: str) -> Path:
    return seed_path(folder, Kind.ED25519, origin).with_suffix(".signed")


def create_seed(path: Path, rng: Callable[[int], bytes]) -> None:
    """Draw a seed into a new file that its owner alone may read. Durable on return; an existing seed stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Refused(f"There is a seed in {path} already. It signs a log; keep it.") from None
    try:
        os.write(descriptor, rng(SEED_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _sync_folder(path.parent)


def read_seed(path: Path) -> bytes:
    """The seed in a file. Raises Refused when others may read it or it is not a seed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        raise Unavailable(f"The seed {path} cannot be read: {error.strerror}. It must lie in this cell.") from None
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        seed = file.read(SEED_BYTES + 1) if stat.S_ISREG(mode) else b""
    if mode & 0o077:
        raise Refused(f"Others than its owner may use the seed {path}. Run chmod 600, and think about a new shard.")
    if len(seed) != SEED_BYTES:
        raise Refused(f"The seed {path} does not hold {SEED_BYTES} bytes. Restore it from where keys are kept.")
    return seed


def _sync_folder(folder: Path) -> None:
    """Return only once the names in a folder are durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
