"""One film inside an engine's loop: where it stands, and who hears of its chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from model.engine import Chunk
from model.engines.walk import Cut, Walk
from model.errors import EquerryError

_End = EquerryError | None  # how a film ended: well, or with an error


class Reel:
    """The loop's thread writes, one coroutine reads."""

    def __init__(self, job: str, walk: Walk, listener: asyncio.AbstractEventLoop) -> None:
        self.job, self.walk = job, walk
        self.suspect = False  # was at work when the engine failed, and has not decoded a chunk since
        self._listener = listener
        self._heard: asyncio.Queue[Chunk | _End] = asyncio.Queue()
        self._cut: Cut | None = None
        self._tokens: list[int] = []
        self._left = 0  # slots of the window that are still to come
        self._turns = 0

    @property
    def name(self) -> str:
        """Of the window that is open; no two windows share one, also not two tries at the same."""
        return f"{self.job}-{self._turns}"

    def turn(self) -> Cut | None:
        """The next window, or None when the film is whole."""
        self._cut = self.walk.next()
        if self._cut is not None:
            self._turns += 1
            self._left = self._cut.slots
        return self._cut

    def give(self, tokens: list[int]) -> bool:
        """Takes drawn tokens, hands out every chunk that they complete, and says whether the window is done."""
        assert self._cut is not None, "tokens come for an open window only"
        self._tokens += tokens
        self._left -= len(tokens)
        size = self._cut.spec.chunk_slots
        while len(self._tokens) >= size:
            self._say(self.walk.take(self._cut, self._tokens[:size]))
            del self._tokens[:size]
            self.suspect = False
        return self._left == 0

    def rewind(self) -> None:
        """Back to the last whole chunk, after a fault."""
        self._cut, self.suspect = None, True
        self._tokens.clear()

    def end(self) -> None:
        """The film is whole."""
        self._say(None)

    def fail(self, error: EquerryError) -> None:
        """There will be no more chunks."""
        self._say(error)

    async def chunks(self) -> AsyncIterator[Chunk]:
        """What the film's listener hears, until the end."""
        while True:
            heard = await self._heard.get()
            if heard is None:
                return
            if isinstance(heard, EquerryError):
                raise heard
            yield heard

    def _say(self, what: Chunk | _End) -> None:
        with suppress(RuntimeError):  # the listener's loop has ended, and nobody hears
            self._listener.call_soon_threadsafe(self._heard.put_nowait, what)
