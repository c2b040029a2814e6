"""Where films are developed while they are decoded: a thread of its own, behind a short line.

Decoding never waits for rendering, scaling and compression unless the line is full; then it does, so a film takes no
more room the longer it is. What is developed never depends on when.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue
from time import perf_counter
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

__all__ = ["Darkroom"]

MOST: Final = 4  # pieces in the line
LOOK: Final = 0.2  # seconds after which one who waits for a place looks whether the work has failed

Piece = TypeVar("Piece")


class Darkroom(Generic[Piece]):
    """Does one thing to piece after piece, in the order in which they were put. One thread puts.

    Leave it by `with`: then everything is done. When the work raises, nothing more is done, and whoever puts or leaves
    hears of it. When the body raises, what still stands in the line is not done.
    """

    def __init__(self, work: Callable[[Piece], object], most: int = MOST) -> None:
        self._work = work
        self._line: Queue[Piece | None] = Queue(most)
        self._fault: BaseException | None = None
        self._left = threading.Event()  # nobody wants what is still in the line
        self.busy = 0.0  # seconds at work; to be read when all is done
        self._thread = threading.Thread(target=self._run, name="darkroom", daemon=True)

    def put(self, piece: Piece) -> None:
        """Gives a piece to the work; waits while the line is full. Raises what the work has raised."""
        self._enter(piece)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._left.set()
            self._drain()
        else:
            self._enter(None)
        self._thread.join()
        if error is None and self._fault is not None:
            raise self._fault

    def _enter(self, piece: Piece | None) -> None:
        while self._fault is None:
            try:
                self._line.put(piece, timeout=LOOK)
            except Full:
                continue
            return
        if piece is not None:
            raise self._fault

    def _drain(self) -> None:
        """Makes room for the end, whatever stands before it."""
        with suppress(Empty):
            while True:
                self._line.get_nowait()
        self._line.put(None)

    def _run(self) -> None:
        while (piece := self._line.get()) is not None and not self._left.is_set():
            began = perf_counter()
            try:
                self._work(piece)
            except BaseException as fault:  # noqa: BLE001 - it is raised again where the piece came from
                self._fault = fault
                return
            finally:
                self.busy += perf_counter() - began
