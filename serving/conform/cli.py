"""`equerry conform`: try two cells for what must never happen, and write a report that an auditor can keep.

Exit codes: 0 when nothing failed, 1 when something did, 2 for input that cannot be used, 69 when a cell does not run.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.errors import Refused

if TYPE_CHECKING:
    from serving.conform.site import Site

app = typer.Typer(no_args_is_help=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def conform(
    cells: Annotated[
        list[Path] | None,
        typer.Option(
            help="Settings file or folder of a cell; name two. Without, two are made and thrown away.", metavar="CELL"
        ),
    ] = None,
    report: Annotated[Path, typer.Option(help="Folder for report, proofs and what the cells printed.")] = Path(
        "conform-report"
    ),
    requests: Annotated[int, typer.Option(help="Requests with canaries.", min=4, max=100_000)] = 500,
    quick: Annotated[
        bool, typer.Option("--quick", help="60 requests, and one cell is robbed rather than both.")
    ] = False,
    network: Annotated[
        bool,
        typer.Option("--network/--no-network", help="Give cells that are started networks of their own (root, Linux)."),
    ] = True,
    deprive: Annotated[
        bool, typer.Option("--deprive/--no-deprive", help="Take policy, log and keys away from cells that are started.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON and nothing else.")] = False,
) -> None:
    """Try two cells for what must never happen: a word that leaves, a packet between them, a door that opens in doubt.

    Cells that run already are spoken to and searched. Cells that do not are started, in networks of their own where
    root on Linux can make them, and also killed and robbed. Every run adds a tenant of its own and closes it again.

    For example: equerry conform --cells cells/eu --cells cells/jp --report audit/2026-11
    """
    from serving.conform.report import written
    from serving.conform.run import Plan, Run

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    plan = Plan(requests=min(requests, 60) if quick else requests, network=network, deprive=deprive, quick=quick)
    report.mkdir(parents=True, exist_ok=True)
    with _two(cells or [], report) as sites, _progress(quiet=as_json) as tell:
        made = Run(sites, plan, tell=tell, now=lambda: time.time_ns() // 1_000_000)()
    path = written(made, report)
    if as_json:
        typer.echo(json.dumps(made.plain(), indent=2))
    else:
        typer.echo("\n".join(_lines(made, path)))
    raise typer.Exit(0 if made.holds else 1)


@contextmanager
def _two(cells: list[Path], report: Path) -> Iterator[tuple[Site, Site]]:
    """The cells that were named, or two that are thrown away."""
    from serving.conform.site import Site

    if len(cells) not in (0, 2):
        raise Refused("Name two cells: --cells EU --cells JP. Without any, two are made and thrown away.")
    with tempfile.TemporaryDirectory(prefix="equerry-conform-") as folder:
        first, second = cells or _made(Path(folder))
        one, other = (Site.of(each, report / f"{number}.out") for number, each in enumerate((first, second), 1))
        for site in (one, other):
            site.out = report / f"{site.name}.out"
            site.out.unlink(missing_ok=True)
        yield one, other


def _made(folder: Path) -> tuple[Path, Path]:
    from serving.home import Site as Place
    from serving.home import make_home, own_key, today

    eu = Place(cell="eu-par", country="FR", city="Paris")
    jp = Place(cell="jp-tyo", country="JP", city="Tokyo")
    for here, other in ((eu, jp), (jp, eu)):
        home = folder / here.cell
        make_home(home, here, [other], port=_free(), model="pony", signing=own_key(home), day=today())
    return folder / eu.cell, folder / jp.cell


def _free() -> int:
    """A port whose successor is free too."""
    import socket
    from contextlib import suppress

    for _ in range(100):
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + 1))
                return port
    raise Refused("No two free ports were found beside each other. Stop something that listens.")


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal, a line for each new step elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task: Any = bar.add_task("starting")
        said = ""

        def tell(what: str, done: int, whole: int) -> None:
            nonlocal said
            bar.update(task, description=what, completed=done, total=whole)
            if what != said and not quiet and not console.is_terminal:
                console.print(f"{what} …", highlight=False)
            said = what

        yield tell


def _lines(made: Any, path: Path) -> Iterator[str]:
    for check in made.checks:
        yield f"{check.verdict.value:8} {check.name:28} {check.words}"
        for leak in check.leaks[:10]:
            yield f"         {leak.cell}, {leak.kind}, {leak.place}: {leak.what}"
    yield f"{made.requests:,} requests with {made.canaries:,} canaries. The report is {path}."
    yield "Everything that was checked holds." if made.holds else "It does not hold."
