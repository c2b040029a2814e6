"""A desk in memory: it obeys the same promises as a cell's, and forgets everything when it goes.

Films come from a function that is passed in. It fetches no addresses at all, so a wish that names one is refused.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from hashlib import sha256
from typing import Final

from model.clip import Film, Mode, Size
from model.errors import BadMedia as Unreadable
from model.media import encode_film, read_film, read_image
from serving.desk import Caller, Content, Page, Standing, Upload
from serving.dialects.names import NAMES
from serving.dialects.sizes import following
from serving.errors import (
    BadField,
    BadMedia,
    Blocked,
    Conflict,
    Expired,
    Forbidden,
    Limited,
    NotPossible,
    NotReady,
    TooLarge,
    UnknownJob,
)
from serving.jobs.job import MOVES, TERMINAL, Job, JobId, State, TenantId
from serving.wish import Given, Role, Wish, fingerprint

__all__ = ["House", "Link", "TwinDesk"]

FPS, RATE = Fraction(8), 8_000  # frames, samples per second
KEPT: Final = 86_400_000  # milliseconds that a film is kept
RETRIES: Final = 600_000  # milliseconds in which a retry finds its first attempt
MOST_FILE: Final = 100 << 20  # bytes of an upload
MIMES: Final = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}

Make = Callable[[Wish, Sequence[bytes]], Film]  # a wish with size and seconds, and its media in order
Link = Callable[[Job], str]  # a signed address of a finished film


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What an operator has settled for one tenant."""

    quota: int | None = None  # jobs that it may ask for in all
    wait: int | None = None  # seconds that every new job is put off
    held: bool = False  # jobs wait and never start
    forbidden: tuple[str, ...] = ()  # words that no prompt may have
    failing: tuple[str, str] | None = None  # code and text with which every job ends
    models: tuple[str, ...] = tuple(NAMES)


@dataclass(slots=True)
class _Kept:
    """One job and what belongs to it."""

    job: Job
    wish: Wish
    print: str
    media: list[bytes] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    film: Film | None = None


class TwinDesk:
    """See `serving.desk.Desk`. Jobs are made one at a time, in the loop that submitted them."""

    def __init__(
        self,
        make: Make,
        *,
        now: Callable[[], int],
        new_id: Callable[[], str],
        link: Link,
        houses: Mapping[str, House] | None = None,
    ) -> None:
        self.make, self.now, self.new_id, self.link = make, now, new_id, link
        self.houses = dict(houses or {})
        self._jobs: dict[JobId, _Kept] = {}
        self._uploads: dict[tuple[str, str], tuple[Upload, bytes]] = {}  # by tenant, and id or key
        self._changed = asyncio.Condition()
        self._studio = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    # asking

    async def submit(self, caller: Caller, wish: Wish) -> Standing:
        """See Desk."""
        house = self._house(caller)
        if wish.model not in house.models:
            raise Forbidden(f"This key may not use the model {wish.model}. Ask for the list of models.")
        first = self._first(caller, wish)
        if first is not None:
            return self._standing(first)
        self._admit(caller, house, wish)
        media = [self._media(caller, each) for each in wish.given]
        full = await asyncio.to_thread(_measured, wish, media)
        kept = self._open(caller, full, fingerprint(wish), media)
        if not house.held:
            task = asyncio.create_task(self._run(kept, house))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self._standing(kept)

    def _first(self, caller: Caller, wish: Wish) -> _Kept | None:
        """The job that this wish has already become."""
        mine, print_ = self._mine(caller), fingerprint(wish)
        if wish.idempotency_key is not None:
            named = next((each for each in mine if each.wish.idempotency_key == wish.idempotency_key), None)
            if named is not None and named.print != print_:
                raise Conflict("This idempotency key was used for another request. Use a new key for a new request.")
            return named
        recent = [each for each in mine if each.print == print_ and self.now() - each.job.created < RETRIES]
        return recent[0] if wish.retried and recent else None

    def _admit(self, caller: Caller, house: House, wish: Wish) -> None:
        if any(word in wish.prompt for word in house.forbidden):
            raise Blocked("This prompt is not made here. Change what it asks for.")
        if house.wait is not None:
            raise Limited("There are too many requests. Wait, and ask again.", house.wait)
        if house.quota is not None and len(self._mine(caller)) >= house.quota:
            raise Limited("The quota is used up. Ask the operator for more.", 3_600, quota=True)

    def _open(self, caller: Caller, wish: Wish, print_: str, media: list[bytes]) -> _Kept:
        job = Job(
            id=JobId(self.new_id()),
            tenant=TenantId(caller.tenant),
            state=State.QUEUED,
            order="{}",
            priority=0,
            estimated_ms=1_000,
            chunks=2 * (wish.seconds or 1),
            chunks_done=0,
            fence=0,
            attempts=0,
            cancel_requested=False,
            created=self.now(),
            started=None,
            finished=None,
            deadline=None,
            expires=None,
            result=None,
            error=None,
            error_text=None,
        )
        bare = replace(wish, given=tuple(replace(each, body=None) for each in wish.given))
        self._jobs[job.id] = kept = _Kept(job, bare, print_, media)
        return kept

    def _media(self, caller: Caller, given: Given) -> bytes:
        if given.body is not None:
            return given.body
        if given.job is not None:
            source = self._kept(caller, JobId(given.job))
            if source.job.state is not State.SUCCEEDED:
                raise NotPossible("The film to start from is not finished. Wait for it, or choose another one.")
            return source.files["video"]
        name = given.file or (given.url or "").removeprefix("oss://")
        if given.url is not None and not given.url.startswith("oss://"):
            raise BadMedia(given.field, f"{given.field}: this cell fetches no addresses. Send the file itself.")
        if (caller.tenant, name) not in self._uploads:
            raise BadField(given.field, f"{given.field} names no upload of yours. Upload the file first.")
        return self._uploads[caller.tenant, name][1]

    # making

    async def _run(self, kept: _Kept, house: House) -> None:
        async with self._studio:
            if kept.job.state is not State.QUEUED:
                return
            await self._move(kept, State.RUNNING, started=self.now())
            try:
                await self._make(kept, house)
            except Exception:  # noqa: BLE001 - whatever the function raises ends this film alone
                await self._end(kept, State.FAILED, error="generation_failed", error_text="The film could not be made.")

    async def _make(self, kept: _Kept, house: House) -> None:
        for chunk in range(kept.job.chunks):
            await asyncio.sleep(0.01)
            if kept.job.state is not State.RUNNING:
                return
            kept.job = replace(kept.job, chunks_done=chunk + 1)
            await self._tell()
        if house.failing is not None:
            code, text = house.failing
            await self._end(kept, State.FAILED, error=code, error_text=text)
            return
        film, files = await asyncio.to_thread(_made, self.make, kept.wish, kept.media)
        kept.film, kept.files = film, files
        await self._end(kept, State.SUCCEEDED, expires=self.now() + KEPT, result=_result(kept, film, files["video"]))

    async def _end(self, kept: _Kept, state: State, **changes: object) -> None:
        if kept.job.state is State.RUNNING:
            await self._move(kept, state, finished=self.now(), **changes)

    async def _move(self, kept: _Kept, state: State, **changes: object) -> None:
        if state not in MOVES[kept.job.state]:
            raise NotPossible(f"A job that is {kept.job.state} cannot become {state}.")
        kept.job = replace(kept.job, state=state, **changes)  # type: ignore[arg-type]  # fields of Job, by name
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # looking

    async def get(self, caller: Caller, job: JobId) -> Standing:
        """See Desk."""
        return self._standing(self._kept(caller, job))

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
        rows = sorted(self._mine(caller), key=_place, reverse=newest_first)
        if after is not None:
            mark = _place(self._kept(caller, after))
            rows = [each for each in rows if (_place(each) < mark if newest_first else _place(each) > mark)]
        rows = [
            each
            for each in rows
            if (not states or each.job.state in states)
            and (since is None or each.job.created >= since)
            and (until is None or each.job.created <= until)
            and (model is None or each.wish.model == model)
        ]
        shown = rows[offset : offset + limit]
        return Page(jobs=tuple(map(self._standing, shown)), more=len(rows) > offset + limit, total=len(rows))

    async def watch(self, caller: Caller, job: JobId) -> AsyncIterator[Standing]:
        """See Desk."""
        return self._changes(self._kept(caller, job))

    async def _changes(self, kept: _Kept) -> AsyncIterator[Standing]:
        seen: Job | None = None
        while seen is None or seen.state not in TERMINAL:
            async with self._changed:
                await self._changed.wait_for(lambda: kept.job is not seen)  # noqa: B023 - called within this turn
            seen = kept.job
            yield self._standing(kept)

    async def cancel(self, caller: Caller, job: JobId, *, only_queued: bool = False) -> Standing:
        """See Desk."""
        kept = self._kept(caller, job)
        if kept.job.state is State.CANCELLED and not only_queued:
            return self._standing(kept)
        if kept.job.state in TERMINAL or (only_queued and kept.job.state is not State.QUEUED):
            raise NotPossible(f"The job is {kept.job.state} and cannot be cancelled.")
        await self._move(kept, State.CANCELLED, finished=self.now())
        return self._standing(kept)

    async def delete(self, caller: Caller, job: JobId) -> None:
        """See Desk."""
        kept = self._kept(caller, job)
        if kept.job.state is State.EXPIRED:
            raise _unknown()
        if kept.job.state not in TERMINAL:
            await self._move(kept, State.CANCELLED, finished=self.now())
        await self._move(kept, State.EXPIRED)
        kept.files.clear()
        kept.film = None

    # handing out

    async def content(self, caller: Caller, job: JobId, variant: str = "video") -> Content:
        """See Desk."""
        return self._content(self._kept(caller, job), variant)

    def _content(self, kept: _Kept, variant: str) -> Content:
        if kept.job.state is State.EXPIRED:
            raise Expired("The film is kept no longer. Ask for it again.")
        if variant not in kept.files:
            raise NotReady("The film is not there yet. Wait until the job has succeeded.")
        body = kept.files[variant]
        return Content(
            key=f"{kept.job.id}/{variant}", bytes=len(body), sha256=sha256(body).hexdigest(), mime=MIMES[variant]
        )

    async def read(self, content: Content, start: int, end: int) -> AsyncIterator[bytes]:
        """See Desk."""
        job, _, variant = content.key.partition("/")
        body = self._jobs[JobId(job)].files.get(variant, b"")
        for at in range(start, end, 1 << 16):
            yield body[at : min(end, at + (1 << 16))]

    async def preview(self, caller: Caller, job: JobId) -> AsyncIterator[bytes]:
        """See Desk. Here a film has one fragment, when it is finished."""
        kept = self._kept(caller, job)
        if kept.film is None:
            raise NotReady("No part of the film is finished yet. Ask again in a moment.")
        return _once(await asyncio.to_thread(_fragmented, kept.files["video"]))

    async def upload(self, caller: Caller, name: str, body: AsyncIterator[bytes]) -> Upload:
        """See Desk."""
        identity = f"file-{self.new_id()}"
        whole = await _whole(body)
        return self._put(caller, identity, Upload(id=identity, name=name, bytes=len(whole), created=self.now()), whole)

    async def keep(self, caller: Caller, key: str, body: AsyncIterator[bytes]) -> Upload:
        """See Desk."""
        whole = await _whole(body)
        there = self._uploads.get((caller.tenant, key))
        if there is not None and there[1] != whole:
            raise Conflict("Another file lies under this key already. Ask for a new upload policy.")
        name = key.rpartition("/")[2]
        return self._put(caller, key, Upload(id=key, name=name, bytes=len(whole), created=self.now()), whole)

    def _put(self, caller: Caller, name: str, upload: Upload, body: bytes) -> Upload:
        self._uploads[caller.tenant, name] = (upload, body)
        return upload

    async def models(self, caller: Caller) -> Sequence[str]:
        """See Desk."""
        return self._house(caller).models

    # within

    def _house(self, caller: Caller) -> House:
        return self.houses.get(caller.tenant, House())

    def _mine(self, caller: Caller) -> Sequence[_Kept]:
        return [each for each in self._jobs.values() if each.job.tenant == caller.tenant]

    def _kept(self, caller: Caller, job: JobId) -> _Kept:
        kept = self._jobs.get(job)
        if kept is None or kept.job.tenant != caller.tenant:
            raise _unknown()
        return kept

    def _standing(self, kept: _Kept) -> Standing:
        job = kept.job
        waiting = [each for each in self._jobs.values() if each.job.state is State.QUEUED]
        place = waiting.index(kept) if kept in waiting else None
        url = self.link(job) if job.state is State.SUCCEEDED else None
        eta = None if job.state in TERMINAL else 20 * (job.chunks - job.chunks_done) + 100
        return Standing(job=job, wish=kept.wish, place=place, eta_ms=eta, url=url)


def _place(kept: _Kept) -> tuple[int, str]:
    return kept.job.created, kept.job.id


def _unknown() -> UnknownJob:
    return UnknownJob("There is no such job. It may have been deleted, or its time is over.")


async def _whole(body: AsyncIterator[bytes]) -> bytes:
    whole = bytearray()
    async for chunk in body:
        whole += chunk
        if len(whole) > MOST_FILE:
            raise TooLarge(f"The file is larger than {MOST_FILE >> 20} MiB. Send a smaller one.")
    return bytes(whole)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _measured(wish: Wish, media: Sequence[bytes]) -> Wish:
    """The wish with the size and the length that its media decide. Raises BadMedia, BadField."""
    shape, length = wish.size, None
    for given, body in zip(wish.given, media, strict=True):
        try:
            if given.role is Role.SOURCE:
                film = read_film(body, fps=FPS, rate=RATE)
                shape, length = wish.size or following(film.size, wish.tier), film.seconds
            else:
                picture = read_image(body)
                if given.role is Role.FIRST_FRAME:
                    shape = wish.size or following(Size(picture.shape[1], picture.shape[0]), wish.tier)
        except Unreadable as error:
            raise BadMedia(given.field, str(error)) from None
    return replace(wish, size=shape, seconds=_seconds(wish, length))


def _seconds(wish: Wish, length: float | None) -> int | None:
    if length is None:
        return wish.seconds
    if wish.mode is Mode.EDIT:
        return max(1, round(length))
    seconds = round(length) + wish.more if wish.more is not None else wish.seconds
    if seconds is None or not length < seconds <= 15:
        raise BadField("seconds", f"The film lasts {length:.1f} s already. Ask for a length above that, up to 15 s.")
    return seconds


def _made(make: Make, wish: Wish, media: Sequence[bytes]) -> tuple[Film, dict[str, bytes]]:
    film = make(wish, media)
    return film, {"video": encode_film(film), **_pictures(film)}


def _pictures(film: Film) -> dict[str, bytes]:
    import io

    from PIL import Image

    first = Image.fromarray(film.frames[0])
    sheet = Image.new("RGB", (4 * 64, 64))
    for place in range(4):
        frame = film.frames[place * (len(film.frames) - 1) // 3]
        sheet.paste(Image.fromarray(frame).resize((64, 64)), (64 * place, 0))
    out = {}
    for name, picture, form in (("thumbnail", first, "webp"), ("spritesheet", sheet, "jpeg")):
        file = io.BytesIO()
        picture.save(file, form)
        out[name] = file.getvalue()
    return out


def _result(kept: _Kept, film: Film, body: bytes) -> str:
    told = {
        "key": f"{kept.job.id}/video",
        "sha256": sha256(body).hexdigest(),
        "bytes": len(body),
        "seconds": film.seconds,
        "width": film.size.width,
        "height": film.size.height,
        "fps": float(film.fps),
        "source_seconds": film.seconds if kept.wish.mode is Mode.EDIT else 0,
    }
    return json.dumps(told)


def _fragmented(body: bytes) -> bytes:
    """The same streams as fragmented MP4, without decoding them."""
    import io

    import av

    out = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(io.BytesIO(body), "r") as source, av.open(out, "w", format="mp4", options=options) as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return out.getvalue()
