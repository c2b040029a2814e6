"""How fast decisions are, beside the same decisions in plain Python.

    python -m benchmarks.policy [--json] [--repeats N]

Wall time decides whether a promise is kept; processor time is shown beside it, since other work on the machine adds
to the first and not to the second.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from random import Random
from time import perf_counter_ns, thread_time_ns
from typing import TypeVar

from policies import oracle
from policies.atlas import Atlas, LegalLists
from policies.constraints import Constraints, DataClass, Evidence, Purpose, Seal, Wish
from policies.decision import Asked
from policies.facts import facts
from policies.policy import Policy
from policies.replay import Archive, Question, replay
from policies.shelf import Shelf
from policies.signatures import days
from policies.tables import Tables
from policies.worker import Worker

T = TypeVar("T")
TODAY = days(date(2026, 12, 1))
LOOK_UPS = 50_000
CALLS = 3_000
TENANTS = 200
QUESTIONS = 4_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: medians over the repeats."""

    name: str
    value: float
    unit: str
    promise: str  # "" when there is none
    kept: bool | None


@dataclass(frozen=True, slots=True)
class Bench:
    """What everything is measured on."""

    policy: Policy
    atlas: Atlas
    lists: LegalLists
    tenants: dict[str, Constraints]

    @classmethod
    def load(cls, tenants: int) -> Bench:
        """The shipped documents and tenants that all differ."""
        shelf, random = Shelf(), Random(1)
        people = {f"tenant-{n}": _tenant(random, n) for n in range(tenants)}
        return cls(Policy.shipped(), shelf.read_atlas(TODAY), shelf.read_lists(TODAY), people)


def _tenant(random: Random, number: int) -> Constraints:
    return Constraints(
        home=random.choice(("EU", "JP")),
        allowed_jurisdictions=frozenset(random.sample(("EU", "JP", "UK", "CH"), 2)),
        allowed_classes=frozenset(DataClass),
        forbidden_ownership=frozenset(random.sample(("US", "CN"), random.randint(0, 1))),
        forbidden_lists=frozenset(random.sample(("us-1260h",), random.randint(0, 1))),
        required_certifications=frozenset([f"scheme-{number}"] if number % 10 == 9 else []),
        min_seal=Seal(sov1=number % 3, sov4=number // 3 % 3),
        min_evidence=random.choice(list(Evidence)),
    )


def look_ups(bench: Bench, tables: Tables, wishes: tuple[Wish, ...] = ()) -> list[int]:
    """Nanoseconds of each of many look-ups."""
    random, names, classes = Random(2), list(bench.tenants), [str(data_class) for data_class in DataClass]
    asked = [(random.choice(names), random.choice(classes)) for _ in range(LOOK_UPS)]
    for tenant, data_class in set(asked):
        tables.decide(tenant, data_class, day=TODAY, wishes=wishes)
    return _each(lambda one: tables.decide(one[0], one[1], day=TODAY, wishes=wishes), asked)


def worker_calls(bench: Bench) -> tuple[list[int], float]:
    """Nanoseconds of each Cedar call of a worker, and microseconds of processor time of one."""
    worker = Worker.prepare(bench.policy, bench.atlas, bench.lists, "aws/eu-central-1", TODAY)
    asked = Asked(DataClass.PERSONAL, Purpose.GENERATION, "EU", TODAY)
    people = list(bench.tenants.values())[:20]
    for tenant in people:
        worker.decide(tenant, asked)
    began = thread_time_ns()
    spans = _each(lambda n: worker.decide(people[n % len(people)], asked), range(CALLS))
    return spans, (thread_time_ns() - began) / CALLS / 1e3


def whole_table(bench: Bench) -> tuple[float, float]:
    """Wall and processor seconds to build the table of all regions, tenants and classes."""
    wall, processor = perf_counter_ns(), thread_time_ns()
    Tables.build(bench.policy, bench.atlas, bench.lists, bench.tenants, TODAY)
    return (perf_counter_ns() - wall) / 1e9, (thread_time_ns() - processor) / 1e9


def plain_python(bench: Bench) -> tuple[float, float]:
    """Processor seconds of the oracle for the whole table, and microseconds for one decision."""
    regions = facts(bench.atlas.catalogue, bench.lists.lists, TODAY).values()
    began, count = thread_time_ns(), 0
    for tenant in bench.tenants.values():
        for data_class in DataClass:
            asked = Asked(data_class, Purpose.GENERATION, tenant.home, TODAY)
            count += len([oracle.verdict(tenant, region, asked) for region in regions])
    spent = thread_time_ns() - began
    return spent / 1e9, spent / count / 1e3


def replayed(bench: Bench) -> float:
    """Microseconds of processor time for one replayed decision."""
    tenant = bench.tenants["tenant-0"]
    archive = Archive(bench.policy.canonical, bench.atlas.canonical, bench.lists.canonical, tenant.canonical())
    regions = [region.id for region in bench.atlas.catalogue.regions]
    asked = [
        Question("personal", "generation", "EU", regions[n % len(regions)], TODAY + n // len(regions))
        for n in range(QUESTIONS)
    ]
    began = thread_time_ns()
    replay(archive, asked)
    return (thread_time_ns() - began) / QUESTIONS / 1e3


def _each(act: Callable[[T], object], values: Sequence[T]) -> list[int]:
    spans = []
    for value in values:
        began = perf_counter_ns()
        act(value)
        spans.append(perf_counter_ns() - began)
    return spans


def _p99(spans: Sequence[int]) -> float:
    """The 99th percentile in microseconds."""
    return statistics.quantiles(spans, n=100)[98] / 1e3


def measure(tenants: int, repeats: int) -> list[Figure]:
    """All figures; each is the median of its repeats."""
    bench = Bench.load(tenants)
    few = Bench(bench.policy, bench.atlas, bench.lists, dict(list(bench.tenants.items())[:20]))
    tables = Tables.build(few.policy, few.atlas, few.lists, few.tenants, TODAY)
    rounds = [_round(bench, few, tables) for _ in range(repeats)]
    promises = {"look-up, p99": 5.0, "Cedar call, p99": 200.0, "whole table": 10.0}
    figures = []
    for name, unit in rounds[0]:
        value = statistics.median(one[name, unit] for one in rounds)
        most = promises.get(name)
        figures.append(Figure(name, value, unit, f"≤ {most:g} {unit}" if most else "", value <= most if most else None))
    return figures


def _round(bench: Bench, few: Bench, tables: Tables) -> dict[tuple[str, str], float]:
    ready, narrowed = look_ups(few, tables), look_ups(few, tables, (Wish(allowed_jurisdictions=frozenset(["EU"])),))
    calls, call = worker_calls(few)
    wall, processor = whole_table(bench)
    oracle_table, oracle_one = plain_python(bench)
    return {
        ("look-up, median", "us"): statistics.median(ready) / 1e3,
        ("look-up, p99", "us"): _p99(ready),
        ("narrowed look-up, median", "us"): statistics.median(narrowed) / 1e3,
        ("narrowed look-up, p99", "us"): _p99(narrowed),
        ("Cedar call, median", "us"): statistics.median(calls) / 1e3,
        ("Cedar call, p99", "us"): _p99(calls),
        ("Cedar call, processor time", "us"): call,
        ("plain Python, one decision, processor time", "us"): oracle_one,
        ("whole table", "s"): wall,
        ("whole table, processor time", "s"): processor,
        ("plain Python, whole table, processor time", "s"): oracle_table,
        ("replay, one decision, processor time", "us"): replayed(bench),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Measures policy decisions beside plain Python.")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--repeats", type=int, default=3, help="how often each figure is taken; the median counts")
    parser.add_argument(
        "--tenants", type=int, default=TENANTS, help="tenants in the whole table; the promise is for 200"
    )
    options = parser.parse_args()
    figures = measure(options.tenants, options.repeats)
    if options.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2))
        return
    _print(figures, options.tenants)


def _print(figures: Sequence[Figure], tenants: int) -> None:
    regions = len(Shelf().read_atlas(TODAY).catalogue.regions)
    print(f"Policy decisions: {regions} regions, {tenants} tenants, {len(DataClass)} classes ({_processor()})")
    for figure in figures:
        kept = {True: "kept", False: "NOT KEPT", None: ""}[figure.kept]
        print(f"  {figure.name:<45} {figure.value:>10.2f} {figure.unit:<3} {figure.promise:<10} {kept}".rstrip())


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "processor unknown")


if __name__ == "__main__":
    main()
