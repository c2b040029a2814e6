"""A pen numbers what it writes without holes, and holds up no coroutine."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import threading

from policies.log.entry import Pad
from policies.log.keys import signer_of
from policies.log.memory import Fault, Memory
from policies.log.note import Checkpoint, Kind, Note
from policies.log.pen import Pen
from policies.log.tiles import decode_bundle
from policies.log.writer import Pace, Writer

ORIGIN = "op.example/equerry/eu-par/residency/2026h2"
SIGNERS = (signer_of(Kind.ED25519, ORIGIN, b"1" * 32), signer_of(Kind.ML_DSA_44, f"{ORIGIN}/pq", b"2" * 32))
NOW = 1_790_000_000_000


def opened(disk: Memory, **pace: int) -> Writer:
    return Writer.open(disk, SIGNERS, now=lambda: NOW, pace=Pace(linger=0, **pace))


def pen_of(log: Writer) -> Pen:
    return Pen(log, now=lambda: NOW, rng=os.urandom)


def numbers(disk: Memory) -> list[int]:
    """Of the entries, in the log's order."""
    size = Checkpoint.parse(Note.parse(disk.read("checkpoint")).text).size
    return [json.loads(entry)["n"] for entry in decode_bundle(disk.read(f"tile/entries/000.p/{size}"))]


def test_a_coroutines_entry_goes_into_the_log_without_a_thread():
    disk, drawn_by = Memory(), set[int]()

    def chance(count: int) -> bytes:
        drawn_by.add(threading.get_ident())
        return os.urandom(count)

    with opened(disk) as log:
        asyncio.run(Pen(log, now=lambda: NOW, rng=chance).commit(Pad()))

    assert (drawn_by, numbers(disk)) == ({threading.get_ident()}, [0])


def test_coroutines_and_threads_that_write_at_once_leave_no_hole_and_no_number_twice():
    disk = Memory()

    async def story(pen: Pen) -> None:
        ours = [pen.commit(Pad()) for _ in range(40)]
        theirs = [asyncio.to_thread(lambda: pen.write(Pad()).result(30)) for _ in range(40)]
        await asyncio.gather(*itertools.chain(*zip(ours, theirs, strict=True)))

    with opened(disk) as log:
        asyncio.run(story(pen_of(log)))

    assert numbers(disk) == list(range(80))


def test_while_another_thread_writes_a_coroutine_waits_aside_and_the_loop_goes_on():
    disk, turns = Memory(), itertools.count()

    async def story(pen: Pen) -> None:
        with pen._turn:  # somebody writes
            written = asyncio.create_task(pen.commit(Pad()))
            for _ in range(5):
                await asyncio.sleep(0.01)
                next(turns)
            assert not written.done()
        await written

    with opened(disk) as log:
        asyncio.run(story(pen_of(log)))

    assert (next(turns), numbers(disk)) == (5, [0])


def test_a_full_log_makes_a_coroutine_wait_and_uses_up_no_number():
    disk, calm = Memory(), threading.Event()

    async def story(pen: Pen) -> None:
        written = [pen._at_once(Pad())]  # taken out of the queue by a commit that the disk holds up
        while pen.log._queue:
            await asyncio.sleep(0.001)
        written.append(pen._at_once(Pad()))  # fills the queue
        assert pen._at_once(Pad()) is None
        last = asyncio.create_task(pen.commit(Pad()))
        await asyncio.sleep(0.01)
        assert not last.done()
        calm.set()
        await asyncio.gather(last, *(asyncio.wrap_future(each) for each in written if each is not None))

    with opened(disk, most=1, waiting=1) as log:
        disk.plan = lambda *_: None if calm.wait(30) else Fault.LOST
        asyncio.run(story(pen_of(log)))

    assert numbers(disk) == [0, 1, 2]
