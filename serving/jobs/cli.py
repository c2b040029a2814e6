"""`equerry job`: what an operator sees of a cell's jobs, and how one is ended. No command shows a prompt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from serving.errors import Refused
from serving.jobs.job import Job, JobId, State
from serving.jobs.sql.store import SqlStore, open_store

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="See a cell's jobs, and end one. Orders and prompts are never shown.",
)

Cell = Annotated[
    Path, typer.Option("--cell", help="The cell's folder, or its settings file.", metavar="DIR", show_default=True)
]
HERE: Final = Path("cell")
Address = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="EQUERRY_JOB_STORE",
        help="A job store instead of a cell: sqlite:///FILE or postgresql://USER@HOST/NAME (a password belongs in "
        "~/.pgpass).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
#: Columns of the board by how much they are wanted, with their widths.
COLUMNS: Final = {"job": 32, "state": 9, "done": 5, "made": 19, "tenant": 18, "tries": 5, "studio": 15}
_HIDDEN = ("order", "webhook", "fingerprint")  # what a client asked for, and where it lives


@app.command("list")
def list_(
    cell: Cell = HERE,
    store: Address = None,
    state: Annotated[list[State] | None, typer.Option(help="Only jobs in this state; may be given again.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs of all tenants, newest first, with what is waiting in all.

    For example: equerry job list --cell eu --state running
    """
    with _opened(cell, store) as opened:
        jobs, backlog = opened.board(state or (), limit), opened.backlog()
    if as_json:
        typer.echo(json.dumps({"backlog": asdict(backlog), "jobs": [_shown(job) for job in jobs]}, indent=2))
        return
    _print_board(jobs, Console())
    typer.echo(f"{backlog.queued} queued, {backlog.running} running, {backlog.work_ms / 1000:,.0f} s of work left")


def _print_board(jobs: Sequence[Job], console: Console) -> None:
    """As many columns as the window has room for: an id that is cut off is of no use to anybody."""
    names, room = [], console.width - 1
    for name, width in COLUMNS.items():
        room -= width + 3  # a border, and a space on either side
        if room >= 0:
            names.append(name)
    table = Table(*(Column(name, no_wrap=True) for name in names))
    for job in jobs:
        table.add_row(*map(_cells(job).__getitem__, names))
    console.print(table)
    left_out = [name for name in COLUMNS if name not in names]
    if left_out:
        typer.echo(f"A wider window also shows {', '.join(left_out)}; --json has everything.")


def _cells(job: Job) -> dict[str, str]:
    return {
        "job": job.id,
        "state": job.state,
        "done": f"{job.progress} %",
        "made": _time(job.created),
        "tenant": job.tenant,
        "tries": str(job.attempts),
        "studio": job.owner or "",
    }


@app.command()
def show(
    job: Annotated[str, typer.Argument(help="The job's id.")],
    cell: Cell = HERE,
    store: Address = None,
    as_json: AsJson = False,
) -> None:
    """Show one job and every move that it has made.

    For example: equerry job show 0123456789abcdef0123456789abcdef --cell cells/eu
    """
    with _opened(cell, store) as opened:
        found = opened.look(read_id(job))
        moves = opened.moves(found.id)
    if as_json:
        typer.echo(json.dumps({**_shown(found), "moves": [asdict(move) for move in moves]}, indent=2))
        return
    table = Table("when", "state", "fence", "studio", "note")
    for move in moves:
        table.add_row(_time(move.at), move.state, str(move.fence), move.owner or "", move.note or "")
    Console().print(f"{found.id} of {found.tenant}: {found.state}, {found.chunks_done} of {found.chunks} chunks")
    Console().print(table)


@app.command()
def cancel(
    job: Annotated[str, typer.Argument(help="The job's id.")],
    cell: Cell = HERE,
    store: Address = None,
) -> None:
    """End a queued job now; ask the studio of a running one to stop, which takes one step of the engine."""
    with _opened(cell, store) as opened:
        found = opened.look(read_id(job))
        ended = opened.cancel(found.tenant, found.id)
    typer.echo(f"{ended.id} is {ended.state}" + ("" if ended.terminal else "; its studio was asked to stop"))


def read_id(text: str) -> JobId:
    """A job's id as any dialect writes it: 32 digits, with dashes, or after `video_`. Raises Refused."""
    digits = text.removeprefix("video_").replace("-", "").lower()
    if len(digits) != 32 or not set(digits) <= set("0123456789abcdef"):
        raise Refused("This is not a job's id. Give 32 hexadecimal digits, as `equerry job list` shows them.")
    return JobId(digits)


@contextmanager
def _opened(cell: Path, address: str | None) -> Iterator[SqlStore]:
    store = open_store(_there(address) if address else _address(cell), migrated=False)
    try:
        yield store
    finally:
        store.close()


def _there(address: str) -> str:
    """An address that a person has typed. Raises Refused when it cannot be one, before a file is made of it."""
    if not address.startswith(("sqlite:///", "postgresql://", "postgres://")):
        raise Refused("--store is neither sqlite:///FILE nor postgresql://USER@HOST/NAME. Write one of them.")
    file = Path(address.removeprefix("sqlite:///"))
    if address.startswith("sqlite:///") and not file.is_file():
        raise Refused(f"There is no job store {file}. Name the file with --store, or a cell with --cell.")
    return address


def _address(cell: Path) -> str:
    """Of a cell's own store, by its settings. Raises Refused when it has none yet."""
    from serving.parts import database
    from serving.settings_file import load

    address = database(load(cell / "cell.toml" if cell.is_dir() else cell))
    file = Path(address.removeprefix("sqlite:///"))
    if address.startswith("sqlite:///") and not file.exists():
        raise Refused(f"The cell {cell} has no jobs yet: there is no {file}. Start it once, or name another cell.")
    return address


def _shown(job: Job) -> dict[str, Any]:
    """A job without what its owner said."""
    return {name: value for name, value in asdict(job).items() if name not in _HIDDEN} | {"progress": job.progress}


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
