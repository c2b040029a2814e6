"""What the demonstration shows, in order: films at home, a refusal abroad, and the proof of both without the cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from model.demo import SCENES, seen
from model.media import Sheet, read_film, several
from model.report import events, ramp, time_line
from serving.demo.border import Refusal, knock
from serving.demo.cells import DemoCell, equerry, free_ports
from serving.demo.clients import DashScope, Videos, videos
from serving.errors import Broken, CellError, Unavailable
from serving.home import Site

__all__ = ["Story"]

EUROPE: Final = Site(cell="eu-par", country="FR", city="Paris")
JAPAN: Final = Site(cell="jp-tyo", country="JP", city="Tokyo")
BALL, FACE, EDIT = SCENES
SECONDS: Final = 2
LEAST_SECONDS: Final = 3  # that DashScope's wire lets one ask for
FPS, RATE = Fraction(8), 8_000  # frames and samples per second at which a film is read for its sheet


@dataclass(slots=True)
class Story:
    """One showing. `cells` is an empty folder, `out` takes films, sheet and logs."""

    cells: Path
    out: Path
    console: Console

    def tell(self) -> None:
        """The whole of it. Raises what went wrong; no cell runs any more then."""
        began = perf_counter()
        eu, jp = (DemoCell(site, self.cells / site.cell, free_ports()) for site in (EUROPE, JAPAN))
        try:
            self._open(eu, jp)
            self._films(eu)
            refusal = self._refusal(eu, jp)
        except Exception as error:
            for cell in (eu, jp):
                self._say(f"{cell.name} said last: {cell.tail()}")
            if isinstance(error, CellError):
                raise
            raise Unavailable(f"The demonstration broke off ({type(error).__name__}): {error}") from error
        finally:
            with self._busy("The cells stop"):
                _both(DemoCell.stop, eu, jp)
        self._audit(eu, jp, refusal)
        self.console.print(f"\nAll of it took {perf_counter() - began:.0f} s. Look into {self.out}/.", highlight=False)

    def _open(self, eu: DemoCell, jp: DemoCell) -> None:
        self._title("Two cells", "an operator makes one in Paris and one in Tokyo; they share nothing")
        with self._busy("Settings, keys, catalogue and a tenant for each"):
            _both(lambda cell: cell.make(JAPAN if cell is eu else EUROPE), eu, jp)
        with self._busy("Both cells start"):
            _both(DemoCell.start, eu, jp)
            _both(DemoCell.wait, eu, jp)
        for cell in (eu, jp):
            self._say(f"{cell.name}: {cell.url}, tenant Acme of {cell.site.jurisdiction}")

    def _films(self, eu: DemoCell) -> None:
        client = videos(eu.url, eu.key)
        self._title("Three films in the EU", f"a customer's program; its client is {client.name}")
        with self._film("ball", BALL.prompt) as hear:
            ball = client.make(BALL.prompt, SECONDS, BALL.seed, hear)
        self._keep("ball", client.fetch(ball))
        with self._film("face", f"{FACE.prompt}, by DashScope's wire") as hear:
            face = DashScope(eu.url, eu.key).make(FACE.prompt, LEAST_SECONDS, FACE.seed, hear)
        self._keep("face", face)
        self._edit(client, ball)
        several([self._sheet(scene.name, scene.prompt) for scene in SCENES], self.out / "sheet.png")
        self._say(f"{self.out / 'sheet.png'}: all three, frames beside sound")

    def _edit(self, client: Videos, ball: str) -> None:
        with self._film("edit", EDIT.prompt) as hear:
            edit = client.edit(EDIT.prompt, ball, EDIT.seed, hear)
        self._keep("edit", client.fetch(edit))

    def _refusal(self, eu: DemoCell, jp: DemoCell) -> Refusal:
        self._title("A refusal in Japan", "the same European key, a request with a body of a megabyte")
        refusal = knock(jp.port, eu.key)
        self._say(f"{jp.name} answered {refusal.status}: {refusal.text}")
        self._say(f"Of {refusal.announced:,} bytes of body, {refusal.sent} were sent; it asked for none and hung up.")
        if refusal.status not in (403, 421) or refusal.invited:
            raise Broken(f"{jp.name} did not refuse before the body: {refusal.status}. Report this.")
        strays = [scene.prompt for scene in SCENES if jp.holds(scene.prompt)]
        if strays:
            raise Broken(f"{jp.name} holds a European prompt. Report this.")
        self._say(f"No file of {jp.name} holds one of the sentences above.")
        return refusal

    def _audit(self, eu: DemoCell, jp: DemoCell, refusal: Refusal) -> None:
        self._title("An auditor", "the cells are down; there is a copy of each log, and the keys to trust")
        for cell in (eu, jp):
            log, trust = cell.evidence(self.out / "logs" / cell.name)
            with self._busy(f"equerry audit verify {log} --trust {trust} --replay"):
                told = json.loads(equerry("audit", "verify", log, "--trust", trust, "--replay", "--json"))
            self._say(f"{cell.name}: {_verdict(told)}")
        denied = [entry for entry in _decisions(jp, self.out) if entry["dec"] == "deny"]
        if len(denied) != 1:
            raise Broken(f"The log of {jp.name} tells of {len(denied)} refusals; there was one. Report this.")
        self._say(f"The refusal in it ({refusal.status}): {json.dumps({k: denied[0][k] for k in SHOWN})}")

    def _keep(self, name: str, film: bytes) -> None:
        path = self.out / f"{name}.mp4"
        path.write_bytes(film)
        self._say(f"{path}: {len(film):,} bytes")
        made = read_film(film, fps=FPS, rate=RATE)
        for line in time_line(made, events(made), ramp()):
            self._say(f"  {line}")

    def _sheet(self, name: str, prompt: str) -> Sheet:
        film = read_film(self.out / f"{name}.mp4", fps=FPS, rate=RATE)
        return Sheet(film, f"{name}: {prompt}", (*seen(film), *events(film)))

    @contextmanager
    def _film(self, name: str, prompt: str) -> Iterator[Callable[[int], None]]:
        """A bar on a terminal; elsewhere the sentence alone."""
        self._say(f"{name}: {prompt}")
        columns = (TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        shown = Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True, disable=self._plain)
        with shown as bar:
            task = bar.add_task(name, total=100)
            yield lambda done: bar.update(task, completed=done)

    @contextmanager
    def _busy(self, what: str) -> Iterator[None]:
        began = perf_counter()
        if self._plain:
            yield
        else:
            with self.console.status(what):
                yield
        self._say(f"{what}  ({perf_counter() - began:.1f} s)")

    def _title(self, title: str, told: str) -> None:
        self.console.print(f"\n[bold]{title}[/]: {told}", highlight=False, soft_wrap=True)

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)

    @property
    def _plain(self) -> bool:
        return not self.console.is_terminal


SHOWN: Final = ("t", "dec", "ten", "cls", "pur", "sub", "cand")  # of a refusal's entry


def _both(work: Callable[[DemoCell], None], *cells: DemoCell) -> None:
    """The same for both cells at once; the first error counts, once both have ended."""
    with ThreadPoolExecutor(len(cells)) as pool:
        for done in [pool.submit(work, cell) for cell in cells]:
            done.result()


def _verdict(told: dict[str, Any]) -> str:
    if not told["holds"]:
        raise Broken(f"A log does not hold: {json.dumps(told['codes'])}. Report this.")
    marked = told["kinds"].get("output.marked", 0)
    return (
        f"it holds. {told['size']} entries, {told['requests']} requests, {told['replayed']} decisions made again, "
        f"{marked} films marked, {len(told['findings'])} findings."
    )


def _decisions(cell: DemoCell, out: Path) -> list[dict[str, Any]]:
    log = next((out / "logs" / cell.name / "residency").iterdir())
    entries = [json.loads(line)["entry"] for line in equerry("audit", "export", log).splitlines()]
    return [entry for entry in entries if entry["t"] == "route.decision"]
