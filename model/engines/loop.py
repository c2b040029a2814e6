"""The loop of an engine: takes tasks from any thread, drives one stepper in its own, and hands out chunks.

A fault inside the stepper must not cost more than the film that caused it, and nobody can tell from the outside which
film that was. So after a fault the stepper is made anew, and the films it was working on are taken up one at a time,
each from its last chunk: the one that fails alone is the one to blame, and the others have lost nothing but time. One
that was alone in the first place gets its second try too, since the fault may have been the machine's.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Final

from model.clip import Mode
from model.config import ModelConfig
from model.draws import Sampling
from model.engine import Chunk, Stats, Task
from model.engines.reel import Reel
from model.engines.stepper import Stepper
from model.engines.walk import Walk
from model.errors import BadRequest, Broken, EquerryError, Refused, Stopped, Unavailable
from model.generate import SAMPLING

CANCELLED: Final = "The film was cancelled."
IDLE: Final = 1.0  # seconds between looks at a stepper that has nothing to do
CLOSED: Final = "The engine is closed. Take the film up again on another one; nothing that was handed out is lost."

_LOG: Final = logging.getLogger(__name__)


class EngineLoop:
    """An `Engine` over a stepper."""

    def __init__(
        self,
        make: Callable[[], Stepper],
        config: ModelConfig,
        *,
        sampling: Mapping[Mode, Sampling] = SAMPLING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`make` runs in the loop's own thread, now and after each fault; `clock` counts seconds."""
        self._make, self._config, self._sampling, self._clock = make, config, sampling, clock
        self._news = threading.Condition()  # guards the next six, which any thread may touch
        self._waiting: deque[Reel] = deque()
        self._open: dict[str, Reel] = {}
        self._gone: set[str] = set()  # jobs to drop before the next step
        self._ready = False
        self._closing = False
        self._down: Unavailable | None = None
        self._stepper: Stepper | None = None  # the thread's own, as are the counts
        self._slots = self._steps = self._restarts = 0
        self._busy = 0.0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    async def submit(self, task: Task) -> AsyncGenerator[Chunk, None]:
        """See `Engine`."""
        reel = Reel(task.job, Walk(task, self._config, self._sampling), asyncio.get_running_loop())
        self._enter(reel)
        try:
            async for chunk in reel.chunks():
                yield chunk
        finally:
            self._leave(reel)

    async def cancel(self, job: str) -> None:
        """See `Engine`."""
        with self._news:
            reel = self._open.get(job) or next((r for r in self._waiting if r.job == job), None)
        if reel is not None:
            reel.fail(Stopped(CANCELLED))
            self._leave(reel)

    async def check(self) -> None:
        """See `Engine`."""
        await asyncio.to_thread(self._await_ready)

    def stats(self) -> Stats:
        """See `Engine`."""
        stepper = self._stepper
        with self._news:
            return Stats(
                running=len(self._open),
                waiting=len(self._waiting),
                slots=self._slots,
                steps=self._steps,
                busy=self._busy,
                cache_use=None if stepper is None else stepper.cache_use(),
                restarts=self._restarts,
            )

    async def close(self) -> None:
        """See `Engine`."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        await asyncio.to_thread(self._thread.join)

    # Any thread.

    def _enter(self, reel: Reel) -> None:
        with self._news:
            if self._down is not None or self._closing:
                raise self._down or Unavailable(CLOSED)
            if reel.job in self._open or any(r.job == reel.job for r in self._waiting):
                raise BadRequest(f"The engine already works on {reel.job!r}. Give each task a name of its own.")
            self._waiting.append(reel)
            self._news.notify_all()

    def _leave(self, reel: Reel) -> None:
        with self._news:
            if reel in self._waiting:
                self._waiting.remove(reel)
            elif self._open.get(reel.job) is reel:
                self._gone.add(reel.job)
            self._news.notify_all()

    def _await_ready(self) -> None:
        with self._news:
            self._news.wait_for(lambda: self._ready or self._down is not None or self._closing)
            if self._down is not None or self._closing:
                raise self._down or Unavailable(CLOSED)

    # The engine's own thread.

    def _run(self) -> None:
        try:
            self._begin()
            while self._await_work():
                self._turn()
            self._end(Unavailable(CLOSED))
        except Unavailable as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001  whatever it was, it is the engine's fault and no film's
            why = str(error).rstrip(".") if isinstance(error, EquerryError) else type(error).__name__
            self._end(Unavailable(f"The engine cannot go on ({why}). Start another one."))

    def _begin(self) -> None:
        self._stepper = self._make()
        with self._news:
            self._ready = True
            self._news.notify_all()

    def _await_work(self) -> bool:
        with self._news:
            self._news.wait_for(lambda: self._closing or self._waiting or self._open, timeout=IDLE)
            return not self._closing

    def _turn(self) -> None:
        try:
            self._sweep()
            self._admit()
            if self._open:
                self._step()
            else:
                self._inside.check()
        except Exception as error:  # noqa: BLE001  steppers are others' code, and may raise anything
            self._recover(error)

    def _sweep(self) -> None:
        with self._news:
            gone = [self._open.pop(job) for job in self._gone if job in self._open]
            self._gone.clear()
        for reel in gone:
            self._inside.drop(reel.name)

    def _admit(self) -> None:
        while (reel := self._next()) is not None:
            self._open_window(reel)

    def _open_window(self, reel: Reel) -> None:
        cut = reel.turn()
        if cut is None:
            self._close(reel, None)
            return
        try:
            self._inside.open(reel.name, cut)
        except Refused as error:
            self._close(reel, error)

    def _next(self) -> Reel | None:
        """The next film to open. A suspect works alone, and before all others."""
        with self._news:
            if not self._waiting or len(self._open) >= self._inside.room or any(r.suspect for r in self._open.values()):
                return None
            reel = next((r for r in self._waiting if r.suspect), self._waiting[0])
            if reel.suspect and self._open:
                return None
            self._waiting.remove(reel)
            self._open[reel.job] = reel
            return reel

    def _step(self) -> None:
        began = self._clock()
        drawn = self._inside.step()
        self._busy += self._clock() - began
        self._steps += 1
        reels = {reel.name: reel for reel in self._open.values()}
        for part in drawn:
            self._slots += len(part.tokens)
            if (reel := reels.get(part.name)) is not None and reel.give(part.tokens):
                self._open_window(reel)

    def _close(self, reel: Reel, error: EquerryError | None) -> None:
        with self._news:
            self._open.pop(reel.job, None)
        reel.end() if error is None else reel.fail(error)

    def _recover(self, error: Exception) -> None:
        """After a fault. A suspect was alone, so it is to blame; the others become suspects."""
        _LOG.error("The engine failed and is made anew: %s", _where(error))
        with self._news:
            reels = [reel for reel in self._open.values() if reel.job not in self._gone]  # nobody hears the others
            self._open.clear()
            self._gone.clear()
            self._waiting.extendleft(reel for reel in reversed(reels) if not reel.suspect)
        for reel in reels:
            if reel.suspect:
                reel.fail(
                    Broken(f"The engine failed twice on this film ({type(error).__name__}). Ask for another one.")
                )
            reel.rewind()
        self._restarts += 1
        self._let_go()
        self._stepper = self._make()

    @property
    def _inside(self) -> Stepper:
        assert self._stepper is not None, "the loop runs only after the stepper has been made"
        return self._stepper

    def _end(self, error: Unavailable) -> None:
        with self._news:
            self._down = error
            reels = [*self._open.values(), *self._waiting]
            self._open.clear()
            self._waiting.clear()
            self._news.notify_all()
        for reel in reels:
            reel.fail(error)
        self._let_go()

    def _let_go(self) -> None:
        """Of a stepper that nobody needs any more, whatever it has to say."""
        if self._stepper is None:
            return
        try:
            self._stepper.close()
        except Exception as error:  # noqa: BLE001  one that has failed may fail at its end too
            _LOG.warning("A stepper could not be closed: %s", _where(error))


def _where(error: Exception) -> str:
    """Kind and place of a fault. Its text is left out, since it may hold what the film is about."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join([type(error).__name__, *(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))])
