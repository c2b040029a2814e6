"""A generator whose codes come from an engine, for whoever makes one film after another and waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from model.checkpoint import Model
from model.engine import Engine, Task
from model.errors import BadRequest
from model.generate import Codes, Generator, OnChunk, Order, Pace, joined
from model.report import Timed

__all__ = ["Driven"]


class _OnEngine(Generator):
    """`films` goes to an engine that is made for it; everything else is the reference generator's."""

    make: Callable[[], Engine]

    def films(self, orders: Sequence[Order], on_chunk: OnChunk | None = None) -> list[Codes]:
        """See Generator. The films may have different shapes."""
        return asyncio.run(self._films(orders, on_chunk))

    async def _films(self, orders: Sequence[Order], on_chunk: OnChunk | None) -> list[Codes]:
        engine = self.make()
        try:
            first, *others = orders
            made = await asyncio.gather(
                self._film(engine, 0, first, on_chunk),
                *(self._film(engine, number, order, None) for number, order in enumerate(others, 1)),
            )
            self.steps += engine.stats().steps
            return made
        finally:
            await engine.close()

    async def _film(self, engine: Engine, number: int, order: Order, on_chunk: OnChunk | None) -> Codes:
        codes = order.known
        async for chunk in engine.submit(Task(job=str(number), order=order)):
            codes = chunk.codes if codes is None else joined(codes, chunk.codes)
            if on_chunk is not None:
                on_chunk(chunk.number, chunk.codes)
        if codes is None:
            raise BadRequest("A film without chunks was asked for.")
        return codes


class Driven(Timed, _OnEngine):
    """As `Timed`, which tells decoding from rendering."""

    def __init__(self, model: Model, make: Callable[[], Engine], pace: Pace = Pace.WAVES) -> None:
        """`make` makes an engine over the same weights, which begins to start at once."""
        super().__init__(model, pace=pace)
        self.make = make
