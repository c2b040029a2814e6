"""The cell's pepper: the secret half of every key digest.

A key is stored only as HMAC-SHA256(pepper, tenant, key). Who copies the database without the pepper can neither find a
key nor make one, and a row that is moved to another tenant stops fitting. A plain fast hash is enough, since the secret
has 256 bits and cannot be guessed; slow hashes are for passwords.
"""

from __future__ import annotations

import hmac
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from policies.errors import Broken, Refused, Unavailable
from policies.tenants.keytext import Draw

__all__ = ["Pepper", "make_pepper", "read_pepper"]

PEPPER_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Pepper:
    """32 random bytes that never leave this cell."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != PEPPER_BYTES:
            raise Broken(
                f"A pepper has {PEPPER_BYTES} bytes and this one has {len(self.secret)}. Restore it from a backup."
            )

    def digest(self, tenant: str, text: str) -> bytes:
        """What is stored of a key: 32 bytes."""
        return hmac.digest(self.secret, f"equerry/key/1\0{tenant}\0{text}".encode(), "sha256")

    def check(self) -> bytes:
        """Names this pepper without giving it away, so that another one is noticed."""
        return hmac.digest(self.secret, b"equerry/pepper/1", "sha256")


def make_pepper(path: Path, draw: Draw) -> Pepper:
    """A new pepper in a new file that only its owner can read. Never writes over one: its keys would be lost."""
    pepper = Pepper(draw(PEPPER_BYTES))
    try:
        place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise Refused(
            f"{path} exists already, and every key depends on it. Move it away by hand if you mean it."
        ) from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be made: {error.strerror}.") from None
    with os.fdopen(place, "wb") as file:
        file.write(pepper.secret)
        file.flush()
        os.fsync(file.fileno())
    return pepper


def read_pepper(path: Path) -> Pepper:
    """Read the pepper. Refuses a file that is missing, linked, another's, or open to others, and says which it is."""
    try:
        place = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise Broken(f"{path} is missing, and without it no key can be checked. Restore it from a backup.") from None
    except OSError as error:
        raise Broken(f"{path} cannot be opened: {error.strerror}. It must be a plain file, not a link.") from None
    try:
        _guard(path, os.fstat(place))
        return Pepper(os.read(place, PEPPER_BYTES + 1))
    finally:
        os.close(place)


def _guard(path: Path, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise Broken(f"{path} is not a plain file. Restore the pepper from a backup.")
    if facts.st_uid != os.geteuid():
        raise Refused(
            f"{path} belongs to another user. Give it to the user who runs the cell: chown {os.geteuid()} {path}"
        )
    if facts.st_mode & 0o077:
        raise Refused(
            f"{path} can be read by others (mode {stat.S_IMODE(facts.st_mode):04o}), so it may be known. "
            f"Close it with chmod 600 {path}, and rotate the keys if others had access."
        )
