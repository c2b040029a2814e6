"""The residency log hears of every end, also of those that no studio was there to tell."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from policies.errors import Unavailable
from policies.log.entry import Entry, Execution
from serving.ends import tell_ends
from serving.gate import Place
from serving.jobs.memory import MemoryStore
from tests.unit.serving.studios import ACME, submit

PLACE = Place(cell="eu", region="own/par", evidence="declared", egress="0" * 64, accelerator="cpu")


class Pen:
    """Takes so many entries, and then none."""

    def __init__(self, most: int = 1_000_000) -> None:
        self.most, self.written = most, list[Entry]()

    async def commit(self, entry: Entry) -> Any:
        if len(self.written) >= self.most:
            raise Unavailable("The residency log cannot be reached.")
        self.written.append(entry)


def requests(pen: Pen) -> list[str]:
    return [each.req for each in pen.written if isinstance(each, Execution)]


def test_a_job_that_is_cancelled_while_it_waits_has_an_end_in_the_log_without_output():
    store, pen = MemoryStore(lambda: 0), Pen()
    job, _ = submit(store, 2)
    store.cancel(ACME, job)

    assert [asyncio.run(tell_ends(store, pen, PLACE)) for _ in range(2)] == [1, 0]
    assert pen.written == [
        Execution(
            ten=ACME,
            req=f"r-{job}",
            region="own/par",
            evid="declared",
            dec2="allow",
            ms=0,
            gpu="cpu",
            in_bytes=0,
            out_bytes=0,
            egress="0" * 64,
        )
    ]


def test_ends_that_the_log_did_not_take_are_told_again():
    store, pen = MemoryStore(lambda: 0), Pen(3)
    jobs = submit(store, 5)
    for job in jobs:
        store.cancel(ACME, job)

    with pytest.raises(Unavailable):
        asyncio.run(tell_ends(store, pen, PLACE))
    pen.most = 1_000_000
    asyncio.run(tell_ends(store, pen, PLACE))

    assert set(requests(pen)) == {f"r-{job}" for job in jobs}
    assert store.unlogged(10) == ()
