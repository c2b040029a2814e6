"""Asks witnesses to vouch for the residency log: its newest signed head goes to each, and their cosignatures come back.

Requests are those of C2SP tlog-witness (add-checkpoint). A head is an origin, a size, a hash and the log's signatures;
nothing else goes out. A witness that is down, slow or lies costs nothing but its own cosignature.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from typing import Final

import httpx

from policies.errors import Malformed, Refused, Unavailable, Untrusted
from policies.log.heads import Head
from policies.log.note import Note, Signature
from policies.log.tiles import nodes
from policies.log.trust import parse_trust
from policies.log.witness import Answer, request_for, signatures_in
from serving.ledger import OWN, Book, Ledger
from serving.settings import CellSettings
from serving.telemetry import BLIND, Eyes

__all__ = ["Vouchers", "vouchers"]

log = logging.getLogger(__name__)

MOST: Final = 64 << 10  # bytes of one answer; an ML-DSA-44 cosignature has 3,300
PATIENCE: Final = 8.0  # seconds for one witness, a second question included
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


class Vouchers:
    """Several witnesses of one log. `round` asks each of them once; use it in one event loop."""

    def __init__(
        self, ledger: Ledger, witnesses: tuple[str, ...], eyes: Eyes = BLIND, *, patience: float = PATIENCE
    ) -> None:
        """`witnesses` are addresses up to `/add-checkpoint`. Whom to believe is said by the ledger's trust policy."""
        self._writer, self._witnesses, self._eyes, self._patience = ledger.pen.log, witnesses, eyes, patience
        self._trust = parse_trust(ledger.trust.read_bytes())
        self._keys = tuple(key for name, key in self._trust.witnesses.items() if name != OWN)
        self._folder = ledger.folder
        self._seen = dict.fromkeys(range(len(witnesses)), 0)  # size of the head that each has cosigned last
        self._wrong: dict[int, str] = {}  # what was logged of a witness that did not cosign
        self._tls = ssl.create_default_context()

    async def round(self) -> bool:
        """Asks all, publishes what they gave, and says whether the head has its quorum. No witness makes it raise."""
        head = self._writer.head
        async with (
            httpx.AsyncClient(trust_env=False, follow_redirects=False, verify=self._tls, timeout=None) as client,
            asyncio.TaskGroup() as asking,
        ):
            asked = [asking.create_task(self._asked(client, number, head)) for number in self._seen]
        given = [signature for task in asked for signature in task.result()]
        met = self._trust.quorum_met(head.note.signed(given))
        # One cosignature of each key is enough: every round brings it with another time, and a note has an end.
        there = {(one.name, one.id) for one in head.note.signatures}
        fresh = {(one.name, one.id): one for one in given if (one.name, one.id) not in there}
        if fresh:
            self._writer.cosign(head, tuple(fresh.values()), quorum=met)
        return met

    async def _asked(self, client: httpx.AsyncClient, number: int, head: Head) -> tuple[Signature, ...]:
        """What one witness gives; nothing when it gives nothing that holds."""
        try:
            async with asyncio.timeout(self._patience):
                given = await self._exchange(client, number, head)
        except (Untrusted, Malformed):
            self._note(number, "failed")
        except Refused:
            self._note(number, "refused")
        except (Unavailable, httpx.HTTPError, TimeoutError):
            self._note(number, "unavailable")
        else:
            self._note(number, "ok")
            return given
        return ()

    async def _exchange(self, client: httpx.AsyncClient, number: int, head: Head) -> tuple[Signature, ...]:
        """One question; a second one when the witness says from which size on it wants to be told."""
        old = self._seen[number] if self._seen[number] <= head.checkpoint.size else 0
        answer = await self._post(client, number, head, old)
        if answer.status == httpx.codes.CONFLICT:
            old = self._known(number, answer, head)
            answer = await self._post(client, number, head, old)
        if answer.status != httpx.codes.OK:
            raise _not_cosigned(answer.status)
        given = signatures_in(answer, head.note, self._keys)
        self._seen[number] = head.checkpoint.size
        return given

    def _known(self, number: int, answer: Answer, head: Head) -> int:
        """The size that a witness has seen. One that has seen more than there is has seen what this log lost."""
        size = _SIZE.fullmatch(answer.body)
        if size is None:
            raise Malformed("A witness that asks for another proof says which size it knows.")
        if int(size[1]) > head.checkpoint.size:
            if self._wrong.get(number) != "refused":
                log.error("A witness has seen a longer log than this one.", extra={"witness": number + 1})
            raise Refused("This log is shorter than a witness has seen it. Restore the newest copy of it.")
        return int(size[1])

    async def _post(self, client: httpx.AsyncClient, number: int, head: Head, old: int) -> Answer:
        body = await asyncio.to_thread(self._request, head, old)
        headers = {"accept-encoding": "identity", "user-agent": "equerry", "content-type": "text/plain; charset=utf-8"}
        address = f"{self._witnesses[number]}/add-checkpoint"
        async with client.stream("POST", address, content=body, headers=headers) as answer:
            return Answer(answer.status_code, await _body(answer))

    def _request(self, head: Head, old: int) -> bytes:
        """The log's own signatures alone: no witness is told who the others are."""
        known = {(key.name, key.id) for key in self._keys}
        own = tuple(one for one in head.note.signatures if (one.name, one.id) not in known)
        size = head.checkpoint.size
        return bytes(request_for(Note(head.note.text, own), old, nodes(size, self._read)))

    def _read(self, path: str) -> bytes:
        return (self._folder / path).read_bytes()

    def _note(self, number: int, outcome: str) -> None:
        """Count it, and log what is new."""
        self._eyes.count("equerry.witnesses.asked", outcome=outcome)
        before = self._wrong.pop(number, "ok")
        if outcome != "ok":
            self._wrong[number] = outcome
            if before != outcome:
                log.error("A witness does not cosign.", extra={"witness": number + 1, "outcome": outcome})
        elif before != "ok":
            log.warning("A witness cosigns again.", extra={"witness": number + 1})


def vouchers(settings: CellSettings, book: Book, eyes: Eyes = BLIND) -> Vouchers | None:
    """Who asks the witnesses that the settings name; None where there are none, or another process has the log."""
    if not settings.log.witnesses or not isinstance(book, Ledger):
        return None
    return Vouchers(book, settings.log.witnesses, eyes, patience=min(PATIENCE, settings.log.witness_seconds))


async def _body(answer: httpx.Response) -> bytes:
    """The bytes of an answer as they came: nothing is unpacked, so little cannot become much."""
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > MOST:
            raise Malformed(f"A witness answers with at most {MOST:,} bytes.")
    return bytes(body)


def _not_cosigned(status: int) -> Exception:
    """What another answer than a cosignature means: later is another time, or never."""
    later = status >= 500 or status == httpx.codes.TOO_MANY_REQUESTS
    kind = Unavailable if later else Refused
    return kind(f"A witness answers {status}, and does not cosign. Ask whoever runs it.")
