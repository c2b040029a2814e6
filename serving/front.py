"""The front desk of a cell: takes wishes, settles what they leave open, makes them jobs, and hands out films.

Everything that can be refused is refused before the job is durable: media that cannot be read, lengths that cannot be
made, a queue that is full. What is accepted is never lost, since the store is asked before the caller is answered.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

from model.clip import Mode, Size
from model.make import named
from serving.admission import Admission
from serving.desk import Caller, Content, Page, Standing, Upload
from serving.dialects.names import NAMES
from serving.dialects.sizes import following
from serving.errors import BadField, Broken, CellError, Expired, Limited, NotPossible, NotReady, Refused, UnknownJob
from serving.ferry import Ferry, one_by_one
from serving.jobs.job import Draft, Job, JobId, State, TenantId
from serving.jobs.records import Receipt
from serving.jobs.store import Store
from serving.jobs.watch import watch
from serving.lookout import Lookout, Seen
from serving.media.fragments import fragmented
from serving.media.ingest import FilmOf, Ingest, Taken
from serving.media.links import Links
from serving.media.room import Fill
from serving.media.store import Key, Objects, Stored
from serving.media.uploads import Uploads
from serving.order import Order, Piece
from serving.studio.pictures import MIMES
from serving.telemetry import BLIND, Eyes, stage
from serving.wish import Role, Wish, fingerprint

__all__ = ["Front", "Limits", "film_of"]

Result = TypeVar("Result")
FIRST: Final = Size(1280, 720)  # of a film that nothing gives a size
MOST_SECONDS: Final = 15
FRESH: Final = 4_096  # jobs that were made last and are kept in mind
LOOKS: Final = 2  # threads that look things up for clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a cell takes on."""

    queue: int = 1_000  # jobs of all tenants that wait
    queue_per_tenant: int = 100
    streams: int = 100  # jobs that one tenant watches at once
    retry_window_ms: int = 600_000  # in which a retry finds its first attempt
    link_s: int = 24 * 3600  # life of a film's address
    stored: int = 10 << 30  # bytes of one tenant beyond which it can order nothing more


class Front:
    """See `serving.desk.Desk`."""

    def __init__(
        self,
        store: Store,
        objects: Objects,
        ingest: Ingest,
        uploads: Uploads,
        links: Links,
        *,
        origin: Callable[[str], str],
        jurisdiction: str,
        model_digest: str,
        policy_digest: Callable[[], str],
        chunk_ms: Callable[[], float],
        chunks_per_second: int,
        studios: Callable[[], int],
        draw_seed: Callable[[], int],
        limits: Limits | None = None,
        eyes: Eyes = BLIND,
        vet: Callable[[str], object] | None = None,
        admission: Admission | None = None,
    ) -> None:
        """`origin` makes a path an address of this cell; `chunk_ms` is how long a chunk takes an engine just now;
        `studios` is how many jobs are worked on at once; `eyes` watch;
        `vet` raises for an address that must not be told of an end, and is None where nobody is told; without an
        `admission` nothing is promised and nothing has a price."""
        self.store, self.objects, self.ingest, self.uploads, self.links = store, objects, ingest, uploads, links
        self.origin, self.jurisdiction, self.model_digest = origin, jurisdiction, model_digest
        self.policy_digest, self.chunk_ms, self.chunks_per_second = policy_digest, chunk_ms, chunks_per_second
        self.studios, self.draw_seed, self.limits = studios, draw_seed, limits or Limits()
        self.eyes, self.vet, self.admission = eyes, vet, admission
        self._counter: Ferry[Draft, Receipt] = Ferry(store.submit_all, name="submit")
        self._looks: Ferry[Callable[[], Any], Any] = Ferry(one_by_one, name="look", boats=LOOKS)
        self._fresh: dict[str, None] = {}  # ids, oldest first
        self._streams = Counter[TenantId]()  # that are open
        known = (lambda _: None) if admission is None else admission.foretell
        self.fill = Fill(store, self.limits.stored)
        self.lookout = Lookout(store, hands=studios, foretell=known, eyes=eyes)

    async def submit(self, caller: Caller, wish: Wish) -> Standing:
        """See Desk."""
        if caller.demands is None or not caller.decision:
            raise Broken("A wish came past the gate.")
        self._check_told(wish)
        await self._admit(caller, wish)
        _check(wish)
        with stage(self.eyes, "media", pieces=len(wish.given)):
            taken = await self.ingest.take(caller.tenant, wish.given)
        settled = self._settle(wish, taken)
        order = Order(
            wish=settled,
            pieces=tuple(_piece(each) for each in taken),
            data_class=caller.data_class,
            subject=caller.subject,
            demands=caller.demands,
            key=caller.key,
        )
        receipt = await self._take_on(caller, self._draft(caller, wish, settled, order.write()), settled, taken)
        if receipt.fresh:
            self._note(receipt.job.id)
            self.lookout.took(receipt.job.tenant)
            self.eyes.count("equerry.jobs.submitted", tenant=caller.tenant, mode=settled.mode.value)
        else:
            self.eyes.count("equerry.jobs.repeated", tenant=caller.tenant)
        return await self._standing(receipt.job)

    async def _take_on(self, caller: Caller, draft: Draft, settled: Wish, taken: Sequence[Taken]) -> Receipt:
        """Makes the job durable on terms; what is refused leaves no media behind."""
        try:
            if self.admission is not None:
                draft = await self._off(self.admission.agree, draft, caller, settled, _source_ms(taken))
            with self.eyes.span("store.submit"):
                return await self._counter.cross(draft)
        except (Limited, Refused) as error:  # of any other nobody knows whether there is a job now
            if isinstance(error, Limited) and draft.quotas and self.admission is not None:
                await self._off(self.admission.limited, caller.tenant)
            for each in taken:
                with suppress(CellError):  # retention finds it later
                    await self.objects.delete(each.stored.key)
            raise

    def _check_told(self, wish: Wish) -> None:
        if wish.webhook is None:
            return
        if self.vet is None:
            raise BadField("webhook", "This cell tells nobody of an end. Leave webhook out, and ask for the job.")
        self.vet(wish.webhook)

    def _draft(self, caller: Caller, wish: Wish, settled: Wish, order: str) -> Draft:
        chunks = self.chunks_per_second * (settled.seconds or 1)
        # a key names the attempt for good; an equal film, asked for without it, is another one
        window = self.limits.retry_window_ms if wish.retried and wish.idempotency_key is None else 0
        return Draft(
            id=JobId(caller.decision),
            tenant=TenantId(caller.tenant),
            order=order,
            fingerprint=fingerprint(wish),
            estimated_ms=max(1, round(chunks * self.chunk_ms())),
            chunks=chunks,
            model=wish.model,
            jurisdiction=self.jurisdiction,
            policy_digest=self.policy_digest(),
            model_digest=self.model_digest,
            idempotency_key=wish.idempotency_key,
            retry_window_ms=window,
            webhook=wish.webhook,
        )

    async def _admit(self, caller: Caller, wish: Wish) -> None:
        """Raises Limited when too much waits; a repeat of what is here already adds nothing."""
        backlog, mine = await self.lookout.waiting(TenantId(caller.tenant))
        full = await self.fill.look(TenantId(caller.tenant))
        if full is None and backlog.queued < self.limits.queue and mine < self.limits.queue_per_tenant:
            return
        if await self._ask(self.store.known, self._draft(caller, wish, wish, "")) is not None:
            return
        if full is not None:
            raise full
        wait = max(1, round(backlog.work_ms / 1000 / max(1, self.studios())))
        if backlog.queued >= self.limits.queue:
            raise Limited("The queue of this cell is full. Come back later.", wait)
        raise Limited(f"You have {mine} jobs waiting. Come back when some are done.", wait)

    def _settle(self, wish: Wish, taken: Sequence[Taken]) -> Wish:
        """The wish with its size, its length and its seed."""
        size, seconds = wish.size, wish.seconds
        for each in taken:
            if each.role in (Role.FIRST_FRAME, Role.SOURCE):
                size = wish.size or following(each.size, wish.tier)
            if each.role is Role.SOURCE:
                seconds = _length(wish, each.seconds)
        seed = self.draw_seed() if wish.seed is None else wish.seed
        return replace(
            wish,
            size=size or FIRST,
            seconds=seconds or 4,
            seed=seed,
            given=tuple(replace(given, body=None) for given in wish.given),
        )

    async def get(self, caller: Caller, job: JobId) -> Standing:
        """See Desk."""
        return self._shown(await self.lookout.see((TenantId(caller.tenant), job)))

    async def list(
        self,
        caller: Caller,
        *,
        after: JobId | None = None,
        limit: int = 20,
        newest_first: bool = True,
        states: Sequence[str] = (),
        offset: int = 0,
        since: int | None = None,
        until: int | None = None,
        model: str | None = None,
    ) -> Page:
        """See Desk."""
        found = await self._ask(
            self.store.list,
            TenantId(caller.tenant),
            after=after,
            limit=limit,
            newest_first=newest_first,
            states=[State(state) for state in states],
            offset=offset,
            since=since,
            until=until,
            model=model,
        )
        standings = await asyncio.gather(*(self._standing(job) for job in found.jobs))
        return Page(jobs=tuple(standings), more=found.more, total=found.total)

    async def cancel(self, caller: Caller, job: JobId, *, only_queued: bool = False) -> Standing:
        """See Desk."""
        ended = await self._off(self.store.cancel, TenantId(caller.tenant), job, only_queued=only_queued)
        return await self._standing(ended)

    async def delete(self, caller: Caller, job: JobId) -> None:
        """See Desk."""
        await self._off(self.store.delete, TenantId(caller.tenant), job)

    async def watch(self, caller: Caller, job: JobId) -> AsyncIterator[Standing]:
        """See Desk."""
        changes = self._changes(TenantId(caller.tenant), job)
        return _from(await anext(changes), changes)  # what is wrong is raised before an answer begins

    async def _changes(self, tenant: TenantId, job: JobId) -> AsyncGenerator[Standing, None]:
        async def look() -> Job:
            return (await self.lookout.see((tenant, job))).job

        with self._a_stream(tenant):
            async for seen in watch(self.store, tenant, job, look):
                yield await self._standing(seen)

    @contextmanager
    def _a_stream(self, tenant: TenantId) -> Iterator[None]:
        if self._streams[tenant] >= self.limits.streams:
            raise Limited(f"You watch {self.limits.streams} jobs already. Close some, or ask for the job instead.", 5)
        self._streams[tenant] += 1
        try:
            yield
        finally:
            self._streams[tenant] -= 1
            self._streams += Counter()  # without zeros

    async def content(self, caller: Caller, job: JobId, variant: str = "video") -> Content:
        """See Desk."""
        return _content(await self._ask(self.store.get, TenantId(caller.tenant), job), variant)

    async def read(self, content: Content, start: int, end: int) -> AsyncIterator[bytes]:
        """See Desk."""
        async for part in self.objects.read(Key(content.key), start, end):
            yield part

    async def upload(self, caller: Caller, name: str, body: AsyncIterator[bytes]) -> Upload:
        """See Desk."""
        return await self.uploads.add(caller.tenant, name, body)

    async def keep(self, caller: Caller, key: str, body: AsyncIterator[bytes]) -> Upload:
        """See Desk."""
        return await self.uploads.keep(caller.tenant, key, body)

    async def models(self, caller: Caller) -> Sequence[str]:  # noqa: ARG002 - every key may ask for all of them
        """See Desk."""
        return tuple(NAMES)

    async def preview(self, caller: Caller, job: JobId) -> AsyncIterator[bytes]:
        """See Desk. What is not finished is not marked yet, and nothing leaves without its marks."""
        content = await self.content(caller, job)
        whole = b"".join([part async for part in self.read(content, 0, content.bytes)])
        return _once(await asyncio.to_thread(fragmented, whole))

    async def made(self, job: str) -> bool:
        """Whether there is a job of this id, whoever's."""
        if job in self._fresh:
            return True
        try:
            await self._ask(self.store.look, JobId(job))
        except UnknownJob:
            return False
        return True

    def _note(self, job: str) -> None:
        """Keeps in mind that a job is durable, so that nobody has to ask the store about it in the same breath."""
        self._fresh[job] = None
        if len(self._fresh) > FRESH:
            del self._fresh[next(iter(self._fresh))]

    async def _standing(self, job: Job) -> Standing:
        return self._shown(await self.lookout.see(job) if job.state is State.QUEUED else Seen(job, None))

    def _shown(self, seen: Seen) -> Standing:
        job = seen.job
        wish = Order.wish_of(job.order) if job.order not in ("", "{}") else _forgotten(job)
        place = eta = None
        if not job.terminal:
            eta = job.estimated_ms * (job.chunks - job.chunks_done) // max(1, job.chunks)
        if seen.waits is not None:
            place, eta = seen.waits
        return Standing(job=job, wish=wish, place=place, eta_ms=eta, url=self._url(job))

    def _url(self, job: Job) -> str | None:
        if job.state is not State.SUCCEEDED or job.finished is None:
            return None
        expires = job.finished // 1000 + self.limits.link_s
        return self.origin(self.links.sign(f"/content/{job.id}/film.mp4", tenant=job.tenant, expires=expires))

    async def _ask(self, call: Callable[..., Result], *given: object, **named_: object) -> Result:
        """What is short and changes nothing; all that is asked at once goes to the store at once."""
        found: Result = await self._looks.cross(_here(partial(call, *given, **named_)))
        return found

    async def _off(self, call: Callable[..., Result], *given: object, **named_: object) -> Result:
        return await asyncio.to_thread(call, *given, **named_)


def _here(call: Callable[[], Result]) -> Callable[[], Result]:
    """A call that belongs to the trace of who asks for it, whichever thread makes it."""
    return partial(copy_context().run, call)


def film_of(store: Store) -> FilmOf:
    """How media find the finished film of a tenant's job."""

    async def find(tenant: str, job: str) -> Stored:
        source = await asyncio.to_thread(store.get, TenantId(tenant), JobId(job))
        if source.state is not State.SUCCEEDED:
            raise NotPossible("The film to start from is not finished. Wait for it, or choose another one.")
        made = _result(source)
        return Stored(key=Key(made["key"]), bytes=made["bytes"], sha256=made["sha256"])

    return find


def _source_ms(taken: Sequence[Taken]) -> int:
    """Length of the film to start from; 0 without one."""
    return sum(round(each.seconds * 1000) for each in taken if each.role is Role.SOURCE)


def _piece(taken: Taken) -> Piece:
    stored = taken.stored
    return Piece(role=taken.role, key=stored.key, sha256=stored.sha256, bytes=stored.bytes)


async def _from(first: Standing, rest: AsyncGenerator[Standing, None]) -> AsyncGenerator[Standing, None]:
    async with aclosing(rest):
        yield first
        async for each in rest:
            yield each


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _check(wish: Wish) -> None:
    """What the model would refuse later, refused now."""
    references = sum(given.role is Role.REFERENCE for given in wish.given)
    for number in named(wish.said or wish.prompt):
        if not 1 <= number <= references:
            raise BadField(
                "prompt", f"The prompt names [{number}], and {references} references were given. Give one for each."
            )


def _length(wish: Wish, given: float) -> int:
    """Seconds of a film that starts from another."""
    if wish.mode is Mode.EDIT:
        return min(MOST_SECONDS, max(1, round(given)))
    seconds = round(given) + wish.more if wish.more is not None else wish.seconds
    if seconds is None or not given < seconds <= MOST_SECONDS:
        raise BadField(
            "seconds", f"The film lasts {given:.1f} s already. Ask for a length above that, up to {MOST_SECONDS} s."
        )
    return seconds


def _result(job: Job) -> dict[str, Any]:
    if job.state is State.EXPIRED or job.result is None:
        raise Expired("The film is kept no longer. Ask for it again.")
    found: dict[str, Any] = json.loads(job.result)
    return found


def _content(job: Job, variant: str) -> Content:
    if job.state is State.EXPIRED:
        raise Expired("The film is kept no longer. Ask for it again.")
    if job.state is not State.SUCCEEDED:
        raise NotReady("The film is not there yet. Wait until the job has succeeded.")
    if variant not in MIMES:
        raise BadField("variant", f"variant is one of {', '.join(MIMES)}.")
    kept = _result(job)["files"][variant]
    stored = Stored(key=Key(kept["key"]), bytes=kept["bytes"], sha256=kept["sha256"])
    return Content(key=stored.key, bytes=stored.bytes, sha256=stored.sha256, mime=MIMES[variant])


def _forgotten(job: Job) -> Wish:
    """Of a job whose order was forgotten with its film."""
    return Wish(dialect="", model=job.model, mode=Mode.T2V, prompt="", size=None, seconds=None, seed=None)
