"""What SQLite's errors mean to the person who must act on them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from policies.errors import Broken, Doubt, PolicyError, Refused, Unavailable

__all__ = ["told"]


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turns what SQLite or the system says of this file into an error that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _meaning(path, error) from error
    except FileNotFoundError:
        raise Refused(
            f"{path} is not there. Make a cell's folder with `equerry tenant init`, or name another."
        ) from None
    except FileExistsError:
        raise Refused(f"{path} exists already. Name another folder for another cell.") from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be used: {error.strerror}.") from error


def _meaning(path: Path, error: sqlite3.Error) -> PolicyError:
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Unavailable(
                f"{path} is being written by another process for too long. Nothing was changed; try again."
            )
        case sqlite3.SQLITE_FULL:
            return Unavailable(f"The disk under {path} is full. Nothing was changed; make room and try again.")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Doubt(f"{path} is damaged: {error}. No key is accepted from it; restore it from a backup.")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return Unavailable(f"{path} cannot be opened for reading and writing: {error}. Look at its owner and mode.")
        case sqlite3.SQLITE_IOERR:
            return Unavailable(f"The disk under {path} fails: {error}. Look at the disk before you try again.")
        case _:
            return Broken(f"{path} does not do what it should: {error}. Nothing was changed.")
