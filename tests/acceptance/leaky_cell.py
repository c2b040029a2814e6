"""A cell in which everything goes wrong, with parts that tell too much: `python -m tests.acceptance.leaky_cell FOLDER`.

Faults are chosen by a word in the prompt. Each raises an error whose text is the prompt itself, as careless code does.
Beside them, careless code tells prompts to spans, counters and logs all the time. None of that may leave.

With `--plant`, the guards themselves are broken, each in one place, so that a test of leaks can show that it finds
them: a second allow-list for spans, a label for metrics, a line on standard error, a traceback, a file left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.engine import Chunk, Task
from policies.errors import PolicyError
from serving.errors import CellError, Unavailable
from serving.local import LocalCell
from serving.order import Order
from serving.parts import build
from serving.settings_file import load
from serving.telemetry import say_little

log = logging.getLogger("serving.careless")
CRASH = "quoll-at-the-crash"


class Spoiled:
    """A part whose calls `before` sees first, and may refuse."""

    def __init__(self, part: object, before: Callable[[str, tuple[Any, ...]], None]) -> None:
        self._part, self._before = part, before

    def __getattr__(self, call: str) -> Any:
        inner = getattr(self._part, call)
        if not callable(inner):
            return inner
        if asyncio.iscoroutinefunction(inner):

            async def waiting(*given: Any, **named: Any) -> Any:
                self._before(call, given)
                return await inner(*given, **named)

            return waiting

        def calling(*given: Any, **named: Any) -> Any:
            self._before(call, given)
            return inner(*given, **named)

        return calling


class Faults:
    """Which part fails for which job. A fault that is named `-once` happens once."""

    def __init__(self, cell: LocalCell) -> None:
        self._store = cell.parts.store
        self._done: set[tuple[str, str]] = set()
        self.prompts: list[str] = []

    def of(self, job: str) -> str:
        prompt = Order.read(self._store.look(job).order).wish.prompt  # type: ignore[arg-type]  # an id as text
        self.prompts.append(prompt)
        return prompt

    def strike(self, job: str, name: str, kind: type[Exception]) -> None:
        prompt = self.of(job)
        once = f"{name}-once" in prompt
        if f"fail:{name}" in prompt and not (once and (job, name) in self._done):
            self._done.add((job, name))
            raise kind(f"It went wrong with {prompt!r}.")


def spoil(cell: LocalCell) -> Faults:
    faults, studio = Faults(cell), cell.studio
    whose: dict[int, str] = {}

    def store(call: str, given: tuple[Any, ...]) -> None:
        if call in ("complete", "plan", "checkpoint"):
            faults.strike(given[0], f"store.{call}", Unavailable if call == "plan" else RuntimeError)

    def objects(call: str, given: tuple[Any, ...]) -> None:
        if call == "put":
            faults.strike(str(given[0]).split("/")[1], "objects", OSError)

    def pen(call: str, given: tuple[Any, ...]) -> None:
        if call == "commit" and given[0].KIND == "output.marked":
            faults.strike(given[0].req.removeprefix("r-"), "log", PolicyError)

    def marker(call: str, given: tuple[Any, ...]) -> None:
        if call == "begin":
            faults.strike(given[1].id, "marks", ValueError)

    studio.store = Spoiled(studio.store, store)
    studio.objects = Spoiled(studio.objects, objects)  # it stands for them
    studio.pen = Spoiled(studio.pen, pen)
    studio.marker = Spoiled(studio.marker, marker)
    decoding = studio.engine.submit

    async def submit(task: Task) -> AsyncIterator[Chunk]:
        async for chunk in decoding(task):
            job = task.job.partition(".")[0]  # the rest is the fence
            careless(cell, faults.of(job))
            faults.strike(job, "engine", RuntimeError)
            yield chunk

    studio.engine.submit = submit  # type: ignore[assignment, method-assign]
    assert not whose
    return faults


def careless(cell: LocalCell, prompt: str) -> None:
    """Code that tells prompts to everything that listens."""
    eyes = cell.parts.watch.eyes
    with eyes.span("render", prompt=prompt, tenant=prompt, state=prompt) as span:
        span.tell(error=prompt, url=f"https://x/{prompt}")
    with eyes.span(f"about {prompt}"):
        pass
    eyes.count("equerry.jobs.submitted", tenant=prompt, mode=prompt, prompt=prompt)
    eyes.count(f"equerry.{prompt}")
    eyes.measure("equerry.stage.duration", 1.0, stage=prompt, outcome=prompt)
    log.error(f"A film of {prompt} is made.")
    log.error("A film is made.", extra={"job": prompt, "prompt": prompt, "error": prompt})
    log.error("A film of %s is made.", prompt)
    logging.getLogger(prompt).critical(prompt)
    logging.getLogger("uvicorn.error").error(prompt, exc_info=ValueError(prompt))
    warnings.warn(prompt, stacklevel=1)


def plant(cell: LocalCell, words: dict[str, str]) -> None:
    """Real leaks, behind the guards."""
    import serving.telemetry.spans as spans  # noqa: PLR0402 - as a module, whose list is changed
    from serving.telemetry import allowed

    rows: dict[str, Any] = allowed._ROWS
    anything = type("Anything", (), {"fits": lambda *_: True})()
    rows["planted"] = allowed.Rule("A hole.", anything)
    rows["dialect"] = replace(rows["dialect"], values=anything)
    setattr(spans, "SPANS", frozenset({*allowed.SPANS, words["name"]}))  # noqa: B010 - it is a constant to everybody else
    eyes = cell.parts.watch.eyes
    with eyes.job("0" * 32), eyes.span("render", planted=words["span"]), eyes.span(words["name"]):
        pass
    eyes.measure("equerry.request.duration", 1.0, dialect=words["metric"])
    print(words["log"], file=sys.stderr, flush=True)
    Path(tempfile.gettempdir(), "left-behind").write_text(words["file"])
    running = cell.settings.folders.state / "running.json"
    running.write_text(running.read_text().replace('"pid"', f'"{words["state"]}": 1, "pid"'))


async def live(cell: LocalCell, place: socket.socket, work: Callable[[], Awaitable[None]] | None) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    if work is not None:
        await work()
    await cell.run(stop, lambda text: print(text, flush=True), [place])


def crash(planted: bool) -> None:
    """Errors that nobody catches, with a canary in their text, in each place where Python would print them."""

    def fail() -> None:
        raise ValueError(CRASH)

    class Unraisable:
        def __del__(self) -> None:
            raise ValueError(CRASH)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    Unraisable()

    async def forgotten() -> None:
        asyncio.get_running_loop().create_task(_raise())
        await asyncio.sleep(0.1)

    async def _raise() -> None:
        raise CellError(CRASH)

    asyncio.run(forgotten())
    if planted:
        sys.excepthook = sys.__excepthook__
    raise RuntimeError(CRASH)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plant", nargs="*", default=[], metavar="KIND=WORD")
    asked = parser.parse_args()
    words = dict(each.split("=", 1) for each in asked.plant)
    settings = load(asked.folder / "cell.toml")
    say_little("debug")
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind((settings.listen.host, settings.listen.port))
    parts = build(settings)
    (settings.folders.state / "running.json").write_text(f'{{"pid": {os.getpid()}}}')
    try:
        cell = LocalCell(parts)
        spoil(cell)

        async def work() -> None:
            plant(cell, words)

        asyncio.run(live(cell, place, work if words else None))
    finally:
        parts.close()
    crash(bool(words))


if __name__ == "__main__":
    main()
