"""The stepper over the reference generator: each open window has a cache of its own, and a step draws one wave of each.

Simple and exact: films at different phases do not share a forward pass, so many at once take as long as one by one.
"""

from __future__ import annotations

from collections.abc import Iterator

from model.checkpoint import Model
from model.engines.stepper import Drawn
from model.engines.walk import Cut
from model.generate import Generator, Pace, Step


class TorchStepper:
    """Draws with plain torch."""

    def __init__(self, model: Model, *, room: int = 8, pace: Pace = Pace.WAVES) -> None:
        self.room = room
        self.generator = Generator(model, pace=pace)
        self._open: dict[str, Iterator[Step]] = {}

    def open(self, name: str, cut: Cut) -> None:
        """Begins a window; its prompt is read in the first step."""
        self._open[name] = self.generator.decoding(
            [cut.prompt], cut.spec.chunks, [cut.given], [cut.seed], cut.start, cut.sampling
        )

    def step(self) -> list[Drawn]:
        """One wave of each open window."""
        return [self._step(name, window) for name, window in list(self._open.items())]

    def _step(self, name: str, window: Iterator[Step]) -> Drawn:
        step = next(window)
        if step.slots.stop == step.table.slots:
            del self._open[name]
        return Drawn(name=name, tokens=step.tokens[0, step.slots].tolist())

    def drop(self, name: str) -> None:
        """Forgets a window and its cache."""
        self._open.pop(name, None)

    def check(self) -> None:
        """Plain torch is always there."""

    def cache_use(self) -> float | None:
        """There is no paged cache."""
        return None

    def close(self) -> None:
        """Forgets all windows."""
        self._open.clear()
