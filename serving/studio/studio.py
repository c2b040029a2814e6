"""A studio: pulls jobs from the store, decides again, decodes, checkpoints, renders, marks, delivers.

Many jobs are in the engine's batch at once, each in a task of its own, so one that fails fails alone. Everything a task
writes carries the job's fence. When the lease is gone, the task drops what it has and says nothing: another studio has
the job. What a job's end is, the log knows before its owner does.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from time import monotonic
from typing import Final, Protocol, TypeVar, cast

from model.clip import Clip, Mode, Picture
from model.engine import Engine, Task
from model.errors import EquerryError, Stopped
from model.errors import Refused as ModelRefused
from model.errors import Unavailable as ModelUnavailable
from model.generate import Codes
from model.make import Maker, Ready
from model.media import FilmLimits, ImageLimits, read_film, read_image
from policies.constraints import Constraints, DataClass, Purpose
from policies.decision import Asked, Verdict
from policies.errors import PolicyError
from policies.log.entry import Execution, Marked
from serving.errors import CellError, NotPossible, StaleFence, Unavailable
from serving.gate import DAY, Pen, Place
from serving.jobs.job import Job, JobId
from serving.jobs.records import Artefact
from serving.jobs.store import Bench
from serving.media.store import Key, Objects, Stored, key
from serving.meter.usage import written
from serving.order import Order
from serving.sla.terms import Terms
from serving.studio.codes import UNSEALED, Seals, joined, pack
from serving.studio.crew import Crew
from serving.studio.marker import Delivery, Marker
from serving.studio.pause import Pause
from serving.studio.shot import Shot
from serving.telemetry import BLIND, Eyes, Told, stage
from serving.telemetry.decoding import decoding
from serving.wish import Role

__all__ = ["Habits", "Studio"]

log = logging.getLogger(__name__)
Result = TypeVar("Result")

Judge = Callable[[Constraints, Asked], Verdict]
BEATS: Final = 4  # threads that renew leases, and nothing else
EARS: Final = 2  # that wait for work and for cancels
CLERKS: Final = 4  # that ask the store anything else
HELPERS: Final = 2 + (os.cpu_count() or 1)  # that read media, render and mark: what is long
SHORT: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})  # what a machine may run out of
NAMES: Final = {"video": "film.mp4", "thumbnail": "first.webp", "spritesheet": "sheet.jpg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a studio works."""

    most: int = 4
    """Jobs that are decoded at once: what fits the engine's batch. As many again may be on their way out meanwhile."""

    beat_s: float = 10.0
    """Seconds between two renewals of a lease; three missed beats free the job."""

    look_s: float = 2.0
    """Seconds after which a studio that was not woken looks for work itself."""

    pause_s: float = 1.0
    """Seconds without a claim after a job that could not be made; see `serving.studio.pause`."""

    keep_ms: int = 24 * 3_600_000
    """How long a film is kept."""


class Clock(Protocol):
    """Milliseconds since 1970."""

    def __call__(self) -> int: ...


class Studio:
    """One engine's hands. `run` until `drain`."""

    def __init__(
        self,
        name: str,
        *,
        store: Bench,
        objects: Objects,
        engine: Engine,
        maker: Maker,
        marker: Marker,
        judge: Judge,
        pen: Pen,
        place: Place,
        now: Clock,
        habits: Habits | None = None,
        images: ImageLimits | None = None,
        films: FilmLimits | None = None,
        eyes: Eyes = BLIND,
        model: str = "own",
        seals: Seals = UNSEALED,
    ) -> None:
        """`judge` is the worker's own decision about its own region; `maker` turns clips into orders for the engine;
        `images` and `films` are the limits by which media were let in; `eyes` watch, and know the `model` by name;
        `seals` close checkpoints."""
        self.name, self.store, self.objects, self.engine = name, store, objects, engine
        self.maker, self.marker, self.judge, self.pen, self.place = maker, marker, judge, pen, place
        self.now, self.habits = now, habits or Habits()
        self.images, self.films = images or ImageLimits(), films or FilmLimits()
        self.eyes, self.model, self.seals = eyes, model, seals
        self._at_work: dict[str, _Hand] = {}  # by name
        self._draining = asyncio.Event()
        self._pause = Pause(self.habits.pause_s, monotonic)
        self._freed = asyncio.Event()  # whether a place in the engine, or a hand, has become free
        self._doubt = asyncio.Event()  # whether the engine lives
        self._dead = ""  # why it does not
        self._beats, self._ears = Crew("studio-beat", BEATS), Crew("studio-ear", EARS)
        self._off, self._help = Crew("studio-store", CLERKS), Crew("studio-work", HELPERS)

    @property
    def busy(self) -> int:
        """Jobs in hand."""
        return len(self._at_work)

    @property
    def _free(self) -> int:
        """Jobs that can be taken: what is only marked and delivered any more leaves its place in the engine's batch."""
        decoding = sum(not hand.decoded for hand in self._at_work.values())
        return min(self.habits.most - decoding, 2 * self.habits.most - len(self._at_work))

    async def run(self) -> None:
        """Works until drained, or until the engine is beyond help: then raises Unavailable."""
        try:
            async with asyncio.TaskGroup() as group:
                beats = [group.create_task(work()) for work in (self._beat, self._hear, self._attend)]
                while not self._draining.is_set():
                    try:
                        await self._pull(group)
                    except Unavailable:  # the store is away; its jobs wait in it, and so does this studio
                        await asyncio.sleep(self.habits.look_s)
                while self._at_work:
                    await asyncio.wait([hand.task for hand in self._at_work.values() if hand.task])
                for beat in beats:
                    beat.cancel()
        except* Unavailable as errors:
            raise errors.exceptions[0] from None
        finally:
            for crew in (self._beats, self._ears, self._off, self._help):
                crew.close()
        if self._dead:
            raise Unavailable(self._dead)

    async def drain(self) -> None:
        """Take no more jobs, and hand back what is not done; another studio goes on from the last chunk."""
        self._draining.set()
        for hand in list(self._at_work.values()):
            hand.handed_back = True
            await self.engine.cancel(hand.name)

    async def _pull(self, group: asyncio.TaskGroup) -> None:
        while self._pause.left and not self._draining.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), self._pause.left)
        if self._draining.is_set():
            return
        free = self._free
        jobs = await self._off(self.store.claim, self.name, free) if free > 0 else ()
        for job in jobs:
            await self._take(_Hand(job), group)
        if not jobs:
            await self._rest()

    async def _take(self, hand: _Hand, group: asyncio.TaskGroup) -> None:
        if self._draining.is_set():  # since the claim was sent
            await self._hand_back(hand)
            return
        earlier = self._hands_on(hand.job.id)  # whose leases ran out while this process was held up
        self._at_work[hand.name] = hand  # before anything is awaited: a drain has to see it
        hand.task = group.create_task(self._work(hand), name=f"job-{hand.job.id}")
        for each in earlier:
            await self._drop(each)

    def _hands_on(self, job: JobId) -> list[_Hand]:
        return [hand for hand in self._at_work.values() if hand.job.id == job]

    async def _rest(self) -> None:
        """Until there is work, something is free, or it is time to look."""
        if self._free > 0:
            await self._ears(self.store.wait_for_work, self.habits.look_s)
            return
        self._freed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._freed.wait(), self.habits.look_s)

    async def _beat(self) -> None:
        """Renews all leases at once; soon again after a store that was away, since they have run on meanwhile."""
        rest = self.habits.beat_s
        while True:
            await asyncio.sleep(rest)
            renewed = await asyncio.gather(*map(self._renewed, list(self._at_work.values())))
            rest = self.habits.beat_s if all(renewed) else min(self.habits.look_s, self.habits.beat_s)

    async def _renewed(self, hand: _Hand) -> bool:
        """False when nobody knows; the lease may still hold, and the next write will tell."""
        try:
            job = await self._beats(self.store.renew, hand.job.id, hand.job.fence)
        except StaleFence:
            await self._drop(hand)
        except CellError:
            return False
        else:
            if job.cancel_requested:
                await self._end_early(hand)
        return True

    async def _hear(self) -> None:
        """Cancels what its owner wants ended, at once."""
        while True:
            with suppress(Unavailable):
                for job in await self._ears(self.store.wait_for_cancel, self.name, self.habits.look_s):
                    for hand in self._hands_on(job):
                        await self._end_early(hand)
            await asyncio.sleep(0.05)  # a cancelled job is told of until it has ended

    async def _attend(self) -> None:
        """Asks now and then whether the engine lives, and at once when a job could not be made. A dead one ends this
        studio, which hands back what it has."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._doubt.wait(), self.habits.beat_s)
            self._doubt.clear()
            try:
                await self.engine.check()
            except EquerryError as error:
                self._dead = str(error)
                log.error("The engine is dead.", extra={"error": type(error).__name__})
                await self.drain()
                return

    async def _end_early(self, hand: _Hand) -> None:
        """As its owner wants."""
        hand.unwanted = True
        await self.engine.cancel(hand.name)

    async def _drop(self, hand: _Hand) -> None:
        hand.stale = True
        await self.engine.cancel(hand.name)

    async def _work(self, hand: _Hand) -> None:
        job = hand.job
        with self.eyes.job(job.id, tenant=job.tenant, studio=self.name, fence=job.fence, attempts=job.attempts):
            try:
                await self._make_or_end(hand)
            except Exception as error:  # noqa: BLE001 - one whose last word cannot be said ends when its lease does
                log.error("A job could not be ended.", extra={"job": job.id, "error": type(error).__name__})
            finally:
                self._at_work.pop(hand.name, None)
                self._freed.set()

    async def _make_or_end(self, hand: _Hand) -> None:
        job = hand.job
        try:
            await self._make(hand)
            self._pause.made()
        except StaleFence:
            log.warning("A job went to another studio.", extra={"job": job.id})
        except Stopped:
            await self._stopped(hand)
        except ModelRefused as error:
            await self._fail(hand, "invalid_request", str(error))
        except Exception as error:  # noqa: BLE001 - whatever a job raises ends this job alone
            if _passes(error):
                await self._rest_from(hand, error)
                return
            log.error("A job failed.", extra={"job": job.id, "error": type(error).__name__})
            await self._fail(hand, "generation_failed", "The film could not be made. Ask for it again.")

    async def _rest_from(self, hand: _Hand, error: Exception) -> None:
        """Something that the job needs is away, by no fault of its own."""
        log.error("A job was handed back.", extra={"job": hand.job.id, "error": type(error).__name__})
        self._pause.failed()  # before the job waits again, or this studio would be the first to see it
        self._doubt.set()
        await self._hand_back(hand)

    async def _make(self, hand: _Hand) -> None:
        job, began = hand.job, monotonic()
        order = Order.read(job.order)
        verdict = self.judge(order.demands, self._asked(order))
        if not verdict.allowed:
            await self.pen.commit(self._executed(hand, began, dec2="deny"))
            await self._off_quietly(self.store.fail, job.id, job.fence, error="policy", text=_DENIED)
            return
        with stage(self.eyes, "prepare", **_asked_for(order)):
            ready = await self._ready(hand, order)
        shot = Shot(self.maker.model, ready, order, lambda form, seen: self.marker.begin(form, job, order, seen))
        with stage(self.eyes, "decode"):
            await self._decode(hand, ready, shot)
        hand.decoded = True
        self._freed.set()
        delivery = await self._mark(hand, shot)
        with stage(self.eyes, "deliver"):
            await self._deliver(hand, order, shot, delivery, began)

    async def _mark(self, hand: _Hand, shot: Shot) -> Delivery:
        with stage(self.eyes, "marks"):
            delivery = await self._help(shot.deliver)
        hand.check()
        return delivery

    def _asked(self, order: Order) -> Asked:
        return Asked(DataClass(order.data_class), Purpose.GENERATION, order.subject, self.now() // DAY)

    async def _ready(self, hand: _Hand, order: Order) -> Ready:
        bodies = [
            await self.objects.get(Stored(key=Key(piece.key), bytes=piece.bytes, sha256=piece.sha256))
            for piece in order.pieces
        ]
        hand.given = sum(map(len, bodies))
        clip = await self._help(self._clip, order, bodies)
        ready = await self._help(self.maker.ready, clip)
        known = 0 if ready.order.known is None else len(ready.order.known.video)
        await self._off(
            self.store.plan,
            hand.job.id,
            hand.job.fence,
            chunks=ready.order.chunks - known,
            estimated_ms=hand.job.estimated_ms,
        )
        return ready

    def _clip(self, order: Order, bodies: Sequence[bytes]) -> Clip:
        """What the model is asked for. Raises BadMedia when media cannot be read."""
        c = self.maker.model.config
        wish = order.wish
        images: dict[Role, list[Picture]] = {role: [] for role in Role}
        source = None
        for piece, body in zip(order.pieces, bodies, strict=True):
            if piece.role is Role.SOURCE:
                source = read_film(body, fps=Fraction(c.video.fps), rate=c.audio.rate, limits=self.films, cut=True)
            else:
                images[piece.role].append(read_image(body, self.images))
        return Clip(
            prompt=wish.said or wish.prompt,
            mode=wish.mode,
            size=order.size,
            seconds=wish.seconds or 1,
            seed=wish.seed or 0,
            image=images[Role.FIRST_FRAME][0] if images[Role.FIRST_FRAME] else None,
            references=tuple(images[Role.REFERENCE]),
            source=source,
        )

    async def _decode(self, hand: _Hand, ready: Ready, shot: Shot) -> None:
        job, known = hand.job, ready.order.known
        first = 0 if known is None else len(known.video)
        if known is not None:
            await self._develop(hand, shot, known)
        done = joined(await self._off(self._kept, job)) if job.chunks_done else None
        if done is not None:
            await self._develop(hand, shot, done)
            hand.slots = _slots(done)
        hand.whole = done is None and job.attempts == 1
        have = first + (0 if done is None else len(done.video))
        if have < ready.order.chunks:
            hand.check_early()
            task = Task(job=hand.name, order=ready.order, done=done, salt=job.tenant)
            with decoding(self.eyes, self.model, chunks=ready.order.chunks, resumed=have - first) as seen:
                async with aclosing(self.engine.submit(task)) as chunks:  # an end of any kind frees its place at once
                    async for chunk in chunks:
                        hand.check()
                        seen.chunk(_slots(chunk.codes))
                        hand.slots += _slots(chunk.codes)
                        await self._help(self._take_in, job, chunk.number - first, chunk.codes, shot)

    async def _develop(self, hand: _Hand, shot: Shot, codes: Codes) -> None:
        """What is there already. Chunk by chunk, so that neither a drain nor a cancel waits for all of a long film."""
        for number in range(len(codes.video)):
            hand.check_early()
            await self._help(shot.add, codes[number : number + 1])

    def _take_in(self, job: Job, chunk: int, codes: Codes, shot: Shot) -> None:
        """In one trip to a thread: threads of one interpreter take turns, and each trip waits for two."""
        self._keep(job, chunk, codes)
        with self.eyes.span("render"):
            shot.add(codes)

    def _keep(self, job: Job, chunk: int, codes: Codes) -> Job:
        sealed = self.seals.seal(job.tenant, f"{job.id}/{chunk}", pack(codes))
        return self.store.checkpoint(job.id, chunk, job.fence, sealed)

    def _kept(self, job: Job) -> Sequence[bytes]:
        chunks = enumerate(self.store.resume(job.id, job.fence))
        return [self.seals.open(job.tenant, f"{job.id}/{chunk}", sealed) for chunk, sealed in chunks]

    async def _deliver(self, hand: _Hand, order: Order, shot: Shot, delivery: Delivery, began: float) -> None:
        job, terms = hand.job, Terms.read(hand.job.terms)
        with stage(self.eyes, "pictures"):
            bodies = {"video": delivery.body, **await self._help(shot.pictures.files)}
        marked = Marked(
            ten=job.tenant,
            req=f"r-{job.id}",
            out=sha256(delivery.body).hexdigest(),
            c2pa=delivery.c2pa,
            wm=delivery.watermark,
            vis=delivery.label,
        )
        executed = self._executed(hand, began, dec2="allow", out=len(delivery.body))
        await self.pen.commit(marked)  # first: a log that ends between the two has no output without its mark
        await self.pen.commit(executed)  # or nothing is put
        puts = await _all(*(self._put(job, NAMES[name], body) for name, body in bodies.items()))
        stored = dict(zip(bodies, puts, strict=True))
        try:
            await self._off(
                self.store.complete,
                job.id,
                job.fence,
                result=_result(stored, shot, order),
                usage=self._usage(hand, shot, order, began),
                keep_ms=terms.keep_ms if terms is not None else self.habits.keep_ms,
                keys=[each.key for each in stored.values()],
            )
        except NotPossible:  # its owner has cancelled it at the last moment
            await self._off_quietly(self.store.stop, job.id, job.fence)

    def _usage(self, hand: _Hand, shot: Shot, order: Order, began: float) -> str:
        """What the meter needs, beside the terms; whole milliseconds and pixels."""
        speed = self.engine.stats().slots_per_second
        return written(
            hand.job.terms,
            mode=order.wish.mode.value,
            ms=round(shot.seconds * 1000),
            width=shot.form.size.width,
            height=shot.form.size.height,
            sound=order.wish.audio.value,
            model=order.wish.model,
            key=order.key,
            ordered=hand.job.created,
            hand_ms=round((monotonic() - began) * 1000) if hand.whole else 0,
            engine_ms=round(1000 * hand.slots / speed) if speed else 0,
        )

    async def _put(self, job: Job, name: str, body: bytes) -> Stored:
        place = key(job.tenant, job.id, str(job.fence), name)
        artefact = Artefact(
            key=place, tenant=job.tenant, job=job.id, sha256="", key_id="", expires=self.now() + self.habits.keep_ms
        )
        await self._off(self.store.note, artefact, job.fence)
        return await self.objects.put(place, body)

    def _executed(self, hand: _Hand, began: float, *, dec2: str, out: int = 0) -> Execution:
        return Execution(
            ten=hand.job.tenant,
            req=f"r-{hand.job.id}",
            region=self.place.region,
            evid=self.place.evidence,
            dec2=dec2,
            ms=int((monotonic() - began) * 1000),
            gpu=self.place.accelerator,
            in_bytes=hand.given,
            out_bytes=out,
            egress=self.place.egress,
        )

    async def _stopped(self, hand: _Hand) -> None:
        """The engine was told to end this film: by its owner, by a drain, or because the lease is gone."""
        if hand.stale:
            return
        if hand.handed_back:
            await self._hand_back(hand)
            return
        await self._end(hand, self.store.stop)

    async def _fail(self, hand: _Hand, error: str, text: str) -> None:
        await self._end(hand, lambda job, fence: self.store.fail(job, fence, error=error, text=text))

    async def _end(self, hand: _Hand, how: Callable[[JobId, int], Job]) -> None:
        """Ends a job without a film; the log first."""
        try:
            await self.pen.commit(self._executed(hand, monotonic(), dec2="allow"))
        except PolicyError:
            await self._hand_back(hand)
            return
        await self._off_quietly(how, hand.job.id, hand.job.fence)

    async def _hand_back(self, hand: _Hand) -> None:
        await self._off_quietly(self.store.hand_back, hand.job.id, hand.job.fence)

    async def _off_quietly(self, call: Callable[..., Job], *given: object, **named: object) -> None:
        """A last word on a job. When it cannot be said, the lease runs out and another studio goes on."""
        with suppress(StaleFence, Unavailable, NotPossible):
            await self._off(call, *given, **named)


@dataclass(slots=True, eq=False)
class _Hand:
    """One job in hand."""

    job: Job
    task: asyncio.Task[None] | None = None
    given: int = 0  # bytes of media that came with it
    decoded: bool = False  # and on its way out
    handed_back: bool = False
    unwanted: bool = False  # by its owner
    stale: bool = False
    whole: bool = False  # all of the film is made by this hand
    slots: int = 0  # drawn of it, by whichever engine

    @property
    def name(self) -> str:
        """Of its task in the engine. A job may come back while an earlier hand here still has it; they are two."""
        return f"{self.job.id}.{self.job.fence}"

    def check(self) -> None:
        """Raises StaleFence when the job is somebody else's, Stopped when its owner does not want it."""
        if self.stale:
            raise StaleFence("The lease is gone.")
        if self.unwanted:
            raise Stopped("The owner has cancelled the film.")

    def check_early(self) -> None:
        """As `check`, while the engine does not know of the film and cannot be told: Stopped after a drain too."""
        self.check()
        if self.handed_back:
            raise Stopped("The studio is drained. Another one goes on with the film.")


def _slots(codes: Codes) -> int:
    return codes.video.numel() + codes.audio.numel()


def _passes(error: Exception) -> bool:
    """Whether what went wrong is away or full, and may be there again or have room."""
    away = isinstance(error, (ModelUnavailable, Unavailable, PolicyError))
    return away or (isinstance(error, OSError) and error.errno in SHORT)


async def _all(*works: Awaitable[Result]) -> list[Result]:
    """What each gives. When one raises, the others have ended too before it is heard: nothing of a job goes on behind
    its back."""
    ended = await asyncio.gather(*works, return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return cast("list[Result]", ended)


_DENIED: Final = "The rules do not let this film be made here any more. Ask the operator."


def _asked_for(order: Order) -> dict[str, Told]:
    """What a span says of an order."""
    return {
        "mode": order.wish.mode.value,
        "seconds": order.wish.seconds or 0,
        "width": order.size.width,
        "height": order.size.height,
        "pieces": len(order.pieces),
        "gen_ai.request.model": order.wish.model,
    }


def _result(stored: dict[str, Stored], shot: Shot, order: Order) -> str:
    video = stored["video"]
    told = {
        "key": video.key,
        "sha256": video.sha256,
        "bytes": video.bytes,
        "seconds": shot.seconds,
        "width": shot.form.size.width,
        "height": shot.form.size.height,
        "fps": float(shot.form.fps),
        "source_seconds": shot.seconds if order.wish.mode is Mode.EDIT else 0,
        "files": {name: {"key": s.key, "sha256": s.sha256, "bytes": s.bytes} for name, s in stored.items()},
    }
    return json.dumps(told)
