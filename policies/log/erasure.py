"""Erasure: the link between a person's requests exists only while a key does.

A decision may carry `subj`, an HMAC of the request under a key of that person; without the key, two of them say
nothing about each other. To erase is to destroy the key. The log itself is never changed: it then says, in an `erase`
entry, that a key is gone. While a key exists, `subj` is personal data and is treated so.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from policies.canonical import Digest, sha256
from policies.errors import Refused, Unavailable
from policies.log.entry import Erased
from policies.log.keys import create_seed, read_seed
from policies.log.pen import Pen
from policies.log.writer import Receipt

__all__ = ["Vault", "subject_link"]

_LABEL: Final = b"equerry/subj/1"
_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)


def subject_link(key: bytes, request: str) -> str:
    """What links a request to whoever holds the key: 43 letters of base64url."""
    return base64.urlsafe_b64encode(hmac.digest(key, _LABEL + request.encode(), hashlib.sha256)).decode().rstrip("=")


class Vault:
    """The keys of people, one file each, in a folder that no backup outlives. Names are random and mean nobody."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, rng: Callable[[int], bytes]) -> str:
        """Draw a key; returns its id, which the customer keeps beside the person's record."""
        name = rng(16).hex()
        create_seed(self._path(name), rng)
        return name

    def link(self, name: str, request: str) -> str:
        """`subj` of a request. Raises Unavailable when the key is gone."""
        return subject_link(read_seed(self._path(name)), request)

    def erase(self, name: str, tenant: str, pen: Pen) -> Future[Receipt]:
        """Destroy a key, then say so in the log. Asked again after a crash, it writes the entry that may be missing."""
        digest = self.destroy(name)
        return pen.write(Erased(ten=tenant, key=digest))

    def destroy(self, name: str) -> Digest:
        """Overwrite and remove a key, durably; returns the digest of its id.

        Overwriting is a courtesy: on a disk that copies, only the encryption under it makes this final.
        """
        path, gone = self._path(name), self._path(name).with_suffix(".erased")
        if not path.exists() and not gone.exists():
            raise Unavailable(f"There is no key {name} in this vault, and none was erased. Check the id and the cell.")
        gone.touch(mode=0o600)
        _sync(self._folder)
        if path.exists():
            with path.open("r+b") as file:
                file.write(bytes(32))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            _sync(self._folder)
        return sha256(name.encode())

    def _path(self, name: str) -> Path:
        if not _KEY.fullmatch(name):
            raise Refused("A subject's key has an id of 32 hexadecimal digits.")
        return self._folder / f"{name}.key"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
