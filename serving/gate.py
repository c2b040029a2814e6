"""The door of a cell: pure ASGI, decides on the request line and the headers, and reads no body.

A request that may not come in is answered without calling `receive`, so the server never asks for the body: a client
that waits for `100 Continue` sends none, and the connection closes (`farewell.py` says how). Every refusal of somebody
we know is in the log before it is answered, and every request that may make a film is in the log before it goes on.
When the log cannot be written, or the rules cannot be asked, nothing is let in. How fast a caller can fill the log
without a film coming of it is bounded, and so is how fast all callers together can whom nobody knows.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from policies.canonical import Digest
from policies.constraints import Constraints, DataClass, Purpose
from policies.decision import Decision
from policies.errors import PolicyError
from policies.log.entry import Candidates, Entry, Execution, Where
from policies.log.entry import Decision as Decided
from policies.log.writer import Receipt
from policies.sla import Rejection
from policies.tables import Tables
from policies.tenants.admission import Admitted, Reason, Rejected
from serving.bucket import Buckets
from serving.desk import Caller
from serving.dialects.answers import error_response
from serving.dialects.caller import CALLER, REQUEST
from serving.errors import BadField, CellError, Forbidden, Limited, Refused, Unauthenticated, Unavailable, WrongCell
from serving.strangers import NOBODY, Strangers
from serving.telemetry import BLIND, Eyes

__all__ = ["DAY", "Gate", "Pen", "Place", "makes"]

log = logging.getLogger(__name__)

DAY: Final = 86_400_000  # milliseconds
AT_ONCE: Final = 10  # minutes' worth of fruitless requests that a tenant may make at once
MOST_HEADER: Final = 512  # letters that are read of a header
NOTHING: Final = Digest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")  # SHA-256 of no bytes
CLASS: Final = "x-equerry-data-class"
SUBJECT: Final = "x-equerry-subject-region"
_CLASSES: Final = frozenset(DataClass)
_PLACE: Final = re.compile(r"[A-Z]{2}")

Scope = dict[str, object]
Message = Mapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Admit = Callable[[str], Admitted | Rejected]
Missed = Callable[[str, Rejection], Awaitable[None]]  # a tenant, and why no film came of a request


class Pen(Protocol):
    """What writes the log; `policies.log.pen.Pen` is one."""

    async def commit(self, entry: Entry) -> Receipt:
        """Return once the entry is durable under a signed head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where this cell is, as its log says."""

    cell: str
    region: str  # of the catalogue: provider/region
    evidence: str  # declared, endpoint or attested
    egress: str  # digest of the egress policy in force
    accelerator: str  # its model, or cpu


class Gate:
    """Stands before an application. What comes through has a `Caller` in its scope."""

    def __init__(
        self,
        app: App,
        *,
        place: Place,
        admit: Admit,
        tables: Callable[[], Tables],
        pen: Pen,
        now: Callable[[], int],
        new_id: Callable[[], str],
        keep: Callable[[Digest, Constraints], Awaitable[None]],
        made: Callable[[str], Awaitable[bool]],
        home: str = "personal",
        free: Callable[[Scope], bool] = lambda _: False,
        eyes: Eyes = BLIND,
        missed: Missed | None = None,
        fruitless: int = 60,
    ) -> None:
        """`admit` opens the text of a key; `tables` gives the newest tables; `now` is milliseconds since 1970; `new_id`
        draws 32 hexadecimal digits; `keep` puts constraints, under their digest, where a replay finds them; `made` says
        whether there is a job of this id; `home` is the class of data of
        a request that names none; `free` says which requests need no key, since something else vouches for them: a
        signed link, a probe; `eyes` watch; `missed` counts requests for films that were refused here, or that ended in
        an error of ours; `fruitless` is how many requests of one tenant may leave entries and no film in a minute."""
        self.app, self.place, self.admit, self.tables, self.pen = app, place, admit, tables, pen
        self.now, self.new_id, self.keep, self.made, self.home, self.free = now, new_id, keep, made, home, free
        self.eyes, self.missed = eyes, missed
        self._strangers = Strangers(place.region)
        self._turns = Buckets(per_minute=fruitless, most=AT_ONCE * fruitless)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers or passes on one connection."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and self.free(scope)):
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return None  # the server closes what is neither
        request, tenant = self.new_id(), ""
        scope[REQUEST] = request
        try:
            with self.eyes.span("gate"):
                found = await self._known(_headers(scope), request)
                tenant = found.tenant
                caller = await self._enter(scope, request, found)
        except (CellError, PolicyError) as error:
            told = self._told(error, request)
            await _answer(told, scope, request, send)
            return await self._missed(tenant, told, scope)
        scope[CALLER] = caller
        if not caller.decision:
            return await self.app(scope, receive, send)
        return await self._pass(scope, receive, send, caller)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, caller: Caller) -> None:
        """A request that a film may come of. What it became is seen when it is over."""
        seen = _Seen(send)
        try:
            await self.app(scope, receive, seen)
        except Exception:
            seen.status = seen.status or 500  # the server says so
            raise
        finally:
            fruitless, ours = await self._close(caller), seen.status >= 500
            if ours or not fruitless:
                self._turns.of(caller.tenant).give()
            if ours and fruitless and self.missed is not None:
                await self.missed(caller.tenant, Rejection.UNAVAILABLE)

    def _told(self, error: CellError | PolicyError, request: str) -> CellError:
        if isinstance(error, PolicyError):
            log.error("The gate could not decide.", extra={"request": request, "error": type(error).__name__})
            error = Unavailable("The cell cannot decide now. Try again later.")
        self.eyes.count("equerry.gate.refusals", error=type(error).__name__)
        return error

    async def _missed(self, tenant: str, error: CellError, scope: Scope) -> None:
        """A caller's mistakes count nowhere: no key, a header that says nonsense, the wrong cell."""
        if self.missed is None or not tenant or not makes(scope):
            return
        if isinstance(error, Forbidden):
            await self.missed(tenant, Rejection.NO_COMPLIANT_REGION)
        elif isinstance(error, Limited):
            await self.missed(tenant, Rejection.RATE_LIMITED)
        elif not isinstance(error, Refused):
            await self.missed(tenant, Rejection.UNAVAILABLE)

    async def _known(self, headers: Mapping[str, str], request: str) -> Admitted:
        found = self.admit(_key(headers))
        if isinstance(found, Rejected):
            await self._reject(found, request)
        return found

    async def _enter(self, scope: Scope, request: str, found: Admitted) -> Caller:
        asked = _asked(scope, _headers(scope), home=self.home, subject=found.constraints.home)
        tables = self.tables()
        decision = tables.decide(
            found.tenant,
            asked.data_class,
            day=self.now() // DAY,
            purpose=asked.purpose,
            subject_region=asked.subject,
            wishes=(found.wish,),
        )
        if decision.reason in {"unknown_tenant", "stale_table"} or decision.grounds.con not in {found.con, ""}:
            raise Unavailable("The rules are being renewed. Try again in a moment.")
        verdict = decision.verdict(self.place.region)
        if not verdict.allowed or asked.makes:
            await self._write(found, self._entry(request, found.tenant, asked, decision, tables))
        if not verdict.allowed:
            raise self._forbidden(decision)
        made = request if asked.makes else ""
        return Caller(
            tenant=found.tenant,
            key=found.key,
            data_class=asked.data_class,
            decision=made,
            subject=asked.subject,
            demands=found.constraints,
            sla=found.sla,
        )

    async def _write(self, found: Admitted, entry: Entry) -> None:
        """One entry, for a turn. What becomes a job gives its turn back, and so does what fails through us."""
        turns = self._turns.of(found.tenant)
        if wait := turns.take(self.now()):
            raise Limited("Too many of your requests came to no film. Mend what their answers say is wrong.", wait)
        try:
            await self.keep(found.con, found.constraints)
            await self.pen.commit(entry)
        except BaseException:
            turns.give()
            raise

    async def _reject(self, rejected: Rejected, request: str) -> NoReturn:
        if rejected.reason is not Reason.WRONG_CELL or rejected.cell is None:
            raise Unauthenticated(rejected.sentence)
        if self._strangers.writes(self.now()):
            await self._write_stranger(rejected.cell.jurisdiction, request)
        else:
            self.eyes.count("equerry.gate.unwritten")
        raise WrongCell(rejected.sentence)

    async def _write_stranger(self, jurisdiction: str, request: str) -> None:
        tables = self.tables()
        asked = _Asked(self.home, jurisdiction, Purpose.GENERATION, makes=True)
        nobody = Decision((), {}, tables.grounds, "unknown_tenant")
        if summary := self._strangers.summary(self.now()):
            try:
                await self.pen.commit(summary)
            except BaseException:
                self._strangers.again(summary)
                raise
        await self.pen.commit(self._entry(request, NOBODY, asked, nobody, tables))

    def _entry(self, request: str, tenant: str, asked: _Asked, decision: Decision, tables: Tables) -> Decided:
        region, grounds = self.place.region, decision.grounds
        verdict = decision.verdict(region)
        where = None
        if verdict.allowed:
            place = tables.place(region)
            where = Where(jur=place.jurisdiction, cc=place.country, prov=place.provider, own=place.ownership or None)
        return Decided(
            ten=tenant,
            req=f"r-{request}",
            cls=asked.data_class,
            pur=asked.purpose.value,
            sub=asked.subject,
            dec="allow" if verdict.allowed else "deny",
            rules=tuple(sorted(verdict.rules)),
            cand=Candidates(eligible=len(decision.eligible), denied=decision.counts),
            pol=grounds.pol or NOTHING,
            cat=grounds.cat or NOTHING,
            lst=grounds.lst or NOTHING,
            con=grounds.con or NOTHING,
            sel=region if verdict.allowed else None,
            where=where,
        )

    def _forbidden(self, decision: Decision) -> CellError:
        if decision.eligible:
            return WrongCell("The rules send this request to another cell. Use that cell's address and key.")
        rules = ", ".join(sorted(decision.verdict(self.place.region).rules))
        return Forbidden(f"The rules do not let this request run here ({rules}). Ask the operator, who can explain it.")

    async def _close(self, caller: Caller) -> bool:
        """Ends in the log what was decided and became no job: a body that could not be read, a repeat of an old job.

        False for what became one.
        """
        try:
            if await self.made(caller.decision):
                return False
        except CellError:
            return True  # nobody knows now; the auditor sees a decision without an end, until it has one
        entry = Execution(
            ten=caller.tenant,
            req=f"r-{caller.decision}",
            region=self.place.region,
            evid=self.place.evidence,
            dec2="allow",
            ms=0,
            gpu=self.place.accelerator,
            in_bytes=0,
            out_bytes=0,
            egress=self.place.egress,
        )
        try:
            await self.pen.commit(entry)
        except PolicyError as error:  # the answer has left; the auditor sees a decision without an end
            log.error("An end was not logged.", extra={"request": caller.decision, "error": type(error).__name__})
        return True


class _Seen:
    """A `send` that notes the answer's status."""

    def __init__(self, send: Send) -> None:
        self._send, self.status = send, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(str(message["status"]))
        await self._send(message)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the first line and the headers say of a request."""

    data_class: str
    subject: str
    purpose: Purpose
    makes: bool  # a film may come of it


def _asked(scope: Scope, headers: Mapping[str, str], *, home: str, subject: str) -> _Asked:
    _once(scope, CLASS, SUBJECT)
    data_class = headers.get(CLASS, home)
    subject = headers.get(SUBJECT, subject)
    if data_class not in _CLASSES:
        raise BadField(CLASS, f"X-Equerry-Data-Class is one of {', '.join(sorted(_CLASSES))}.")
    if not _PLACE.fullmatch(subject):
        raise BadField(SUBJECT, "X-Equerry-Subject-Region is a jurisdiction, such as EU or JP.")
    purpose = _purpose(scope)
    return _Asked(data_class, subject, purpose or Purpose.GENERATION, purpose is Purpose.GENERATION)


def _once(scope: Scope, *names: str) -> None:
    """Raises BadField for a header that comes twice. It is not among `_headers` then, and is no less meant."""
    sent = [name.decode("latin-1").lower() for name, _ in scope["headers"]]  # type: ignore[attr-defined]  # pairs of bytes
    for name in names:
        if sent.count(name) > 1:
            raise BadField(name, f"{name} comes twice, perhaps from a proxy. Send it once.")


def _headers(scope: Scope) -> dict[str, str]:
    """The headers by lower-case name; of one that comes twice, none, since two readers might take different ones."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for name, value in scope["headers"]:  # type: ignore[attr-defined]  # ASGI: pairs of bytes
        key = name.decode("latin-1").lower()
        if key in found:
            twice.add(key)
        found[key] = value.decode("latin-1")[:MOST_HEADER]
    return {key: value for key, value in found.items() if key not in twice}


def _key(headers: Mapping[str, str]) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthenticated("There is no key. Send Authorization: Bearer and a key of this cell.")
    return key.strip()


_MAKES: Final = ("/v1/jobs", "/v1/videos", "/api/v1/services/aigc/")  # a POST to these may make a film


def _purpose(scope: Scope) -> Purpose | None:
    """What a request is for, as far as its first line says: making a film, keeping a file, or None for looking after
    what is there already."""
    method, path = str(scope["method"]), str(scope["path"])
    if method != "POST" or path.endswith(("/cancel", "/cancel/")):
        return None
    if path.startswith(_MAKES):
        return Purpose.GENERATION
    return Purpose.STORAGE


def makes(scope: Scope) -> bool:
    """Whether a film may come of a request, as far as its first line says."""
    return _purpose(scope) is Purpose.GENERATION


async def _answer(error: CellError, scope: Scope, request: str, send: Send) -> None:
    """An error in the caller's dialect. The connection ends, since the body was not read."""
    status, headers, body = error_response(error, str(scope["path"]), request)
    shown = {**headers, "content-length": str(len(body)), "connection": "close"}
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in shown.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
