"""`equerry infra …`: sizes, stacks and plans. The SDKs of clouds live in infra/.venv, so plans run in its Python."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infra.errors import InfraError, Refused, Unavailable

if TYPE_CHECKING:
    from infra.sizing import Choice, Film
    from policies.catalogue import Catalogue

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

HOME: Final = Path(__file__).resolve().parent
PYTHON: Final = HOME / ".venv" / "bin" / "python"
PATIENCE: Final = 300.0  # seconds for another process; a plan takes five on a machine that does nothing else

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.callback(help="Size a cell, look at the stacks, and see what a stack would make, without a cloud.")
def front() -> None:
    """Holds the help of the group."""


@app.command()
def size(
    model: Annotated[str, typer.Option(help="pony or horse.", metavar="M")] = "horse",
    clips_per_minute: Annotated[float, typer.Option(help="Films that are finished in a minute, on average.")] = 10.0,
    wanted: Annotated[str, typer.Option("--size", help="Width and height in pixels.", metavar="WxH")] = "1280x720",
    seconds: Annotated[int, typer.Option(help="Length of a film, 1 to 15.")] = 5,
    region: Annotated[
        list[str] | None, typer.Option(help="A region as the catalogue names it, such as aws/eu-north-1; repeatable.")
    ] = None,
    jurisdiction: Annotated[str, typer.Option(help="Only regions of this one.", metavar="J")] = "EU",
    efficiency: Annotated[
        float | None, typer.Option(min=0.01, max=1.0, help="What the engine reaches of the roofline; measure yours.")
    ] = None,
    all_machines: Annotated[
        bool, typer.Option("--all", help="Every machine of a region, and not the cheapest alone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show which machines hold the model, how many a demand takes, and what they cost a month.

    The figures of the film come from `equerry model layout`; speeds and prices from infra/gpus.py, with their dates.
    The efficiency is a guess until you have measured your engine on that machine, and costs follow it in proportion.
    """
    from infra.sizing import EFFICIENCY, cheapest, choices

    if not 0 < clips_per_minute <= 100_000:
        raise Refused("Ask for more than 0 and at most 100,000 clips per minute.")
    film = _film(model, wanted, seconds)
    reached = efficiency or EFFICIENCY
    catalogue = _catalogue()
    places = _places(catalogue, region or [], jurisdiction)
    found = choices(film, clips_per_minute, catalogue, reached, places)
    if not all_machines:
        found = cheapest(found)
    if as_json:
        _print_json({"efficiency": reached, "film": asdict(film), "choices": [asdict(one) for one in found]})
        return
    _table(found, film, reached, f"{clips_per_minute:g} films a minute of {seconds} s at {wanted}, {model}")


@app.command()
def stacks(as_json: AsJson = False) -> None:
    """List the stack files that there are, and the cells that they describe."""
    rows = json.loads(_run([*_room(), "--list"]))
    if as_json:
        _print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    from policies.window import print_table

    table = Table("stack", "cell", "jurisdiction", "where", "network", "accepted doubts", box=None)
    for row in rows:
        where = f"{row['provider']}/{row['region']}"
        doubts = ", ".join(row["unconfirmed"])
        table.add_row(row["stack"], row["cell"], row["jurisdiction"], where, row["network"], doubts)
    print_table(Console(), table)


@app.command()
def plan(
    stack: Annotated[str, typer.Argument(help="As `equerry infra stacks` names it.", metavar="STACK")],
    guard: Annotated[bool, typer.Option(help="Hold the plan against the policy pack in infra/guard.")] = True,
    as_json: AsJson = False,
) -> None:
    """Show what `pulumi up` would make, without Pulumi's command and without a cloud. Exit code 1 if the guard objects.

    Names in angle brackets stand for what only the cloud knows. With the pulumi command installed, `make preview` asks
    Pulumi itself.
    """
    from rich.console import Console

    options = [*(["--guard"] if guard else []), *(["--json"] if as_json else [])]
    with Console(stderr=True).status(f"Running the program of {stack}", spinner="line"):
        ended = _ended([*_room(), stack, "--patience", str(PATIENCE), *options])
    typer.echo(ended.stdout, nl=False)
    if ended.returncode == 1:
        typer.echo(ended.stderr, err=True, nl=False)
        raise typer.Exit(1)
    _check(ended)


def _room() -> list[str]:
    """The room's own interpreter. Raises Unavailable with the way to get one."""
    if not PYTHON.exists():
        raise Unavailable(f"{HOME.name}/.venv is not there: the SDKs of clouds live in it. Run `make setup-infra`.")
    return [str(PYTHON), "-m", "infra.plan"]


def _ended(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=HOME.parent, capture_output=True, text=True, timeout=PATIENCE + 30, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"This took more than {PATIENCE:.0f} s and was stopped; try again on a calmer machine."
        ) from None


def _check(ended: subprocess.CompletedProcess[str]) -> None:
    """Raises what the other process said, with its exit code."""
    if ended.returncode == 0:
        return
    said = ended.stderr.strip().removeprefix("equerry: ")
    kind = {2: Refused, 69: Unavailable}.get(ended.returncode, InfraError)
    raise kind(said or "The other process left without a word.")


def _run(command: Sequence[str]) -> str:
    ended = _ended(command)
    _check(ended)
    return ended.stdout


def _film(model: str, wanted: str, seconds: int) -> Film:
    """The film's figures from the model's own command: this room may not import the model."""
    from infra.sizing import Film

    asked = ["--model", model, "--size", wanted, "--seconds", str(seconds), "--json"]
    row = json.loads(_run([sys.executable, "-m", "equerry", "model", "layout", *asked]))
    sizes = list(row["tensor_parallel"].values())
    return Film(
        waves=row["waves"],
        sequence=row["longest_sequence"],
        weight_bytes=row["weight_bytes"],
        kv_bytes_per_slot=row["kv_bytes_per_slot"],
        flops=row["flops"],
        tensor_parallel=tuple(int(one) for one in sizes[0] if all(shares[one] for shares in sizes)),
    )


def _places(catalogue: Catalogue, asked: Sequence[str], jurisdiction: str) -> list[str]:
    """The regions that were asked for, or all of a jurisdiction. Raises Refused with the nearest that is known."""
    from difflib import get_close_matches

    known = [one.id for one in catalogue.regions]
    strange = next((one for one in asked if one not in known), None)
    if strange is not None:
        close = get_close_matches(strange, known, 1, 0.0)[0]
        raise Refused(f"The catalogue knows no region {strange}. The nearest is {close}.")
    inside = [one.id for one in catalogue.regions if one.jurisdiction == jurisdiction]
    if not inside:
        named = ", ".join(sorted({one.jurisdiction for one in catalogue.regions}))
        raise Refused(f"The catalogue knows no region in {jurisdiction}. It knows {named}.")
    return list(asked) or inside


def _catalogue() -> Catalogue:
    from policies.shelf import Shelf
    from policies.signatures import days

    return Shelf().read_atlas(days(datetime.now(UTC).date())).catalogue


def _table(found: Sequence[Choice], film: Film, efficiency: float, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from policies.window import print_table

    heads = ("region", "machines", "cards", "TP", "films at once", "s a film", "films/min", "a month", "machine, price")
    table = Table(*heads, title=title, box=None)
    for one in found:
        table.add_row(*_cells(one))
    console = Console()
    print_table(console, table)
    weights, film_gb = film.weight_bytes / 1e9, film.sequence * film.kv_bytes_per_slot / 1e9
    console.print(f"Weights {weights:.1f} GB, keys and values {film_gb:.1f} GB a film, {film.waves} steps.")
    console.print(
        f"Speeds are {efficiency:.0%} of the roofline, which is a guess: measure, and say --efficiency. Machines are a "
        "quarter more than the mean demand needs. Prices are lists on demand without tax, of the region that "
        "infra/gpus.py names; EUR and USD are not converted, and the order takes them as alike. Cluster, firewall, "
        "gateways, database and CPU machines come on top."
    )
    best = found[0]
    console.print(f"For a stack file in {best.region}:", _pool(best), sep="\n  ", markup=False, highlight=False)


def _cells(one: Choice) -> tuple[str, ...]:
    carrier = one.machine
    return (
        one.region,
        f"{one.machines} x {carrier.name}",
        f"{carrier.count} x {carrier.accelerator}",
        str(one.tensor_parallel),
        f"{one.machines * one.replicas_per_machine} x {one.batch}",
        f"{one.film_seconds:.0f}",
        f"{one.films_per_minute * one.machines:.1f}",
        "no price" if one.month is None else f"{one.month:,.0f} {one.currency}",
        f"{one.sure}, {carrier.price.sure if carrier.price else 'none'}",
    )


def _pool(one: Choice) -> str:
    """A line under `pools` of a stack file."""
    shared = f", tensor_parallel: {one.tensor_parallel}" if one.tensor_parallel > 1 else ""
    return f"- {{name: gpu, role: gpu, machine: {one.machine.name}, nodes: {one.machines}{shared}, disk: 300}}"


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, default=str))
