"""`equerry cell …`: make a cell, start it, look at it, stop it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from serving.errors import Refused, Unavailable

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

Folder = Annotated[Path, typer.Argument(help="The cell's folder, or its settings file.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.callback(help="Run one region: make a cell, start it, look at it, stop it.")
def front() -> None:
    """Lets idle threads sleep, and third-party code be silent."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)],
    name: Annotated[str, typer.Option(help="The cell's name: jurisdiction, hyphen, place.")] = "eu-par",
    country: Annotated[str, typer.Option(help="Where the machines stand, in two letters.")] = "FR",
    city: Annotated[str, typer.Option(help="The same, for people.")] = "Paris",
    port: Annotated[
        int, typer.Option(help="Port for clients; the next one is for operations.", min=1, max=65534)
    ] = 8000,
    model: Annotated[str, typer.Option(help="Name of a shipped model, or a folder that holds one.")] = "pony",
    neighbour: Annotated[
        list[str] | None,
        typer.Option(help="Another cell of yours, so that refusals can name it: NAME,COUNTRY,CITY.", metavar="CELL"),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Sign the catalogue with this key; without one, a key is drawn.", metavar="PEM")
    ] = None,
) -> None:
    """Make a cell of your own machines: settings, keys, tenants' books and a signed catalogue.

    For example: equerry cell init cells/eu --name eu-par --country FR --city Paris --port 8100
    Then: equerry tenant add, equerry tenant key add, equerry cell up.
    """
    from policies.keys import load
    from serving.home import Site, find_model, look_first, make_home, own_key, today

    site = Site(cell=name, country=country, city=city)
    others = [_site(each) for each in neighbour or ()]
    look_first(folder, [site, *others], today())  # before a key is drawn
    model = find_model(model)
    signing = load(key) if key is not None else own_key(folder)
    path = make_home(folder, site, others, port=port, model=model, signing=signing, day=today())
    typer.echo(f"{path} describes the cell {name}. Next: equerry tenant add NAME --cell {folder} …")


def _site(text: str) -> Any:
    from serving.home import Site

    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3:
        raise Refused(f"{text!r} is not NAME,COUNTRY,CITY; write for example jp-tyo,JP,Tokyo.")
    return Site(cell=parts[0], country=parts[1], city=parts[2])


@app.command()
def up(
    folder: Folder,
    runtime: Annotated[
        str,
        typer.Option(help="local: all in this process. ray: gateways and studios on Ray Serve.", metavar="local|ray"),
    ] = "local",
) -> None:
    """Start a cell and serve until it is told to stop. What it answers with is printed when it is ready.

    Control-C or SIGTERM stop it gently: jobs that are not done are handed back and go on at the next start.

    For example: equerry cell up cells/eu
    """
    from serving.settings_file import load
    from serving.telemetry import say_little

    if runtime not in ("local", "ray"):
        raise Refused(f"There is no runtime {runtime!r}. Use --runtime local or --runtime ray.")
    settings = load(_file(folder))
    name = settings.cell.name
    if (other := _running(folder)) is not None:
        raise Refused(f"Process {other['pid']} runs this cell. Stop it with `equerry cell down {folder}` first.")
    say_little(settings.telemetry.level)
    _tell_a_person(f"The cell {name} starts.")
    if runtime == "ray":
        _up_on_ray(settings, _file(folder))
    else:
        _up_here(settings)
    _tell_a_person(f"The cell {name} is down.")


def _up_here(settings: Any) -> None:
    place = _listen(settings.listen.host, settings.listen.port)  # before all that takes long
    from serving.local import LocalCell
    from serving.parts import build
    from serving.running import Claim

    parts = build(settings)
    try:
        with Claim(settings, "local") as claim:
            asyncio.run(_serve(LocalCell(parts), place, claim))
    finally:
        parts.close()


async def _serve(cell: Any, place: socket.socket, claim: Any) -> None:
    stop, draining = asyncio.Event(), set()

    async def drain() -> None:
        await cell.studio.drain()
        while cell.studio.busy:
            await asyncio.sleep(0.1)
        claim.tell({"draining": True, "jobs": 0})

    _on((signal.SIGINT, signal.SIGTERM), lambda: _stop(stop))
    _on((signal.SIGUSR1,), lambda: draining.add(asyncio.ensure_future(drain())))
    await cell.run(stop, lambda text: print(text, flush=True), [place])


def _up_on_ray(settings: Any, file: Path) -> None:
    from serving.running import Claim

    if importlib.util.find_spec("ray") is None:
        raise Unavailable("Ray is not installed here. Install equerry[cluster], or use --runtime local.")
    from serving.cluster.runtime import RayCell

    _listen(settings.listen.host, settings.listen.port).close()  # somebody else's port is refused before Ray starts
    with Claim(settings, "ray") as claim:
        asyncio.run(_serve_on_ray(RayCell(settings, file, claim.tell, os.environ)))


async def _serve_on_ray(cell: Any) -> None:
    stop = asyncio.Event()

    def listen() -> None:
        _on((signal.SIGINT, signal.SIGTERM), lambda: _stop(stop))
        _on((signal.SIGUSR1,), cell.drained.set)

    listen()
    await cell.run(stop, lambda text: print(text, flush=True), listen)


def _stop(stop: asyncio.Event) -> None:
    if not stop.is_set():
        _tell_a_person("The cell stops. Jobs that are not done are handed back and go on at the next start.")
    stop.set()


def _tell_a_person(text: str) -> None:
    """A sign of life where somebody looks on; elsewhere standard error holds the log alone, one JSON object a line."""
    if sys.stderr.isatty():
        typer.echo(text, err=True)


def _on(signals: tuple[signal.Signals, ...], call: Callable[[], object]) -> None:
    for name in signals:
        asyncio.get_running_loop().add_signal_handler(name, call)


def _listen(host: str, port: int) -> socket.socket:
    place = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((host, port))
    except OSError as error:
        place.close()
        raise Refused(
            f"{host}:{port} cannot be listened on ({error.strerror}). Free it, or name another port."
        ) from None
    return place


@app.command()
def status(folder: Folder, as_json: AsJson = False) -> None:
    """Whether a cell runs and is ready. Exit code 0 when it is, 69 when it is not.

    For example: equerry cell status cells/eu --json
    """
    import httpx

    told: dict[str, Any] = _running(folder) or {}
    if told:
        try:
            answer = httpx.get(f"{told['origin']}/readyz", timeout=5.0, trust_env=False)
            told |= answer.json()
        except (httpx.HTTPError, ValueError):
            told |= {"ready": False, "missing": "an answer"}
    else:
        told = {"ready": False, "missing": "a process"}
    if as_json:
        typer.echo(json.dumps(told))
    else:
        what = "is ready" if told["ready"] else f"is not ready: {told.get('missing')} is missing"
        typer.echo(f"{told.get('cell', folder)} {what}" + (f" at {told['origin']}." if told.get("origin") else "."))
        _show_parts(told)
    raise typer.Exit(0 if told["ready"] else 69)


def _show_parts(told: dict[str, Any]) -> None:
    for name, part in told.get("parts", {}).items():
        replicas = ", ".join(f"{count} {state.lower()}" for state, count in part["replicas"].items() if count)
        typer.echo(f"  {name}: {replicas or 'none'} ({part['status'].lower()})")
    if told.get("draining"):
        typer.echo("  It is draining: no job is taken up until it is started again.")


@app.command()
def drain(folder: Folder, seconds: Annotated[int, typer.Option(help="How long to wait.", min=1)] = 90) -> None:
    """Let the studios hand back what they have and take no more. The gateways go on: what is submitted waits.

    Before an upgrade: drain, down, up. Other cells on the same database go on from the last chunk at once.
    """
    import time

    told = _running(folder)
    if told is None:
        raise Unavailable("The cell does not run.")
    _signal(told, signal.SIGUSR1)
    end = time.monotonic() + seconds
    while not (told := _running(folder) or {}).get("draining") or told.get("jobs", 1):
        if time.monotonic() > end or not told:
            raise Unavailable("The studios have not handed back all their jobs. Look at `equerry job list`.")
        time.sleep(0.1)
    typer.echo(f"The cell {told['cell']} works on no job. Next: equerry cell down {folder}")


@app.command()
def down(folder: Folder, seconds: Annotated[int, typer.Option(help="How long to wait.", min=1)] = 90) -> None:
    """Stop a cell gently: no new work, jobs handed back, the log closed."""
    import time

    told = _running(folder)
    if told is None:
        typer.echo("The cell does not run.")
        return
    _signal(told, signal.SIGTERM)
    end = time.monotonic() + seconds
    while _running(folder) is not None:
        if time.monotonic() > end:
            raise Unavailable(f"The cell still runs as process {told['pid']}. Look at what it does before you kill it.")
        time.sleep(0.1)
    typer.echo(f"The cell {told['cell']} is down.")


@app.command()
def settings(
    folder: Annotated[Path | None, typer.Argument(help="A cell's folder; without one, all there is.")] = None,
) -> None:
    """Every setting with its unit and default; or check a cell's own file."""
    if folder is None:
        from importlib.resources import files

        typer.echo((files("serving") / "cell.example.toml").read_text("utf-8"))
        return
    from serving.settings_file import load

    load(_file(folder))
    typer.echo("The settings hold. The model and the documents that they name are read by `equerry cell up`.")


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for films, sheet and logs; made if need be.", metavar="FOLDER")
    ] = Path("out"),
) -> None:
    """Two cells on this machine, EU and JP: films at home, a refusal abroad, and an auditor who checks both.

    Makes both cells in a temporary folder on ports that are free, and stops them in the end. It takes about a minute.
    """
    from tempfile import TemporaryDirectory

    from rich.console import Console

    from serving.demo.story import Story

    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="equerry-demo-") as folder:
        Story(Path(folder), out, Console()).tell()


def _signal(told: dict[str, Any], name: signal.Signals) -> None:
    try:
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(told["pid"], name)
    except PermissionError:
        raise Refused(f"Process {told['pid']} runs this cell, and is another user's. Ask as that user.") from None


def _file(folder: Path) -> Path:
    return folder / "cell.toml" if folder.is_dir() else folder


def _running(folder: Path) -> dict[str, Any] | None:
    """Who runs a cell now."""
    from serving.running import who_runs
    from serving.settings_file import load

    return who_runs(load(_file(folder)))
