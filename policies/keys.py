"""Signing keys in files that only their owner can read."""

from __future__ import annotations

import base64
import json
import os
import stat
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from policies.errors import Malformed, Refused
from policies.shelf import read
from policies.signatures import Kind, Trust

__all__ = ["load", "save", "trust_line"]


def save(path: Path, key: Ed25519PrivateKey) -> None:
    """Puts a key in a new file of mode 0600 (PKCS#8 in PEM, which openssl reads). Raises Refused if the file exists."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except FileExistsError:
        raise Refused(f"{path} exists, and a key is never written over. Name another file.") from None
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from None


def load(path: Path) -> Ed25519PrivateKey:
    """The key of a file. Raises Refused when others may read the file, Malformed when it holds no such key."""
    pem = read(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Refused(f"Others may read {path}. Run `chmod 600 {path}`, and make a new key if someone has read it.")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise Malformed(f"{path} holds no private key in PEM without a password.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Malformed(f"The key in {path} is not an Ed25519 key. Make one with `equerry policy keygen`.")
    return key


def trust_line(key: Ed25519PrivateKey, name: str, signs: frozenset[Kind], until: date) -> bytes:
    """A trust file that holds the public half alone. Raises Malformed when the name cannot be one."""
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    entry = {"name": name, "public": public, "signs": sorted(signs), "until": until.isoformat()}
    text = json.dumps({"v": "equerry.trust/1", "keys": [entry]}, indent=1).encode() + b"\n"
    Trust.parse(text)
    return text
