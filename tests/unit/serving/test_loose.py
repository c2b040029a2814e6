"""Decisions that became no job, and whose gateway died before it said so, get an end; all others are left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from policies.log.entry import Pad
from policies.log.shards import Series
from policies.log.trust import parse_trust
from policies.log.verify import Options, verify
from serving.gate import Place
from serving.jobs.job import Draft, JobId, TenantId
from serving.jobs.memory import MemoryStore
from serving.ledger import Ledger, open_ledger
from serving.loose import AGE_MS, LooseEnds
from tests.unit.policies import residency

PLACE = Place(cell="eu", region=residency.REGION, evidence="declared", egress="0" * 64, accelerator="cpu")


@dataclass
class Desk:
    """A log, a store and the time."""

    folder: Path
    now: int = residency.START

    def __post_init__(self) -> None:
        self.store = MemoryStore(lambda: self.now)
        self.ledger = self.opened()

    def opened(self) -> Ledger:
        keys, root = self.folder / "keys", self.folder / "log"
        series = Series(root=root, keys=keys, domain="op.example", cell="eu-par", kind="residency")
        return open_ledger(series, now=lambda: self.now, rng=lambda n: next(DRAWS).to_bytes(n), linger=0)

    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = self.opened()

    def loose(self) -> LooseEnds:
        log = self.ledger.pen.log
        return LooseEnds(
            self.ledger.folder, lambda: log.head.checkpoint.size, self.store, self.ledger.pen, PLACE, lambda: self.now
        )

    def decide(self, number: int, *, job: bool = False) -> None:
        self.ledger.tell(residency.decision(number))
        if job:
            name = JobId(residency.request(number).removeprefix("r-"))
            tenant = TenantId(residency.TENANT)
            self.store.submit(Draft(id=name, tenant=tenant, order="{}", fingerprint=name, estimated_ms=1))

    def findings(self) -> list[str]:
        """What an auditor finds who gives no time."""
        self.ledger.tell(Pad())
        trust = parse_trust(self.ledger.trust.read_bytes())
        return sorted(verify(self.ledger.folder, trust, Options(grace=0)).codes)


DRAWS = iter(range(1 << 20, 1 << 30))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.ledger.close()


def ended(loose: LooseEnds, times: int = 1) -> list[int]:
    return [asyncio.run(loose.round()) for _ in range(times)]


def test_a_decision_that_became_no_job_gets_an_end_once_it_is_old(desk):
    loose = desk.loose()
    desk.decide(1)
    desk.now += AGE_MS - 1
    early, before = ended(loose), desk.findings()
    desk.now += 1

    assert (early, before) == ([0], ["execution.missing"])
    assert ended(loose, 2) == [1, 0]
    assert desk.findings() == []


def test_a_decision_whose_gateway_was_killed_with_its_cell_is_found_after_the_start(desk):
    for number in range(300):  # more than one bundle
        desk.decide(number)
    desk.reopen()
    desk.now += AGE_MS

    assert ended(desk.loose(), 2) == [300, 0]
    assert desk.findings() == []
    assert ended(desk.loose()) == [0]  # nor after a further start


def test_a_job_and_a_request_that_has_ended_are_left_alone(desk):
    loose = desk.loose()
    desk.decide(1, job=True)
    desk.decide(2)
    desk.ledger.tell(residency.execution(2, out_bytes=0))
    desk.ledger.tell(residency.denial(3))
    desk.now += AGE_MS

    size = desk.ledger.pen.log.head.checkpoint.size
    assert ended(loose, 2) == [0, 0]
    assert desk.ledger.pen.log.head.checkpoint.size == size


def test_a_store_that_is_away_ends_nothing_and_forgets_nothing(desk, monkeypatch):
    loose = desk.loose()
    desk.decide(1)
    desk.now += AGE_MS
    with monkeypatch.context() as away:
        away.setattr(desk.store, "look", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ended(loose)

    assert ended(loose) == [1]
