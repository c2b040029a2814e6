"""One cell in simulated time: the real admission before a line, and hands that are lost and found with their zones."""

from __future__ import annotations

from bisect import insort
from collections import Counter, deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final

import simpy

from policies.promises import Promise
from policies.sla import Rejection
from serving.settings import Limits
from serving.simulate.scenario import Cell
from serving.sla.admission import Taken, Turned, consider
from serving.sla.line import Line, Waiting
from serving.sla.pace import Pace, Sample, learn
from serving.sla.shares import RATE_MS, Refused, Shares, shares_of

__all__ = ["Film", "House"]

REMEMBERED: Final = 300  # films that the pace is learnt from
EVERY: Final = 50  # films between two lessons
LOOK_MS: Final = 1_000  # between two looks at who asks for how much, as a gateway looks
CHUNK_MS: Final = 2_000  # of work between two checkpoints: more than this is never made twice


@dataclass(slots=True, kw_only=True, eq=False)
class Film:
    """One request, from acceptance to delivery."""

    number: int
    tenant: int
    tier: str
    kind: str  # films of one kind take alike
    work: int  # as in `serving.sla.work`
    needs_ms: int  # that a hand will really take
    promise: Promise
    accepted: int = 0  # milliseconds from the beginning, as all that follow
    due: int = 0
    eta: int = 0
    begun: int = -1
    done: int = -1
    left_ms: int = 0
    price: int = 0  # minor unit of the tenant's currency


class House:
    """A cell at work."""

    def __init__(
        self,
        env: simpy.Environment,
        cell: Cell,
        first_ms: Callable[[int], int],
        done: Callable[[Film], None],
        limits: Limits | None = None,
    ) -> None:
        """`first_ms` says what work is taken to take until anything was measured; `done` hears of delivered films."""
        self.env, self.cell, self._first_ms, self._done = env, cell, first_ms, done
        self.limits = limits or Limits()
        self.free = [cell.replicas] * cell.zones
        self.down = [0] * cell.zones  # how many outages each zone is in
        self.waiting: list[Waiting] = []
        self.films: dict[str, Film] = {}  # of the waiting
        self._waits: Counter[int] = Counter()  # of these, by tenant
        self._work_ms = 0  # of these
        self.busy: dict[str, tuple[int, int, simpy.Process]] = {}  # zone, expected end, what makes it
        self.pace: Pace = learn([])
        self._samples: deque[Sample] = deque(maxlen=REMEMBERED)
        self._recent: deque[Sample] = deque(
            maxlen=REMEMBERED
        )  # of these, but for the first that are too old for shares
        self._refused: deque[Refused] = deque(maxlen=REMEMBERED)
        self._shares, self._looked = Shares(), -LOOK_MS
        self._lessons = 0
        self.worked_ms = 0  # of hands, for films
        self.up_ms = 0  # of hands, busy or not
        self.resumed = 0
        self._since = 0

    @property
    def hands(self) -> int:
        """Replicas that are there; each makes one film at a time."""
        return self.cell.replicas * self.down.count(0)

    def count_hands(self) -> None:
        """Adds what has gone by; called before the number of hands changes, and at the end."""
        now = int(self.env.now)
        self.up_ms += self.hands * (now - self._since)
        self._since = now

    def line(self) -> Line:
        """The line as a gateway sees it."""
        now = int(self.env.now)
        return Line(
            now=now,
            hands=self.hands,
            busy_ms=tuple(max(0, end - now) for _, end, _ in self.busy.values()),
            waiting=tuple(self.waiting),
        )

    def ask(self, film: Film) -> Taken | Turned:
        """Takes a film on, or says why not."""
        if len(self.waiting) >= self.limits.queue or self._waits[film.tenant] >= self.limits.queue_per_tenant:
            return Turned(why=Rejection.QUEUE_FULL, retry_ms=max(1_000, self._work_ms // max(1, self.hands)))
        cost = self.pace.estimate(film.kind, film.work, self._first_ms(film.work))
        line, now = self.line(), int(self.env.now)
        if now - self._looked >= LOOK_MS:
            self._shares, self._looked = self._look(line), now
        found = consider(line, film.promise, cost, self._shares, region=self.cell.region)
        if isinstance(found, Turned) and found.retry_ms:
            self._refused.append(Refused(now, found.patience_ms, cost.ms))
        if isinstance(found, Taken):
            film.accepted, film.due, film.eta, film.left_ms = now, now + found.slack_ms, found.eta_ms, film.needs_ms
            self._queue(film, cost.ms)
            self._serve()
        return found

    def _look(self, line: Line) -> Shares:
        """Who asks for how much. What is too old to count is not looked at again."""
        while self._recent and self._recent[0].ordered <= line.now - RATE_MS:
            self._recent.popleft()
        while self._refused and self._refused[0].at <= line.now - RATE_MS:
            self._refused.popleft()
        return shares_of(self._recent, line, self._refused)

    def _queue(self, film: Film, cost_ms: int) -> None:
        name = f"{film.number:012d}"
        self.films[name] = film
        self._count(film, 1, cost_ms)
        insort(self.waiting, Waiting(0, film.due, film.accepted, name, cost_ms))

    def _count(self, film: Film, films: int, cost_ms: int) -> None:
        self._waits[film.tenant] += films
        self._work_ms += cost_ms

    def _serve(self) -> None:
        """Hands that are free take what is due first."""
        for zone in range(self.cell.zones):
            while self.free[zone] and self.waiting:
                self.free[zone] -= 1
                first = self.waiting.pop(0)
                film = self.films.pop(first.id)
                self._count(film, -1, -first.cost_ms)
                process = self.env.process(self._made(first.id, film, zone))
                self.busy[first.id] = (zone, int(self.env.now) + first.cost_ms, process)

    def _made(self, name: str, film: Film, zone: int) -> Generator[simpy.Event, None, None]:
        began = int(self.env.now)
        if film.begun < 0:
            film.begun = began
        try:
            yield self.env.timeout(film.left_ms)
        except simpy.Interrupt:
            self._broken_off(film, int(self.env.now) - began)
            return
        del self.busy[name]
        self.worked_ms += film.left_ms
        self.free[zone] += 1
        film.done = int(self.env.now)
        self._learn(film)
        self._done(film)
        self._serve()

    def _broken_off(self, film: Film, worked: int) -> None:
        """What is checkpointed is kept; the rest is made by whoever claims the film next. It keeps its place."""
        self.worked_ms += worked
        self.resumed += 1
        film.left_ms -= worked // CHUNK_MS * CHUNK_MS
        self._queue(film, film.left_ms)

    def _learn(self, film: Film) -> None:
        patience = min(film.promise.queue_wait_ms, max(0, film.promise.video_ms - film.needs_ms))
        sample = Sample(
            kind=film.kind, work=film.work, hand_ms=film.needs_ms, patience_ms=patience, ordered=film.accepted
        )
        self._samples.append(sample)
        self._recent.append(sample)
        self._lessons += 1
        if self._lessons % EVERY == 1:
            self.pace = learn(self._samples)

    def fail(self, zone: int | None) -> None:
        """Zones go: what their hands were making waits again."""
        self.count_hands()
        for gone in range(self.cell.zones) if zone is None else (zone,):
            self.down[gone] += 1
            self.free[gone] = 0
            for name, (where, _, process) in list(self.busy.items()):
                if where == gone:
                    del self.busy[name]
                    process.interrupt()

    def mend(self, zone: int | None) -> None:
        """Zones are back, with free hands."""
        self.count_hands()
        for back in range(self.cell.zones) if zone is None else (zone,):
            self.down[back] -= 1
            if not self.down[back]:
                self.free[back] = self.cell.replicas
        self._serve()
