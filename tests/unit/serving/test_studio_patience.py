"""A studio outlives its store: it waits while the store is away, and works on when it is there again."""

from __future__ import annotations

import asyncio
from typing import Any

from serving.errors import Unavailable
from serving.studio.studio import Habits, Studio


class Store:
    """Away for two claims; then it has nothing to do, and says so."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.claims, self.here = loop, 0, asyncio.Event()

    def claim(self, owner: str, most: int) -> tuple[Any, ...]:
        self.claims += 1
        if self.claims <= 2:
            raise Unavailable("The job store does not answer.")
        self.loop.call_soon_threadsafe(self.here.set)
        return ()

    def wait_for_work(self, timeout_s: float) -> bool:
        return False

    def wait_for_cancel(self, owner: str, timeout_s: float) -> tuple[Any, ...]:
        return ()


def test_a_studio_waits_for_a_store_that_is_away():
    async def story() -> int:
        store: Any = Store(asyncio.get_running_loop())
        unused: Any = None
        studio = Studio(
            "studio",
            store=store,
            objects=unused,
            engine=unused,
            maker=unused,
            marker=unused,
            judge=unused,
            pen=unused,
            place=unused,
            now=lambda: 0,
            habits=Habits(look_s=0.01),
        )
        working = asyncio.create_task(studio.run())
        await asyncio.wait([asyncio.create_task(store.here.wait()), working], timeout=60, return_when="FIRST_COMPLETED")
        assert not working.done(), working.exception()
        await studio.drain()
        await working
        return int(store.claims)

    assert asyncio.run(story()) >= 3
