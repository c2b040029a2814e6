"""One run over two cells, from the first canary to the last proof."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from typing import Final

import httpx

from policies.errors import PolicyError
from policies.log.export import lines
from policies.log.proof import entry_at, prove
from policies.log.trust import parse_trust
from policies.log.verify import Options, verify
from serving.conform import asks_dashscope, asks_native, asks_openai
from serving.conform.ask import Ask
from serving.conform.canary import Canaries
from serving.conform.capture import Capture
from serving.conform.collector import Collector, listening
from serving.conform.deprive import deprived
from serving.conform.loss import lost
from serving.conform.outcome import Check, judged, skipped
from serving.conform.plants import Plant, plants
from serving.conform.provoke import NOT_HERE, Provoked, Room, forget, provoked
from serving.conform.report import Evidence, Report
from serving.conform.search import Place, of_another, of_its_own, searched
from serving.conform.site import Guest, Site
from serving.conform.wire import crossed, not_watched
from serving.conform.wires import absent, laid
from serving.errors import CellError, Refused, Unavailable

__all__ = ["Plan", "Run"]

QUEUE: Final = 20  # jobs of the kit's tenant that may wait at a cell which it starts, so that a flood is soon one
LET_IN: Final = 120.0  # seconds in which the rules of a cell must know the kit's tenant
MADE: Final = 300.0  # seconds in which a film of one second must be there
SETTLE: Final = 1.5  # seconds in which telemetry is sent and files are closed

Tell = Callable[[str, int, int], None]  # what is being done, how much of it, of how much
Clock = Callable[[], int]  # milliseconds since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried."""

    requests: int = 500  # with canaries, to both cells
    network: bool = True  # whether cells that are started get networks of their own
    deprive: bool = True  # whether things are taken away from cells that are started
    quick: bool = False  # one cell is robbed rather than both


class Run:
    """Tries two cells. `tell` hears what is being done; `now` is the time of the report."""

    def __init__(self, sites: tuple[Site, Site], plan: Plan, *, tell: Tell, now: Clock) -> None:
        if sites[0].name == sites[1].name:
            raise Refused(f"Both settings are of the cell {sites[0].name}. Name two cells.")
        self.sites, self.plan, self.tell, self.now = sites, plan, tell, now
        self.words = tuple(Canaries(f"eqc{secrets.token_hex(6)}") for _ in sites)
        self.begun = now()
        self.sent = 0
        self.capture: Capture | None = None
        self.collectors: list[Collector | None] = [None, None]

    def __call__(self) -> Report:
        """The whole run. Cells that it started are stopped and its tenants closed, whatever happens."""
        with ExitStack() as stack:
            ours = self._prepare(stack)
            checks = [*self._all(ours)]
            evidence = tuple(self._evidence(site) for site in self.sites)
        return Report(
            version=version("equerry"),
            begun=self.begun,
            ended=self.now(),
            cells=tuple(site.name for site in self.sites),
            requests=self.sent,
            canaries=sum(map(len, self.words)),
            checks=tuple(checks),
            evidence=evidence,
        )

    def _all(self, ours: bool) -> Iterator[Check]:
        """Every check; what keeps the run from going on is a check that failed, so that there is always a report."""
        try:
            for some in self._checks(ours):
                yield from some
        except (CellError, PolicyError, httpx.HTTPError, ValueError, LookupError) as error:
            words = f"{type(error).__name__}: {error}"
            yield judged("run", "The run goes through to its end", False, words)

    # -- before

    def _prepare(self, stack: ExitStack) -> bool:
        """Networks, guests and processes. True when the cells are the kit's to start and to stop."""
        running = [site.name for site in self.sites if site.running()]
        if len(running) == 1:
            raise Refused(
                f"{running[0]} runs and the other cell does not. Start both, or stop both and let the kit start them."
            )
        ours = not running
        self._why = "the cells run already, in networks that are not the kit's" if running else ""
        if ours:
            self._lay(stack)
        for site in self.sites:
            stack.callback(site.farewell, self.now())
            site.welcome(self.now())
        for number, site in enumerate(self.sites if ours else ()):
            site.more["EQUERRY_LIMITS__QUEUE_PER_TENANT"] = str(QUEUE)
            self.tell("starting both cells", number, 2)
            stack.callback(site.stop)
            site.start(wait=False)
        for site in self.sites if ours else ():
            site.arrive()
        self._let_in()
        return ours

    def _lay(self, stack: ExitStack) -> None:
        self._why = "it was not wanted" if not self.plan.network else absent()
        host = "127.0.0.1"
        if not self._why:
            wires = stack.enter_context(laid(f"eqk-{secrets.token_hex(2)}"))
            host = wires.hub
            for site, end in zip(self.sites, wires.ends, strict=True):
                site.end = end
            self.capture = stack.enter_context(Capture(wires))
        for number, site in enumerate(self.sites):
            collector = stack.enter_context(listening(host))
            self.collectors[number] = collector
            site.collector = collector.address

    def _let_in(self) -> None:
        """Waits until each cell's rules know the kit's tenant."""
        for site in self.sites:
            end = time.monotonic() + LET_IN
            with site.client() as client:
                while (status := client.get("/v1/jobs").status_code) != 200:
                    if time.monotonic() > end:
                        raise Unavailable(
                            f"{site.name} does not let the kit's tenant in (status {status}). Look at its rules."
                        )
                    time.sleep(0.2)

    # -- what is checked

    def _checks(self, ours: bool) -> Iterator[Sequence[Check]]:
        films = [self._film(number) for number in range(2)]
        yield self._asked()
        yield [self._provoked(number, films[number]) for number in range(2)]
        time.sleep(SETTLE)
        self.tell("searching both cells", 0, 1)
        places = [Place(site, collector) for site, collector in zip(self.sites, self.collectors, strict=True)]
        yield [of_another(places[1 - n], self.sites[n].name, self.words[n].needles()) for n in range(2)]
        yield [of_its_own(places[n], self.words[n].needles(own=True)) for n in range(2)]
        yield [self._wire()]
        yield self._planted(places)
        if ours:
            yield self._lost()
        yield from self._deprived(ours)
        yield [self._verified(site) for site in self.sites]

    def _film(self, number: int) -> str:
        """Makes one film with a canary in its prompt; its job."""
        site, words = self.sites[number], self.words[number]
        self.tell(f"making a film at {site.name}", number, 2)
        prompt = f"a red circle bounces {words.word('the film that was made')}"
        with site.client() as client:
            told = client.post("/v1/jobs", json={"prompt": prompt, "seconds": 1, "size": "64x64"}).json()
            if "id" not in told:
                raise Unavailable(f"{site.name} takes no film ({told.get('detail')}).")
            job = words.drawn(str(told["id"]), "the id of the film's job")
            end = time.monotonic() + MADE
            while client.get(f"/v1/jobs/{job}").json()["state"] not in ("succeeded", "failed"):
                if time.monotonic() > end:
                    raise Unavailable(f"{site.name} made no film of one second within {MADE:.0f} s.")
                time.sleep(0.3)
            film = client.get(f"/v1/jobs/{job}/content")
        if not film.is_success:
            raise Unavailable(f"{site.name} could not make a film. Look at `equerry job list`.")
        words.drawn(sha256(film.content).hexdigest(), "the SHA-256 of the film that was made")
        return job

    def _asked(self) -> list[Check]:
        """Every ask at its own cell and, with the same key, at the wrong one."""
        planned = [*self._plan()]
        home: Counter[str] = Counter()
        abroad: Counter[str] = Counter()
        strange: list[str] = []
        with ExitStack() as stack:
            clients = {
                (n, m): stack.enter_context(self.sites[m].client(self.sites[n].guest))
                for n in range(2)
                for m in range(2)
            }
            for count, (ask, source, target) in enumerate(planned):
                self.tell("sending canaries", count, len(planned))
                status = self._send(ask, clients[source, target])
                (home if source == target else abroad)[status] += 1
                if status.startswith("5") or not status.isdecimal() or (source != target and status[0] != "4"):
                    strange.append(f"{ask.name} at {self.sites[target].name}: {status}")
            for number in range(2):
                home[str(asks_dashscope.left(clients[number, number], self.words[number]))] += 1
        self.sent += len(planned) + 2
        return [
            judged(
                "asks.answered",
                "Every request is answered, whatever its fields hold, and none with a fault of the cell's",
                not any(home[each] for each in home if each.startswith("5") or not each.isdecimal()),
                "; ".join(each for each in strange if "at" in each)[:500] or f"At home: {_counted(home)}.",
                figures={"requests": sum(home.values())},
            ),
            judged(
                "asks.wrong-cell",
                "A key opens nothing at the other cell",
                sum(abroad.values()) > 0 and not any(each[0] != "4" for each in abroad),
                f"At the wrong cell: {_counted(abroad)}.",
                figures={"requests": sum(abroad.values())},
            ),
        ]

    def _plan(self) -> Iterator[tuple[Ask, int, int]]:
        """As many as wanted, over dialects, modes and fields: each ask, its own cell, and the one that gets it."""
        of = [[*asks_openai.asks(words), *asks_dashscope.asks(words), *asks_native.asks(words)] for words in self.words]
        wanted = max(4, min(self.plan.requests, 4 * len(of[0])))
        for place in range(wanted):
            number, way = divmod(place, 4)
            source, target = ((0, 0), (0, 1), (1, 1), (1, 0))[way]
            asks = of[source]
            yield asks[number * len(asks) // -(-wanted // 4)], source, target

    def _send(self, ask: Ask, client: httpx.Client) -> str:
        try:
            answer = ask.send(client)
            if answer.is_success and ask.method == "POST" and "json" in answer.headers.get("content-type", ""):
                forget(client, answer)
        except httpx.HTTPError as error:
            return type(error).__name__
        return str(answer.status_code)

    def _provoked(self, number: int, film: str) -> Check:
        site, words = self.sites[number], self.words[number]
        with site.client() as client:
            waiting: list[str] = []
            room = Room(
                site=site,
                other=self.sites[1 - number].guest or Guest("", "", ""),
                words=words,
                film=film,
                waiting=lambda: _newest(waiting, client),
            )
            done: list[Provoked] = []
            for each in provoked(room):
                self.tell(f"provoking errors at {site.name}", len(done), 50)
                done.append(each)
            for job in waiting:
                client.delete(f"/v1/jobs/{job}")
        self.sent += len(done)
        wrong = [
            f"{each.error} in {each.dialect}: {each.status} for {each.expected}" for each in done if not each.as_said
        ]
        kinds = {each.error for each in done if each.as_said}
        return judged(
            f"errors.{site.name}",
            "Every error that a client can meet is answered as each dialect says",
            not wrong,
            "; ".join(wrong) or f"{', '.join(sorted(kinds))}. Not from outside: {', '.join(NOT_HERE)}.",
            figures={"provoked": len(done), "kinds": len(kinds)},
        )

    def _wire(self) -> Check:
        return crossed(self.capture.told(), self.sites) if self.capture else not_watched(self._why)

    def _lost(self) -> list[Check]:
        """The second cell is killed; the first goes on, and does not call for it."""
        self.tell("losing a cell", 0, 1)
        before = self.capture.told().crossed if self.capture else 0
        check = lost(self.sites[0], self.sites[1], self.words[0])
        if self.capture is None:
            return [check]
        more = self.capture.told().crossed - before
        says = f"{self.sites[0].name} does not call for {self.sites[1].name} while that is gone"
        words = f"{more} packets between them."
        return [check, judged("wire.loss", says, more == 0, words, figures={"packets_between": more})]

    # -- that the kit would have seen it

    def _planted(self, places: Sequence[Place]) -> list[Check]:
        found: list[str] = []
        missed: list[str] = []
        for each in plants(self.words[0], self.sites[0], self.sites[1]):
            self.tell("planting leaks", len(found), 5)
            (found if self._sees(each, places[1]) else missed).append(each.name)
        says = "A leak that the kit plants itself is found: it would have found a real one"
        words = f"Not found: {'; '.join(missed)}." if missed else f"Found: {'; '.join(found)}."
        return [
            judged("plants", says, bool(found) and not missed, words, figures={"planted": len(found) + len(missed)})
        ]

    def _sees(self, plant: Plant, wrong: Place) -> bool:
        before = self.capture.told().crossed if self.capture else 0
        plant.put()
        try:
            if not plant.on_the_wire:
                leaks = searched(wrong, self.words[0].needles(), own=False).leaks
                return any("planted" in leak.what for leak in leaks)
            time.sleep(0.5)
            told = self.capture.told() if self.capture else None
            stem = self.words[0].stem.encode()
            return told is not None and told.crossed > before and any(stem in each.frame for each in told.crossings)
        finally:
            plant.pull()

    def _deprived(self, ours: bool) -> Iterator[Sequence[Check]]:
        says = "Without its policy, its log or its keys a cell closes its doors"
        if not (ours and self.plan.deprive):
            why = "it was not wanted" if ours else "the cells serve others, and are not the kit's to rob"
            yield [skipped("deprived", says, f"Nothing was taken away: {why}.")]
            return
        for number in (1,) if self.plan.quick else (1, 0):
            checks: list[Check] = []
            for each in deprived(self.sites[number], self.words[number]):
                self.tell(f"robbing {self.sites[number].name}", len(checks), 6)
                checks.append(each)
            yield checks

    # -- what an auditor keeps

    def _verified(self, site: Site) -> Check:
        self.tell(f"verifying the log of {site.name}", 0, 1)
        found = verify(site.log, parse_trust(site.trust.read_bytes()), Options(replay=True))
        words = f"{found.size:,} entries, {found.requests:,} requests, {found.replayed:,} decisions made again."
        if found.findings:
            words = "; ".join(sorted({f"{each.code}: {each.words}" for each in found.findings}))[:1_000]
        says = f"The residency log of {site.name} verifies, every decision of this run made again"
        return judged(f"log.{site.name}", says, found.holds, words, figures={"entries": found.size})

    def _evidence(self, site: Site) -> Evidence:
        log, tenant = site.opened(), site.guest.tenant if site.guest else ""
        of_ours = (
            line.index for line in lines(log) if line.entry["t"] == "route.decision" and line.entry["ten"] == tenant
        )
        index = max(of_ours, default=0)
        return Evidence(
            cell=site.name,
            jurisdiction=site.settings.cell.jurisdiction,
            index=index,
            entry=entry_at(log, index),
            proof=prove(log, index),
            trust=site.trust.read_bytes(),
        )


def _long(client: httpx.Client) -> str:
    """Asks for a film that takes a while, as long as the cell takes one; its job. Raises Unavailable."""
    for seconds in (15, 6, 2):
        answer = client.post("/v1/jobs", json={"prompt": "a ball", "seconds": seconds, "size": "64x64"})
        if answer.is_success:
            return str(answer.json()["id"])
    raise Unavailable(f"A cell takes no film at all now (status {answer.status_code}). Let it work off its queue.")


def _newest(waiting: list[str], client: httpx.Client) -> str:
    """A new job that takes a while, noted so that it can be taken back."""
    waiting.append(_long(client))
    return waiting[-1]


def _counted(statuses: Counter[str]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
