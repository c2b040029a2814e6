"""What it costs to find out whose a key is, beside looking it up in a plain dictionary.

    python -m benchmarks.keys [--json] [--keys N] [--asks N]

The yardstick is the least that could be done: a dictionary from the whole key to its tenant, which keeps every key in
the clear, forgets them with the process, and does not notice a revocation by another process. The admission parses,
checks the slip of the hand, asks the shared file, digests under the pepper, compares in constant time and narrows.
All ways are asked in turns, in one process, for keys drawn at random; figures are medians over rounds. Processor time
is beside the clock's, since on a busy machine the 99th percentile shows how long others had the processor.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from policies.constraints import Constraints, DataClass, Wish
from policies.tenants.admission import Admitted, admit
from policies.tenants.cell import Cell
from policies.tenants.folder import make_books, open_books
from policies.tenants.keytext import mint
from policies.tenants.memory import MemoryStore
from policies.tenants.registrar import Registrar
from policies.tenants.tenant import Instant

NOW = Instant(1_800_000_000_000)
ROUNDS = 5
TENANTS = 200
CEILING = Constraints(
    home="EU", allowed_jurisdictions=frozenset({"EU"}), allowed_classes=frozenset({DataClass.PERSONAL})
)
Ask = Callable[[str], object]


def stock(books: Registrar, number: int) -> list[str]:
    """Keys of many tenants, as their owners hold them."""
    tenants = [books.add_tenant("example", CEILING, "standard", NOW).id for _ in range(TENANTS)]
    steps = track(range(number), "keys", console=Console(stderr=True), disable=not sys.stderr.isatty())
    return [books.add_key(tenants[step % TENANTS], "key", Wish(), NOW).text.text for step in steps]


def times(ask: Ask, texts: list[str]) -> tuple[list[int], int]:
    """Nanoseconds by the clock of each ask, sorted; and of the processor for all of them."""
    found, spent = [], time.process_time_ns()
    for text in texts:
        start = time.perf_counter_ns()
        ask(text)
        found.append(time.perf_counter_ns() - start)
    return sorted(found), time.process_time_ns() - spent


def ways(folder: Path, number: int) -> tuple[dict[str, tuple[Ask, bool]], list[str]]:
    """What is measured, by name; and whether it is asked for keys that are there."""
    make_books(folder, Cell("eu-par"), secrets.token_bytes)
    disk = open_books(folder, secrets.token_bytes)
    texts = stock(disk, number)
    memory = MemoryStore(disk.store.cell)
    with memory.writing() as pen:
        for tenant in disk.store.tenants():
            pen.put_tenant(tenant)
            for key in disk.store.keys(tenant.id):
                pen.put_key(key)
    plain = dict.fromkeys(texts, "t-0123456789abcdef")

    def on_disk(text: str) -> object:
        return admit(text, store=disk.store, pepper=disk.pepper, now=NOW)

    def in_memory(text: str) -> object:
        return admit(text, store=memory, pepper=disk.pepper, now=NOW)

    assert isinstance(on_disk(texts[0]), Admitted)
    assert isinstance(in_memory(texts[0]), Admitted)
    found: dict[str, tuple[Ask, bool]] = {
        "plain dictionary": (plain.get, True),
        "admission, twin in memory": (in_memory, True),
        "admission, shared file": (on_disk, True),
        "admission, unknown key": (on_disk, False),
    }
    return found, texts


def measure(folder: Path, number: int, asks: int) -> dict[str, dict[str, float]]:
    """Microseconds of one ask: at the median, at the 99th percentile, and of the processor; medians over rounds."""
    asked, texts = ways(folder, number)
    strangers = [mint(Cell("eu-par"), secrets.token_bytes).text for _ in range(min(asks, 1_000))]
    chance = random.Random(0)
    taken: dict[str, list[tuple[list[int], int]]] = {name: [] for name in asked}
    for _ in range(ROUNDS):
        for name, (ask, there) in asked.items():
            taken[name].append(times(ask, chance.choices(texts if there else strangers, k=asks)))
    return {name: _figures(rounds, asks) for name, rounds in taken.items()}


def _figures(rounds: list[tuple[list[int], int]], asks: int) -> dict[str, float]:
    def at(percent: int) -> float:
        return statistics.median(clock[-(-asks * percent // 100) - 1] for clock, _ in rounds)

    found = {"p50_us": at(50), "p99_us": at(99), "cpu_us": statistics.median(spent for _, spent in rounds) / asks}
    return {name: round(value / 1000, 2) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keys", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--keys", type=int, default=1_000, help="keys in the store")
    parser.add_argument("--asks", type=int, default=5_000, help="look-ups of each way in each round")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder) / "cell", options.keys, options.asks)
    if options.json:
        print(json.dumps({"keys": options.keys, "tenants": TENANTS, "asks": options.asks, "ways": found}, indent=2))
        return
    table = Table(title=f"{options.keys:,} keys of {TENANTS} tenants, {options.asks:,} asks, {ROUNDS} rounds")
    for head in ("way", "p50 µs", "p99 µs", "processor µs"):
        table.add_column(head, justify="left" if head == "way" else "right")
    for name, figures in found.items():
        table.add_row(name, f"{figures['p50_us']:.2f}", f"{figures['p99_us']:.2f}", f"{figures['cpu_us']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
