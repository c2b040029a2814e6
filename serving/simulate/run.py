"""All jurisdictions of a scenario, each in a process of its own, since nothing passes between them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from queue import Empty
from typing import Any

from serving.simulate.scenario import Scenario
from serving.simulate.tally import Tally
from serving.simulate.world import simulated

__all__ = ["run"]

LOOK: float = 0.5  # seconds between two looks at how far the processes are


def run(whole: Scenario, lasts_ms: int, told: Callable[[int], None], processes: int) -> Tally:
    """Simulates every jurisdiction and adds up; `told` hears how many more requests have come."""
    parts = [whole.of(each) for each in sorted({cell.jurisdiction for cell in whole.cells})]
    parts = sorted((part for part in parts if part.requests and part.tenants), key=lambda part: -part.requests)
    tally = Tally()
    if processes <= 1:
        for part in parts:
            tally.add(simulated(part, lasts_ms, told))
        return tally
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, mp_context=context) as pool:
        heard: Any = manager.Queue()
        futures = [pool.submit(simulated, part, lasts_ms, heard.put) for part in parts]
        _listen(heard, futures, told)
        for future in futures:
            tally.add(future.result())
    return tally


def _listen(heard: Any, futures: list[Future[Tally]], told: Callable[[int], None]) -> None:
    while not all(future.done() for future in futures):
        try:
            told(heard.get(timeout=LOOK))
        except Empty:
            continue
