"""A witness: keeps one head of each log it knows, and cosigns a newer one only when the log has done nothing but grow.

It sees origins, sizes, hashes and signatures, never an entry, so it may stand in another jurisdiction. Requests and
answers are those of C2SP tlog-witness (add-checkpoint), status codes included; the transport is the caller's.
`judge` is pure; `Witness` adds the folder that remembers.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from policies.errors import Doubt, Malformed, Refused, Untrusted
from policies.log.disk import Disk, Folder, put
from policies.log.note import Checkpoint, Kind, Note, Signature, Signer, Vkey, decode64, verify
from policies.log.tree import EMPTY, Node, check_consistency, consistency_proof

__all__ = ["Answer", "Request", "Witness", "judge", "request_for", "signatures_in"]

MOST_PROOF: Final = 63  # hashes
MOST_REQUEST: Final = 1 << 20  # bytes
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """A log asks for a cosignature: it grew from `old` entries to what the note says."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def __bytes__(self) -> bytes:
        hashes = "".join(base64.b64encode(step).decode() + "\n" for step in self.proof)
        return f"old {self.old}\n{hashes}\n".encode() + bytes(self.note)

    @classmethod
    def parse(cls, data: bytes) -> Request:
        """The request in a body. Raises Malformed when it is not one."""
        head, blank, note = data.partition(b"\n\n")
        if len(data) > MOST_REQUEST or not blank:
            raise Malformed("A request is an old size, a proof, an empty line and a checkpoint.")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise Malformed("The first lines of a request are ASCII.") from None
        old, proof = _OLD.fullmatch(lines[0]), tuple(decode64(line) for line in lines[1:])
        if old is None or len(proof) > MOST_PROOF or any(len(step) != 32 for step in proof):
            raise Malformed(f"A request begins `old <size>` and has at most {MOST_PROOF} hashes of 32 bytes.")
        return cls(int(old[1]), proof, Note.parse(note))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness answers, as HTTP would say it."""

    status: int  # 200, 400, 403, 404, 409 or 422
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"


def judge(request: Request, known: Checkpoint | None, keys: Sequence[Vkey]) -> Answer:
    """Whether a witness that last cosigned `known` may cosign this; 200, without a body, says that it may.

    `keys` are those trusted for the request's origin; none means that the origin is unknown.
    """
    if not keys:
        return Answer(404)
    try:
        verify(request.note, keys)
        head = Checkpoint.parse(request.note.text)
    except Untrusted:
        return Answer(403)
    except Malformed:
        return Answer(400)
    if request.old > head.size:
        return Answer(400)
    before = known or Checkpoint(head.origin, 0, EMPTY)
    if request.old != before.size:
        return Answer(409, b"%d\n" % before.size, "text/x.tlog.size")
    if not check_consistency(before.size, before.root, head.size, head.root, request.proof):
        return Answer(422)
    return Answer(200)


class Witness:
    """A witness with a folder: one file per origin, its newest cosigned head. Safe to use from any thread."""

    def __init__(self, disk: Disk, signers: Sequence[Signer], logs: Mapping[str, Sequence[Vkey]]) -> None:
        """`signers` are cosigners; `logs` gives the keys trusted for each origin. One process serves a folder."""
        if not signers or any(signer.vkey.kind is Kind.ED25519 for signer in signers):
            raise Refused("A witness signs with cosigner's keys, of type 4 or 6, and has at least one.")
        self._disk, self._signers, self._logs = disk, tuple(signers), dict(logs)
        self._turn = threading.Lock()  # a head is compared and replaced in one step
        self._stopped = False
        disk.lock()

    @classmethod
    def in_folder(cls, root: Path, signers: Sequence[Signer], logs: Mapping[str, Sequence[Vkey]]) -> Witness:
        """A witness that remembers in a folder."""
        return cls(Folder(root), signers, logs)

    def add_checkpoint(self, body: bytes, seconds: int) -> Answer:
        """Answer a request at `seconds` since 1970. The new head is durable before any signature leaves."""
        try:
            request = Request.parse(body)
            origin = Checkpoint.parse(request.note.text).origin
        except Malformed as error:
            return Answer(400, f"{error}\n".encode())
        with self._turn:
            self._refuse_if_stopped()
            answer = judge(request, self._known(origin), self._logs.get(origin, ()))
            if answer.status != 200:
                return answer
            cosignatures = tuple(signer.sign(request.note.text, seconds) for signer in self._signers)
            self._remember(origin, self._own(request.note, origin).signed(cosignatures))
        return Answer(200, "".join(signature.line() for signature in cosignatures).encode())

    def checkpoint(self, origin: str) -> bytes | None:
        """The newest head that this witness cosigned, with its signatures and the log's; None when there is none."""
        try:
            return self._disk.read(_path(origin))
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Let another process serve the folder."""
        self._disk.unlock()

    def _known(self, origin: str) -> Checkpoint | None:
        """What was cosigned last; its own signature guards it against a damaged disk."""
        data = self.checkpoint(origin)
        if data is None:
            return None
        try:
            note = Note.parse(data)
            verify(note, [signer.vkey for signer in self._signers])
            return Checkpoint.parse(note.text)
        except (Malformed, Untrusted) as error:
            raise Doubt(f"The head that this witness keeps of {origin!r} is damaged. {error}") from None

    def _own(self, note: Note, origin: str) -> Note:
        """The note with the signatures that were verified, and no others."""
        known = {(key.name, key.id) for key in self._logs[origin]}
        return Note(note.text, tuple(one for one in note.signatures if (one.name, one.id) in known))

    def _remember(self, origin: str, note: Note) -> None:
        try:
            put(self._disk, {_path(origin): bytes(note)})
        except OSError:
            self._stopped = True  # what the disk holds is unknown: nothing more is cosigned
            raise

    def _refuse_if_stopped(self) -> None:
        if self._stopped:
            raise Doubt("This witness stopped when its disk failed. Check the disk, then start it again.")


def request_for(note: Note, old: int, node: Node) -> Request:
    """What a log sends to a witness that last cosigned `old` entries."""
    head = Checkpoint.parse(note.text)
    return Request(old, tuple(consistency_proof(old, head.size, node)), note)


def signatures_in(answer: Answer, note: Note, keys: Sequence[Vkey]) -> tuple[Signature, ...]:
    """The cosignatures of a witness's answer that hold for a note, one of each known key. Raises Untrusted otherwise,
    Malformed for what are no signatures."""
    if answer.status != 200 or not answer.body.endswith(b"\n"):
        raise Untrusted(f"The witness did not cosign: it answered {answer.status}.")
    given = Note.parse(note.text.encode() + b"\n" + answer.body)
    held = {(one.vkey.name, one.vkey.id) for one in verify(given, keys)}
    first: dict[tuple[str, bytes], Signature] = {}  # of each key, which is the one that `verify` looks at
    for signature in given.signatures:
        if (signature.name, signature.id) in held:
            first.setdefault((signature.name, signature.id), signature)
    return tuple(first.values())


def _path(origin: str) -> str:
    """Where the head of an origin lies, as C2SP tlog-witness names it."""
    return f"{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"
