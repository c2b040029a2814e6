"""What a cell promises its clients, checked from outside after whatever was done to it.

Client        asks for films until each is taken, whatever is in the way
ended         waits until every job has ended
check_kept    none lost, none billed twice, none finished by a ghost, and films are films
check_log     the residency log verifies, with every decision made again
check_ends    an hour later no request in it is open, whatever was killed between its decision and its end
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from fractions import Fraction
from hashlib import sha256

import httpx

from model.media import read_film
from policies.log.completeness import GRACE
from policies.log.trust import parse_trust
from policies.log.verify import Options, verify
from serving.demo.cells import DemoCell
from serving.ends import tell_ends
from serving.gate import Place
from serving.jobs.job import JobId, State
from serving.jobs.sql.store import SqlStore
from serving.loose import AGE_MS, LooseEnds
from serving.parts import now_ms, own_ledger
from serving.settings_file import load

FETCHED = 5  # films that are looked at
FULL = 429  # the cell asks to come again, which is no harm
SAD = (State.FAILED, State.CANCELLED, State.EXPIRED)  # ends that nobody here asked for
AGAIN = (FULL, 500, 503)  # answers after which a client comes again


class Client(threading.Thread):
    """Asks for films, one after the other, and asks again under the same key until each is taken."""

    def __init__(self, cell: DemoCell, films: int, end: float) -> None:
        super().__init__(daemon=True)
        self.cell, self.films, self.end = cell, films, end
        self.taken: list[str] = []  # ids, as they were promised
        self.again = 0  # requests that had to be repeated, other than those that found the queue full
        self.wrong = ""  # an answer that no client should get

    def run(self) -> None:
        headers = {"authorization": f"Bearer {self.cell.key}"}
        with httpx.Client(base_url=self.cell.url, headers=headers, timeout=30, trust_env=False) as http:
            for number in range(self.films):
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
            if answer is not None and answer.status_code not in AGAIN:
                self.wrong = answer.text
                return
            self.again += answer is None or answer.status_code != FULL
            time.sleep(0.2)


def ended(cell: DemoCell, store: SqlStore, number: int, end: float) -> None:
    """Waits until every job has ended; one that ended otherwise than well is told at once."""
    while len(store.board([State.SUCCEEDED], limit=10_000)) < number:
        lost = [(job, store.moves(job.id)) for job in store.board(SAD, limit=10)]
        assert not lost, (lost, cell.tail())
        assert time.monotonic() < end, (store.backlog(), cell.tail())
        assert cell.process is not None
        assert cell.process.poll() is None, cell.tail()
        time.sleep(0.5)


def check_kept(cell: DemoCell, store: SqlStore, client: Client) -> None:
    """What the database and the cell, which runs, say of the films that a client was promised."""
    check_jobs(store, client.taken, client.films)
    check_films(cell, store, random.Random(6).sample(client.taken, FETCHED))
    assert client.again > 0  # else nothing was ever in the way


def check_jobs(store: SqlStore, promised: list[str], films: int) -> None:
    """None lost, none made twice, each billed once, and each by the worker who held the last lease."""
    jobs = {job.id: job for job in store.board(limit=10_000)}
    assert len(promised) == len(set(promised)) == films  # each request became one job, however often it was sent
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


def check_log(cell: DemoCell, grace: int = GRACE) -> None:
    """The residency log of a cell that has stopped, as an auditor reads it: no finding, nor a decision that differs.
    `grace` is how long a request may be under way, ms."""
    trust = next((cell.folder / "log").glob("*.trust"))
    report = verify(
        next((cell.folder / "log" / "residency").iterdir()),
        parse_trust(trust.read_bytes()),
        Options(replay=True, grace=grace),
    )
    assert [finding.code for finding in report.findings] == []


def check_ends(cell: DemoCell, store: SqlStore) -> None:
    """Of a cell that has stopped, with the duties that its house would have done by then."""
    settings = load(cell.folder / "cell.toml")
    c = settings.cell
    place = Place(
        cell=c.name, region=f"{c.provider}/{c.region}", evidence="declared", egress="0" * 64, accelerator="cpu"
    )
    ledger = own_ledger(settings)
    try:
        log, later = ledger.pen.log, lambda: now_ms() + AGE_MS
        loose = LooseEnds(ledger.folder, lambda: log.head.checkpoint.size, store, ledger.pen, place, later)
        asyncio.run(tell_ends(store, ledger.pen, place))
        asyncio.run(loose.round())
    finally:
        ledger.close()
    check_log(cell, grace=0)
