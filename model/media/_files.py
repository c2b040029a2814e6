"""Whole files, read within a limit and written all or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from model.errors import BadMedia, Refused, Unavailable


def read_whole(path: Path, limit: int, what: str) -> bytes:
    """All bytes of a regular file of at most `limit` bytes; `what` ("image") names it in a refusal.

    Pipes and devices are refused without waiting for them, and a file that grows while it is read is still bounded.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BadMedia(f"{path} is not a file. Give the path of the {what} itself.")
            body = file.read(limit + 1)
    except FileNotFoundError:
        raise BadMedia(f"There is no file {path}. Check the path of the {what}.") from None
    except IsADirectoryError:
        raise BadMedia(f"{path} is not a file. Give the path of the {what} itself.") from None
    except (OSError, ValueError) as fault:  # ValueError: a path with a zero byte in it
        raise BadMedia(f"{path} cannot be read ({_reason(fault)}). Check the path and its permissions.") from fault
    return body


def write_whole(path: Path, body: bytes) -> None:
    """Put `body` at `path` in one step: a reader sees the old file or the new one, never a part.

    Raises Refused when the place cannot be written, Unavailable when the disk is full; neither leaves anything behind.
    """
    draft = path.parent / f".{secrets.token_hex(8)}.part"  # beside the path: a rename must not cross disks
    try:
        with draft.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException as fault:
        _forget(draft)
        if isinstance(fault, (OSError, ValueError)):
            raise _unwritable(path, fault) from fault
        raise


def _forget(draft: Path) -> None:
    with suppress(OSError, ValueError):
        draft.unlink()


def _unwritable(path: Path, fault: OSError | ValueError) -> Refused | Unavailable:
    code = fault.errno if isinstance(fault, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(f"The disk is full, so {path} is not written. Free some space, or write to another disk.")
    if code == errno.ENOENT:
        return Refused(f"There is no folder {path.parent}. Make it first, or write somewhere else.")
    if code == errno.EISDIR:
        return Refused(f"{path} is a folder. Name a file in it.")
    return Refused(f"{path} cannot be written ({_reason(fault)}). Write somewhere else.")


def _reason(fault: OSError | ValueError) -> str:
    return (fault.strerror or str(fault)).lower() if isinstance(fault, OSError) else str(fault)
