"""Threads of a studio for one kind of call, so that what is short never waits behind what is long.

asyncio has one pool for all that a process does, with four threads more than there are cores. A few films that are
rendered and marked at once hold all of those for as long as that takes; renewals of leases that had to wait behind them
would come too late, and jobs in good hands would be given away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TypeVar

__all__ = ["Crew"]

Result = TypeVar("Result")


class Crew:
    """Runs blocking calls, so many at once; the others wait. Its threads begin when they are needed."""

    def __init__(self, name: str, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)

    async def __call__(self, call: Callable[..., Result], *given: object, **named: object) -> Result:
        """As `asyncio.to_thread`, here."""
        work = partial(copy_context().run, call, *given, **named)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Begin nothing more. What runs comes to its end by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
