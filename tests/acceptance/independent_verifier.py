"""A second verifier of the log's format, written from the RFC and the C2SP texts alone.

It shares no line with the package and imports nothing of it: only the standard library, and the `openssl` program for
Ed25519. It answers one question: is this folder the log that this key signed, unchanged, and does it continue the
heads that I have?

    python independent_verifier.py FOLDER LOG_VKEY [--witness VKEY]... [--head FILE]...

Exit code 0 when all holds, else 1 with the reason.
"""

import argparse
import base64
import hashlib
import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

DER = bytes.fromhex("302a300506032b6570032100")  # SubjectPublicKeyInfo of an Ed25519 key, up to the key itself


class Wrong(Exception):
    """Something does not hold."""


def need(holds, reason):
    if not holds:
        raise Wrong(reason)


def sha(data):
    return hashlib.sha256(data).digest()


def merkle(leaves):
    """MTH of RFC 6962, section 2.1, as it stands there."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha(b"\x01" + merkle(leaves[:k]) + merkle(leaves[k:]))


def key_of(vkey):
    """C2SP signed-note: <name>+<hash>+<base64(type || key)>."""
    name, ident, material = vkey.split("+", 2)
    raw = base64.b64decode(material, validate=True)
    need(sha(name.encode() + b"\n" + raw)[:4].hex() == ident, "the verifier key does not match its id")
    return name, bytes.fromhex(ident), raw[0], raw[1:]


def ed25519_holds(public, message, signature):
    with tempfile.TemporaryDirectory() as folder:
        key, text, sig = (Path(folder, name) for name in ("key", "text", "sig"))
        key.write_bytes(DER + public)
        text.write_bytes(message)
        sig.write_bytes(signature)
        command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", str(key)]
        done = subprocess.run(
            [*command, "-sigfile", str(sig), "-in", str(text)], capture_output=True, check=False, timeout=60
        )
    return done.returncode == 0


def read_note(data, vkey):
    """(origin, size, root) of a checkpoint that the key signed."""
    text, _, signatures = data.decode().rpartition("\n\n")
    text += "\n"
    name, ident, kind, public = key_of(vkey)
    for line in signatures.splitlines():
        dash, who, what = line.split(" ")
        raw = base64.b64decode(what, validate=True)
        if dash == "\u2014" and who == name and raw[:4] == ident:
            message, signature = text.encode(), raw[4:]
            if kind == 4:
                (when,) = struct.unpack(">Q", raw[4:12])
                message, signature = f"cosignature/v1\ntime {when}\n{text}".encode(), raw[12:]
            need(ed25519_holds(public, message, signature), f"the signature of {name} does not hold")
            origin, size, root = text.splitlines()
            return origin, int(size), base64.b64decode(root, validate=True)
    raise Wrong(f"{name} did not sign")


def path_of(folder, kind, n, width):
    digits = f"{n:03d}" if n < 1000 else f"x{n // 1000:03d}/{n % 1000:03d}"
    return folder / "tile" / kind / (digits if width == 256 else f"{digits}.p/{width}")


def slurp(path):
    try:
        return path.read_bytes()
    except OSError:
        raise Wrong(f"{path.name} is not there: {path}") from None


def entries_in(data):
    found, at = [], 0
    while at < len(data):
        need(at + 2 <= len(data), "a bundle is cut off")
        (length,) = struct.unpack_from(">H", data, at)
        need(at + 2 + length <= len(data), "a bundle is cut off")
        found.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return found


def read_entries(folder, size):
    entries = []
    for n in range((size + 255) // 256):
        width = min(256, size - n * 256)
        bundle = entries_in(slurp(path_of(folder, "entries", n, width)))
        need(len(bundle) == width, f"bundle {n} holds {len(bundle)} entries, not {width}")
        entries += bundle
    return entries


def check_tiles(folder, leaves):
    """Every tile of every level, each hash of which is the MTH of 256 hashes below."""
    level, hashes = 0, leaves
    while hashes:
        for n in range((len(hashes) + 255) // 256):
            some = hashes[n * 256 : n * 256 + 256]
            need(slurp(path_of(folder, str(level), n, len(some))) == b"".join(some), f"tile {level}/{n} differs")
        full = len(hashes) // 256
        level, hashes = level + 1, [merkle(hashes[n * 256 : n * 256 + 256]) for n in range(full)]


def check_entry(number, entry):
    """Canonical JSON with the fields that every entry has."""
    said = json.loads(entry)
    again = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    need(again == entry, f"entry {number} is not canonical JSON")
    need({"v", "t", "ts", "id", "w", "n", "salt"} <= set(said), f"entry {number} lacks a field")
    need(re.fullmatch(r"[0-9a-f]{32}", said["salt"]), f"entry {number} has no salt")
    return said


def check_requests(entries):
    """Whatever ran was allowed before, where it ran; numbers of a writer rise by one."""
    allowed: dict[str, str] = {}
    following: dict[str, int] = {}
    for number, said in enumerate(entries):
        need(said["n"] == following.get(said["w"], 0), f"entry {number} is not the next of its writer")
        following[said["w"]] = said["n"] + 1
        if said["t"] == "route.decision" and said["dec"] == "allow":
            allowed[said["req"]] = said["sel"]
        if said["t"] == "route.execution":
            need(allowed.get(said["req"]) == said["region"], f"entry {number} ran where nothing allowed it")


def verify(folder, log_vkey, witnesses=(), heads=()):
    """The number of entries of a log that holds. Raises Wrong."""
    note = slurp(folder / "checkpoint")
    origin, size, root = read_note(note, log_vkey)
    need(origin == key_of(log_vkey)[0], "the head is of another log")
    for witness in witnesses:
        need(read_note(note, witness) == (origin, size, root), "a witness saw another head")
    entries = read_entries(folder, size)
    leaves = [sha(b"\x00" + entry) for entry in entries]
    need(merkle(leaves) == root, "the entries do not give the root of the head")
    check_tiles(folder, leaves)
    for head in [*heads, *(path.read_bytes() for path in sorted(folder.glob("checkpoints/*/*")))]:
        old_origin, old_size, old_root = read_note(head, log_vkey)
        need(old_origin == origin and old_size <= size, "the log is shorter than a head that was signed")
        need(merkle(leaves[:old_size]) == old_root, "the log does not continue a head that was signed")
    for path in folder.glob("objects/sha256/*/*"):
        need(sha(path.read_bytes()).hex() == path.parent.name + path.name, f"object {path.name} differs")
    check_requests([check_entry(number, entry) for number, entry in enumerate(entries)])
    return size


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Verify a residency log with hashlib and openssl alone.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("vkey")
    parser.add_argument("--witness", action="append", default=[])
    parser.add_argument("--head", action="append", default=[], type=Path)
    asked = parser.parse_args(arguments)
    try:
        size = verify(asked.folder, asked.vkey, asked.witness, [path.read_bytes() for path in asked.head])
    except (Wrong, ValueError, KeyError, IndexError) as error:
        print(f"refused: {error}")
        return 1
    print(f"holds: {size} entries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
