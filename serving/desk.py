"""What the dialects and the cell agree on: a desk takes wishes and hands out films.

Every call is for one caller, and sees that caller's tenant alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from policies.constraints import Constraints
from serving.jobs.job import Job, JobId
from serving.wish import Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, as the gate has found out."""

    tenant: str
    key: str  # id of the key, never the key
    data_class: str
    decision: str  # id of the logged decision that lets this request make a film, and of the film's job; else empty
    subject: str = ""  # jurisdiction of the people whom the content concerns
    demands: Constraints | None = None  # the tenant's, narrowed by the key
    sla: str = ""  # class of service


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A job as a client may see it."""

    job: Job
    wish: Wish  # without media bodies
    place: int | None  # in the queue, 0 is next; None when it does not wait
    eta_ms: int | None  # until the film is there; None when unknown or finished
    url: str | None  # signed, in this cell, when the film is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of a tenant's jobs, newest first unless asked otherwise."""

    jobs: tuple[Standing, ...]
    more: bool
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A film or a picture of it, to be streamed."""

    key: str
    bytes: int
    sha256: str
    mime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that a tenant has left in the cell for later use."""

    id: str
    name: str
    bytes: int
    created: int  # milliseconds since 1970


class Desk(Protocol):
    """Raises the errors of `serving.errors`; a foreign id is `UnknownJob`, exactly like one that never was."""

    async def submit(self, caller: Caller, wish: Wish) -> Standing:
        """Return only once the job is durable.

        The standing's wish has `size` and `seconds` where the given media decide them. The same idempotency key gives
        the first job again, or Conflict when `fingerprint` differs; so does a retry of a recent wish without a key.
        A given job of another tenant is UnknownJob; one that is not finished is NotPossible.
        """

    async def get(self, caller: Caller, job: JobId) -> Standing: ...

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
    ) -> Page: ...

    async def cancel(self, caller: Caller, job: JobId, *, only_queued: bool = False) -> Standing:
        """Ask for the end of a job; `only_queued` refuses with NotPossible once it runs."""

    async def delete(self, caller: Caller, job: JobId) -> None:
        """Cancel if need be, delete the film, keep the record."""

    async def watch(self, caller: Caller, job: JobId) -> AsyncIterator[Standing]:
        """The standing now and after each change, until the job is terminal."""

    async def content(self, caller: Caller, job: JobId, variant: str = "video") -> Content:
        """Of `video`, `thumbnail` or `spritesheet`. Raises NotReady or Expired."""

    def read(self, content: Content, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes start..end-1."""

    async def preview(self, caller: Caller, job: JobId) -> AsyncIterator[bytes]:
        """Fragmented MP4 of the finished chunks, then of each further one until the job is terminal.

        Raises UnknownJob, and NotReady as long as no chunk is finished.
        """

    async def upload(self, caller: Caller, name: str, body: AsyncIterator[bytes]) -> Upload:
        """Keep a file for later; raises TooLarge."""

    async def keep(self, caller: Caller, key: str, body: AsyncIterator[bytes]) -> Upload:
        """Keep a file as `oss://KEY`, a key that this cell has granted to the caller; raises TooLarge.

        The same content under the same key is kept once; other content is Conflict.
        """

    async def models(self, caller: Caller) -> Sequence[str]:
        """Names that a caller may ask for."""
