"""The one writer of a log: many callers, one thread that commits, three barriers, and only then an acknowledgement.

    collect entries     up to `linger` seconds or `most` of them; each passed lint before it came here
    bundles and tiles   written, synced, named, folders synced          barrier A
    sign the new head
    .state/signed       the same way                                    barrier B: this size can have no second head
    checkpoint          the same way                                    barrier C: readers see it
    acknowledge

An error of the disk poisons the writer: every caller is told, a mark is left if the disk takes one, and the process
ends. It is never tried again, since after a failed fsync nobody knows what the disk holds.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final, TypeVar

from policies.canonical import Digest, sha256
from policies.errors import Broken, Refused, Unavailable
from policies.log.disk import Disk, put
from policies.log.frontier import Growth, grow
from policies.log.heads import CHECKPOINT, HALTED, SIGNED, Head, keep
from policies.log.lint import MOST_ENTRY
from policies.log.lint import lint as shipped_lint
from policies.log.note import Checkpoint, Note, Signature, Signer
from policies.log.recovery import Lost, Recovered, note_lost, recover
from policies.log.retention import prune

__all__ = ["Pace", "Receipt", "Writer", "object_path"]

HOUR: Final = 3600
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How entries gather into commits."""

    most: int = 1024
    """Entries in one commit, 1 to 1,024. A full batch does not wait."""

    linger: float = 0.05
    """Seconds, 0 to 0.05, that the first entry of a batch waits for others. With 0, what came during one commit makes
    the next."""

    waiting: int = 4096
    """Entries that may wait for a commit. Beyond it callers wait: back-pressure."""

    def __post_init__(self) -> None:
        if not (1 <= self.most <= 1024 and 0 <= self.linger <= 0.05 and self.waiting >= self.most):
            raise Refused("A pace is 1 to 1,024 entries, 0 to 0.05 seconds, and room for at least one batch.")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The promise that an entry is in the log: `head`, which is signed, covers `index`."""

    index: int
    leaf: bytes  # hash of the entry
    head: Head


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: bytes
    future: Future[Receipt]


def _end_process(error: BaseException) -> None:
    """The default end: at once, without handlers that might touch the disk again."""
    sys.stderr.write(f"equerry: the residency log stopped: {error}\n")
    sys.stderr.flush()
    os._exit(Broken.exit_code)


class Writer:
    """An open log. `append` from any thread; one thread of its own commits."""

    def __init__(
        self,
        disk: Disk,
        signers: Sequence[Signer],
        recovered: Recovered,
        *,
        now: Callable[[], int],
        pace: Pace | None = None,
        lint: Callable[[bytes], None] = shipped_lint,
        fatal: Callable[[BaseException], None] = _end_process,
    ) -> None:
        self._disk, self._signers, self._now = disk, tuple(signers), now
        self._pace, self._lint, self._fatal = pace or Pace(), lint, fatal
        self.lost: tuple[Lost, ...] = recovered.lost  # for the gap entries that the caller writes first
        self._frontier = recovered.frontier  # of the committing thread alone
        self._kept_hour = -1  # the same
        self._cosigned: tuple[Head, tuple[Signature, ...]] | None = None  # handed over under _turn
        self._turn = threading.Condition()  # guards the next four
        self._queue: deque[_Waiting] = deque()
        self._closing = False
        self._poison: BaseException | None = None
        self._witnessed = 0  # size of the newest head that a quorum cosigned
        self._objects = threading.Lock()  # one object at a time
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="log-barrier")
        self._head = self._begin(recovered.head)
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    @classmethod
    def open(
        cls,
        disk: Disk,
        signers: Sequence[Signer],
        *,
        now: Callable[[], int],
        pace: Pace | None = None,
        lint: Callable[[bytes], None] = shipped_lint,
        fatal: Callable[[BaseException], None] = _end_process,
        halted: bool = False,
    ) -> Writer:
        """Lock, recover and start. `signers` begins with the log's own, whose name is the origin.

        `now` gives milliseconds since 1970. Raises Refused when there is another writer, Doubt when the log's state
        cannot be relied on. See `recover` for `halted`.
        """
        disk.lock()
        try:
            recovered = recover(disk, signers[0], halted=halted)
            writer = cls(disk, signers, recovered, now=now, pace=pace, lint=lint, fatal=fatal)
            if halted:
                with suppress(FileNotFoundError):
                    disk.remove(HALTED)
        except OSError as error:
            _mark(disk)
            disk.unlock()
            raise Broken(f"The disk failed while the log was opened: {error}. Check it first.") from error
        except BaseException:
            disk.unlock()
            raise
        writer._thread.start()
        return writer

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._signers[0].vkey.name

    @property
    def head(self) -> Head:
        """The newest head that readers can see."""
        return self._head

    def append(self, entry: bytes, *, patience: float = 10.0) -> Future[Receipt]:
        """Hand in one entry; the future is done when the entry is durable under a signed head.

        Raises Malformed when lint refuses it, which costs no index; Unavailable when `patience` seconds of
        back-pressure pass; Broken when the log has stopped. It may be in the log all the same when the future fails.
        """
        self._lint(entry)
        if len(entry) > MOST_ENTRY:
            raise Refused(f"An entry of {len(entry):,} bytes is too long; {MOST_ENTRY:,} are allowed.")
        waiting = _Waiting(entry, Future())
        waiting.future.set_running_or_notify_cancel()  # what is handed in cannot be taken back
        with self._turn:
            free = self._turn.wait_for(lambda: len(self._queue) < self._pace.waiting or self._shut(), patience)
            self._refuse_if_shut()
            if not free:
                raise Unavailable(
                    f"The log did not take an entry within {patience:g} s. Try again, or look at its disk."
                )
            self._queue.append(waiting)
            if len(self._queue) in {1, self._pace.most}:
                self._turn.notify_all()
        return waiting.future

    async def commit(self, entry: bytes, *, patience: float = 10.0) -> Receipt:
        """`append` for coroutines: returns when the entry is in the log, and blocks no other coroutine."""
        future = await asyncio.to_thread(self.append, entry, patience=patience)
        return await asyncio.wrap_future(future)

    def store(self, data: bytes) -> Digest:
        """Store an object once, under its digest; durable on return, so that an entry may name it."""
        digest = sha256(data)
        path = object_path(digest)
        with self._objects:
            self._refuse_if_poisoned()
            if path.rpartition("/")[2] not in self._disk.names(path.rpartition("/")[0]):
                self._or_stop(lambda: put(self._disk, {path: data}))
        return digest

    def cosign(self, head: Head, signatures: Sequence[Signature], *, quorum: bool) -> None:
        """Publish what witnesses gave for a head: kept for good, and in `checkpoint` if it is still the newest.

        `quorum` says that with these the trust policy is satisfied; whoever waits for that is woken.
        """
        with self._turn:
            self._refuse_if_shut()
            self._cosigned = (Head(head.note.signed(signatures), head.checkpoint), tuple(signatures))
            if quorum:
                self._witnessed = max(self._witnessed, head.checkpoint.size)
            self._turn.notify_all()

    def wait_for_quorum(self, receipt: Receipt, patience: float) -> bool:
        """Whether within `patience` seconds a quorum of witnesses cosigned a head that covers the entry."""
        with self._turn:
            return self._turn.wait_for(lambda: self._witnessed > receipt.index, patience)

    def noted(self) -> None:
        """Say that gap entries for all of `lost` are durable."""
        self._or_stop(lambda: note_lost(self._disk))
        self.lost = ()

    def prune(self, index: int) -> list[str]:
        """Remove the entries below `index` whose time is over, as far as bundles end there; returns their paths."""
        with self._objects:
            self._refuse_if_poisoned()
            return self._or_stop(lambda: prune(self._disk, self._head.checkpoint.size, index))

    def close(self) -> None:
        """Commit what waits, keep the last head, and let go of the lock."""
        with self._turn:
            if self._closing:
                return
            self._closing = True
            self._turn.notify_all()
        self._thread.join()
        self._aside.shutdown()
        if self._poison is None:
            self._or_stop(lambda: keep(self._disk, self._head, self._now() // 1000))
            self._disk.unlock()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, head: Head | None) -> Head:
        """Publish the head that the disk has, or that of an empty log, written anew: a crash may have come between."""
        checkpoint = head.checkpoint if head else Checkpoint(self.origin, 0, self._frontier.edge.root())
        published = self._publish(checkpoint, head.note.signatures if head else ())
        keep(self._disk, published, self._now() // 1000)
        return published

    def _run(self) -> None:
        while True:
            batch, cosigned = self._collect()
            if not batch and cosigned is None:
                return
            try:
                if cosigned is not None:
                    self._publish_cosigned(*cosigned)
                if batch:
                    self._commit(batch)
            except BaseException as error:  # noqa: BLE001 - whatever it was, nobody knows what the disk holds now
                self._stop(error, batch)
                return

    def _collect(self) -> tuple[list[_Waiting], tuple[Head, tuple[Signature, ...]] | None]:
        """The next batch; nothing at all when the log closes."""
        with self._turn:
            self._turn.wait_for(lambda: self._queue or self._cosigned or self._closing or self._poison)
            if self._poison:
                return [], None
            deadline = monotonic() + self._pace.linger
            while self._queue and len(self._queue) < self._pace.most and not self._closing:
                if not self._turn.wait(max(0.0, deadline - monotonic())) and monotonic() >= deadline:
                    break
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._pace.most))]
            cosigned, self._cosigned = self._cosigned, None
            self._turn.notify_all()  # there is room again
            return batch, cosigned

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        start = self._frontier.size
        growth = grow(self._frontier, [waiting.entry for waiting in batch])
        put(self._disk, growth.files)  # barrier A
        self._head = head = self._publish(Checkpoint(self.origin, growth.frontier.size, growth.frontier.edge.root()))
        self._frontier = growth.frontier
        for index, (waiting, leaf) in enumerate(zip(batch, growth.leaves, strict=True), start):
            waiting.future.set_result(Receipt(index, leaf, head))
        self._tidy(growth)
        if self._now() // 1000 // HOUR != self._kept_hour:
            self._kept_hour = self._now() // 1000 // HOUR
            keep(self._disk, head, self._now() // 1000)

    def _publish(self, checkpoint: Checkpoint, known: Sequence[Signature] = ()) -> Head:
        """Sign a head and publish it: barriers B and C. The slower signatures are made while barrier B is reached."""
        seconds = self._now() // 1000
        head = Head.sign(checkpoint, self._signers[:1], seconds)
        barrier = self._aside.submit(put, self._disk, {SIGNED: bytes(head.note)})
        more = [signer.sign(head.note.text, seconds) for signer in self._signers[1:]]
        barrier.result()
        mine = {signer.vkey.id for signer in self._signers}
        note = Note(head.note.text, head.note.signatures).signed(more)
        note = note.signed(signature for signature in known if signature.id not in mine)
        put(self._disk, {CHECKPOINT: bytes(note)})
        return Head(note, checkpoint)

    def _publish_cosigned(self, head: Head, signatures: Sequence[Signature]) -> None:
        if head.checkpoint == self._head.checkpoint:
            head = self._head = Head(self._head.note.signed(signatures), head.checkpoint)
            put(self._disk, {CHECKPOINT: bytes(head.note)})
        keep(self._disk, head, self._now() // 1000)

    def _tidy(self, growth: Growth) -> None:
        """Remove the partial files of what is full now. Should a crash bring some back, they are still true."""
        for tile in growth.filled:
            folder = f"{tile.path}.p"
            for name in self._disk.names(folder):
                self._disk.remove(f"{folder}/{name}")
            with suppress(FileNotFoundError):
                self._disk.remove(folder)

    def _or_stop(self, act: Callable[[], Result]) -> Result:
        """What `act` gives; an error of the disk stops the log, as it would in a commit."""
        try:
            return act()
        except OSError as error:
            self._stop(error, [])
            raise self._stopped(error) from error

    def _stop(self, error: BaseException, batch: Sequence[_Waiting]) -> None:
        with self._turn:
            self._poison = self._poison or error
            left = [*batch, *self._queue]
            self._queue.clear()
            self._turn.notify_all()
        for waiting in left:
            if not waiting.future.done():
                waiting.future.set_exception(self._stopped(error))
        _mark(self._disk)
        self._fatal(error)

    @staticmethod
    def _stopped(error: BaseException) -> Broken:
        return Broken(f"The log stopped: {error}. It may hold this entry or not; recovery will say.")

    def _shut(self) -> bool:
        return self._closing or self._poison is not None

    def _refuse_if_shut(self) -> None:
        self._refuse_if_poisoned()
        if self._closing:
            raise Unavailable("The log is closed. Open it again, or write to the shard that follows.")

    def _refuse_if_poisoned(self) -> None:
        if self._poison is not None:
            raise self._stopped(self._poison)


def _mark(disk: Disk) -> None:
    """Leave word that the disk failed, so that the next start waits for a person."""
    with suppress(OSError):  # on a failing disk this may fail too
        put(disk, {HALTED: b"the disk failed\n"})


def object_path(digest: Digest) -> str:
    """Where the object of a digest lies in the log's folder."""
    return f"objects/sha256/{digest[:2]}/{digest[2:]}"
