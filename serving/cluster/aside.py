"""An event loop in a thread of its own, for work that goes on while its owner answers to somebody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from typing import Any, Final, TypeVar

from serving.errors import CellError, Unavailable

__all__ = ["Aside", "Work"]

Result = TypeVar("Result")
Work = Callable[[asyncio.Event, Callable[[], None]], Awaitable[None]]
ENDED: Final = "This part of the cell has ended. It is started again."


class Aside:
    """Runs `work(stop, ready)` until it returns. `work` calls `ready()` once, and returns soon after `stop` is set."""

    def __init__(self, name: str, work: Work) -> None:
        self._work = work
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def await_ready(self) -> None:
        """Until the work has begun. Raises what kept it from that."""
        while not self._ready.wait(0.2):
            self.check()

    def check(self) -> None:
        """Raises when the work has ended, whatever the reason."""
        if self._error is not None:
            raise self._error
        if not self._thread.is_alive():
            raise Unavailable(ENDED)

    def ask(self, what: Callable[[], Coroutine[Any, Any, Result]], patience: float) -> Result:
        """Runs something short in the work's own loop. Raises Unavailable when that takes too long."""
        self.check()
        if self._loop is None:
            raise Unavailable(ENDED)
        answer = asyncio.run_coroutine_threadsafe(what(), self._loop)
        try:
            return answer.result(patience)
        except TooLate:
            answer.cancel()
            raise Unavailable(f"This part of the cell has said nothing for {patience:g} s.") from None

    def stop(self, patience: float) -> bool:
        """Asks the work to end, and says whether it did so in time."""
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            with suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(stop.set)
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:  # noqa: BLE001  whatever ends the work, its owner must hear of it
            self._error = error if isinstance(error, CellError) else _told(error)

    async def _main(self) -> None:
        self._stop, self._loop = asyncio.Event(), asyncio.get_running_loop()
        await self._work(self._stop, self._ready.set)


def _told(error: Exception) -> Exception:
    """An error of others as one of ours, unless it has words for people: its text may hold what a film is about."""
    if hasattr(error, "exit_code"):  # of the model's or the policies' tree
        return error
    return Unavailable(f"This part of the cell has failed ({type(error).__name__}). It is started again.")
