"""Several ways of making the same films, timed in turn: what is compared with what, and whether the codes agree."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.hardware import Hardware, finished
from benchmarks.spent import spent
from model.engine import Task
from model.generate import Codes

__all__ = ["Opening", "Race", "Row", "Way", "compared", "same", "show"]

Way = Callable[[Sequence[Task]], list[Codes]]
Opening = Callable[[], AbstractContextManager[Way]]  # starts what makes films that way, and ends it


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    way: str
    batch: int
    films_per_minute: float  # median
    slowest: float
    fastest: float
    processor: float  # seconds of it for a film, median; all threads, and processes that it started
    gain: float  # of vLLM's waves over this way: the median of the ratios within each repeat
    processor_gain: float  # the same by the processor's time
    at_best: float  # films a minute, by the layout's roofline on this machine
    same: float  # share of codes that are those of the first way


@dataclass(slots=True)
class _Times:
    """Of one way at one batch."""

    clock: list[float] = field(default_factory=list)  # seconds for all films of a repeat
    processor: list[float] = field(default_factory=list)
    same: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Race:
    """Times of every way, and the codes that the first one gave."""

    wanted: Callable[[int, int], Sequence[Task]]  # films of a batch and a turn
    batches: Sequence[int]
    repeats: int
    device: str
    exact: bool  # whether codes must agree
    done: Callable[[], object]
    times: dict[tuple[int, str], _Times] = field(default_factory=dict)
    first: dict[tuple[int, int], tuple[str, list[Codes]]] = field(default_factory=dict)

    def run(self, some: Mapping[str, Way]) -> None:
        """All batches by some ways, in turn, repeat by repeat; the first repeat warms up and is not timed."""
        for batch in self.batches:
            for turn in range(self.repeats + 1):
                asked = self.wanted(batch, turn)
                for name, way in some.items():
                    self._once(name, way, batch, turn, asked)
                    self.done()

    def _once(self, name: str, way: Way, batch: int, turn: int, asked: Sequence[Task]) -> None:
        times = self.times.setdefault((batch, name), _Times())
        began, worked = time.perf_counter(), spent()
        made = way(asked)
        finished(self.device)
        clock, processor = time.perf_counter() - began, spent() - worked
        if turn:
            times.clock.append(clock)
            times.processor.append(processor)
        leader, codes = self.first.setdefault((batch, turn), (name, made))
        times.same.append(same(codes, made))
        if self.exact and times.same[-1] < 1.0:
            raise SystemExit(f"{leader} and {name} give other codes. Nothing they are timed by means anything.")


def same(one: Sequence[Codes], other: Sequence[Codes]) -> float:
    """Share of codes that are equal."""
    pairs = [pair for a, b in zip(one, other, strict=True) for pair in ((a.video, b.video), (a.audio, b.audio))]
    return sum(int((a == b).sum()) for a, b in pairs) / sum(a.numel() for a, _ in pairs)


def compared(
    all_ways: Mapping[str, Opening],
    wanted: Callable[[int, int], Sequence[Task]],
    batches: Sequence[int],
    repeats: int,
    at_best: Callable[[int, str], float] = lambda *_: 0.0,
    *,
    device: str = "cpu",
    exact: bool = True,
    apart: bool = False,
) -> list[Row]:
    """Times all ways in turn; `apart` keeps only one of them open at a time, where memory does not hold more.

    Raises SystemExit when codes must agree and do not.
    """
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("films", total=len(batches) * (repeats + 1) * len(all_ways))
        race = Race(wanted, batches, repeats, device, exact, lambda: progress.advance(bar))
        for some in [{name: way} for name, way in all_ways.items()] if apart else [all_ways]:
            with ExitStack() as stack:
                race.run({name: stack.enter_context(opening()) for name, opening in some.items()})
    return list(_rows(race, list(all_ways), at_best))


def _rows(race: Race, names: Sequence[str], at_best: Callable[[int, str], float]) -> Iterator[Row]:
    for batch in race.batches:
        best = race.times[batch, names[0]]
        for name in names:
            yield _row(name, batch, race.times[batch, name], best, at_best(batch, name))


def _row(way: str, batch: int, own: _Times, best: _Times, at_best: float) -> Row:
    speeds = [60 * batch / seconds for seconds in own.clock]
    return Row(
        way=way,
        batch=batch,
        films_per_minute=statistics.median(speeds),
        slowest=min(speeds),
        fastest=max(speeds),
        processor=statistics.median(own.processor) / batch,
        gain=_ratio(own.clock, best.clock),
        processor_gain=_ratio(own.processor, best.processor),
        at_best=at_best,
        same=min(own.same),
    )


def _ratio(own: Sequence[float], best: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(own, best, strict=True))


def show(found: Sequence[Row], hardware: Hardware, about: str) -> None:
    """Prints the table."""
    where = f"{hardware.name}, torch on {hardware.threads} threads, {hardware.numbers}"
    agree = min((row.same for row in found), default=1.0)
    codes = "identical codes" if agree == 1.0 else f"at least {agree:.0%} of codes the same"
    table, best = Table(title=f"{about}, films a minute, {codes} ({where})"), found[0].way
    for heading in ("way", "at once", "films/min", "from … to", f"{best} are", "by processor time", "at best"):
        table.add_column(heading, justify="left" if heading == "way" else "right", no_wrap=heading == "way")
    for row in found:
        spread, at_best = f"{row.slowest:.1f} … {row.fastest:.1f}", f"{row.at_best:,.0f}" if row.at_best else ""
        table.add_row(
            row.way, str(row.batch), f"{row.films_per_minute:.1f}", spread, f"{row.gain:.2f}x",
            f"{row.processor_gain:.2f}x", at_best,
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 140).print(table)
