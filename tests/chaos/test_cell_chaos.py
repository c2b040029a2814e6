"""A whole cell and its database, killed, frozen and crashed while 200 films are asked for: every promise holds.

The gateway, the studio, the log and the store are the real ones, in the real process; the database is a Postgres server
of this test's own; the model is the smallest that the engine's own classes can be.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from model.media import read_film
from policies.log.trust import parse_trust
from policies.log.verify import Options, verify
from serving.demo.cells import DemoCell, free_ports
from serving.home import Site
from serving.jobs.job import JobId, State
from serving.jobs.sql.store import SqlStore, open_store
from tests.postgres import Server
from tests.tiny import with_tiny_model

pytestmark = pytest.mark.slow

FILMS = 200
LEASE_S = 9.0  # a studio that has to share its core keeps it, and a freeze is long enough to lose it
PATIENCE_S = 1_800  # for the whole of it on a busy machine; three minutes are usual
EACH = 3  # times of each harm, at the least
SITE, NEIGHBOUR = Site(cell="eu-par", country="FR", city="Paris"), Site(cell="jp-tyo", country="JP", city="Tokyo")
SETTINGS = f"""
[database]
url = "{{url}}"

[jobs]
lease = {LEASE_S}
heartbeat = 2
attempts = 1000

[limits]
queue = 10000
queue_per_tenant = 10000

[sla]
on = false
"""


@pytest.fixture
def cell(mortal: Server, tmp_path: Path) -> Iterator[DemoCell]:
    """A cell on the mortal server, with short leases and no end of attempts."""
    made = DemoCell(SITE, tmp_path / "eu", free_ports())
    made.make(NEIGHBOUR)
    with_tiny_model(made.folder, SETTINGS.format(url=mortal.address()))
    made.start()
    try:
        made.wait(PATIENCE_S)
        yield made
    finally:
        if made.process is not None:
            made.process.kill()
            made.process.wait()


class Client(threading.Thread):
    """Asks for films, one after the other, and asks again under the same key until each is taken."""

    def __init__(self, cell: DemoCell, end: float) -> None:
        super().__init__(daemon=True)
        self.cell, self.end = cell, end
        self.taken: list[str] = []  # ids, as they were promised
        self.again = 0  # requests that had to be repeated
        self.wrong = ""  # an answer that no client should get

    def run(self) -> None:
        headers = {"authorization": f"Bearer {self.cell.key}"}
        with httpx.Client(base_url=self.cell.url, headers=headers, timeout=30, trust_env=False) as http:
            for number in range(FILMS):
                if not self.wrong:
                    self._ask(http, number)

    def _ask(self, http: httpx.Client, number: int) -> None:
        body = {"prompt": f"film {number}", "seconds": "2", "size": "64x64", "seed": number}
        while time.monotonic() < self.end:
            try:
                answer = http.post("/v1/videos", json=body, headers={"idempotency-key": f"film-{number}"})
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code == 200:
                self.taken.append(answer.json()["id"].removeprefix("video_"))
                return
            if answer is not None and answer.status_code not in (429, 500, 503):
                self.wrong = answer.text
                return
            self.again += 1
            time.sleep(0.2)


class Harm:
    """Does its worst to one cell and one database, in turn, each time after some more films were taken on."""

    def __init__(self, cell: DemoCell, server: Server, client: Client, rng: random.Random) -> None:
        self.cell, self.server, self.client, self.rng = cell, server, client, rng
        self.done: Counter[str] = Counter()

    @property
    def enough(self) -> bool:
        return min(self.done[kind] for kind in ("killed", "frozen", "database killed", "database restarted")) >= EACH

    def __call__(self) -> None:
        self._pause()
        kinds = {
            "killed": self.kill,
            "frozen": self.freeze,
            "database killed": self.crash,
            "database restarted": self.restart,
        }
        least = min(self.done[kind] for kind in kinds)
        kind = self.rng.choice([kind for kind in kinds if self.done[kind] == least])
        kinds[kind]()
        self.done[kind] += 1

    def _pause(self) -> None:
        """As long as films take, so that a slow machine is not hurt more often than it can do anything."""
        time.sleep(self.rng.uniform(0.0, 2.0))
        enough = len(self.client.taken) + self.rng.randint(2, 14)
        while self.client.is_alive() and len(self.client.taken) < enough and time.monotonic() < self.client.end:
            time.sleep(0.1)

    def kill(self) -> None:
        process = self.cell.process
        assert process is not None
        process.kill()
        process.wait()
        self.cell.start()
        self.cell.wait(PATIENCE_S)

    def freeze(self) -> None:
        """For longer than a lease: what it was making is somebody else's when it wakes."""
        process = self.cell.process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5 * LEASE_S)
        process.send_signal(signal.SIGCONT)

    def crash(self) -> None:
        self.server.kill()
        self.server.start()

    def restart(self) -> None:
        self.server.stop("fast")
        self.server.start()


def ended(cell: DemoCell, store: SqlStore, number: int, end: float) -> None:
    """Waits until every job has ended."""
    while len(store.board([State.SUCCEEDED], limit=10_000)) < number:
        assert time.monotonic() < end, (store.backlog(), cell.tail())
        assert cell.process is not None
        assert cell.process.poll() is None, cell.tail()
        time.sleep(0.5)


def test_a_cell_and_its_database_die_often_and_no_film_is_lost_billed_twice_or_finished_by_a_ghost(cell, mortal):
    end = time.monotonic() + PATIENCE_S
    client = Client(cell, end)
    harm = Harm(cell, mortal, client, random.Random(5))
    client.start()
    while not harm.enough or client.is_alive():
        assert not client.wrong, client.wrong
        assert time.monotonic() < end, (harm.done, len(client.taken))
        harm()

    with closing(open_store(mortal.address(), migrated=False)) as store:
        ended(cell, store, FILMS, end)
        check_jobs(store, client.taken)
        check_films(cell, store, random.Random(6).sample(client.taken, 5))
    check_log(cell)
    assert harm.enough, harm.done
    assert client.again > 0  # else nothing was ever in the way


def check_jobs(store: SqlStore, promised: list[str]) -> None:
    """None lost, none made twice, each billed once, and each by the worker who held the last lease."""
    jobs = {job.id: job for job in store.board(limit=10_000)}
    assert len(promised) == len(set(promised)) == FILMS  # each request became one job, however often it was sent
    assert set(jobs) == set(promised)  # 0 lost, and none that nobody was told of
    assert {job.state for job in jobs.values()} == {State.SUCCEEDED}
    assert Counter(line.job for line in store.usage()) == Counter(list(jobs))  # 0 billed twice
    for job in jobs.values():
        moves = store.moves(job.id)
        fences = [move.fence for move in moves if move.state is State.RUNNING]
        assert fences == list(range(1, len(fences) + 1))  # no fence was given twice
        assert [move.state for move in moves].count(State.SUCCEEDED) == 1
        assert moves[-1].fence == job.fence == fences[-1]  # 0 finished under a fence that was not the last
        assert job.result is not None
        assert f"/{job.fence}/" in json.loads(job.result)["key"]


def check_films(cell: DemoCell, store: SqlStore, some: list[str]) -> None:
    """What clients fetch is what the job says, and a film."""
    headers = {"authorization": f"Bearer {cell.key}"}
    for each in some:
        made = store.look(JobId(each)).result
        assert made is not None
        url = f"{cell.url}/v1/videos/video_{each}/content"
        film = httpx.get(url, headers=headers, timeout=60, trust_env=False).content
        assert sha256(film).hexdigest() == json.loads(made)["sha256"]
        assert read_film(film, fps=Fraction(8), rate=8_000).seconds == 2.0


def check_log(cell: DemoCell) -> None:
    """The residency log verifies, decisions made again, and tells of as many films as there are."""
    cell.stop()
    trust = next((cell.folder / "log").glob("*.trust"))
    report = verify(
        next((cell.folder / "log" / "residency").iterdir()), parse_trust(trust.read_bytes()), Options(replay=True)
    )
    assert [finding.code for finding in report.findings] == []
