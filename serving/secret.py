"""Files that hold a secret: readable by their owner alone, or not read at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from serving.errors import Refused, Unavailable

__all__ = ["draw_secret", "read_secret"]

MOST_BYTES: Final = 1 << 16


def read_secret(path: Path) -> bytes:
    """What a secret's file holds, without a line end after it.

    Raises Refused for a file that is missing, empty, a link, another user's, or open to others, and says which it is.
    """
    try:
        place = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise Refused(f"There is no file {path}. Write the secret into it, and close it with chmod 600.") from None
    except OSError as error:
        raise Refused(
            f"{path} cannot be opened ({error.strerror}). A secret's file is a plain file, no link."
        ) from None
    with os.fdopen(place, "rb") as file:
        _guard(path, os.fstat(file.fileno()))
        secret = file.read(MOST_BYTES + 1).removesuffix(b"\n").removesuffix(b"\r")
    if not 0 < len(secret) <= MOST_BYTES:
        raise Refused(f"{path} is empty, or longer than any secret. Write the secret into it.")
    return secret


def _in_hexadecimal(secret: bytes) -> bytes:
    return secret.hex().encode()


def draw_secret(
    path: Path,
    draw: Callable[[int], bytes],
    size: int = 32,
    *,
    spell: Callable[[bytes], bytes] = _in_hexadecimal,
) -> bytes:
    """The secret of a file; drawn and written, for its owner alone, when there is no file yet.

    What is drawn is written as `spell` says. Raises Refused as `read_secret` does, Unavailable when nothing can be
    written.
    """
    try:
        place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return read_secret(path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be made ({error.strerror}). Make its folder, or free some space.") from None
    with os.fdopen(place, "wb") as file:
        file.write(spell(draw(size)))
        file.flush()
        os.fsync(file.fileno())
    return read_secret(path)


def _guard(path: Path, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise Refused(f"{path} is not a plain file. Write the secret into one.")
    if facts.st_uid != os.geteuid():
        raise Refused(
            f"{path} belongs to another user. Give it to the one who runs the cell: chown {os.geteuid()} {path}"
        )
    if facts.st_mode & 0o077:
        raise Refused(
            f"{path} can be read by others (mode {stat.S_IMODE(facts.st_mode):04o}). Close it with chmod 600 {path}, "
            "and change the secret if others had access."
        )
