"""Housekeeping goes on whatever a duty raises, and a cell whose house is not kept says that it is not ready."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import serving.house
from policies.errors import Unavailable as Away
from serving.cluster.recorder import Recorder
from serving.duties import LONG, Duties
from serving.errors import Unavailable
from serving.home import Site, make_home, own_key, today
from serving.house import House
from serving.jobs.job import TenantId
from serving.jobs.records import Artefact
from serving.ledger import Ledger
from serving.parts import Parts, build
from serving.settings_file import load
from serving.telemetry.eyes import Blind, Told


class Counting(Blind):
    """Eyes that remember what was counted."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, dict[str, Told]]] = []

    def count(self, metric: str, amount: float = 1, **labels: Told) -> None:
        self.counted.append((metric, labels))


class Now:
    """A clock that is moved by hand; seconds."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


async def fails() -> None:
    raise TimeoutError


async def does() -> None:
    pass


def made(folder: Path) -> Path:
    """A new cell's settings file."""
    site = Site(cell="eu-par", country="FR", city="Paris")
    return make_home(folder, site, [], port=8000, model="pony", signing=own_key(folder), day=today())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return made(tmp_path)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    found = build(load(made(tmp_path_factory.mktemp("kept"))))
    yield found
    found.close()


def breaking(errors: list[Exception], then: Callable[[], object]) -> Callable[..., object]:
    """A call that raises these, one after the other, and then does what it should."""

    def call(*_: object, **__: object) -> object:
        if errors:
            raise errors.pop(0)
        return then()

    return call


def told(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> tuple[()]:
    """Nothing to do, and that is told from another thread."""
    loop.call_soon_threadsafe(event.set)
    return ()


def test_a_duty_that_fails_for_long_is_missed_and_one_that_is_done_again_is_not():
    now = Now()
    duties = Duties(clock=now)

    asyncio.run(duties.do("leases", fails))
    now.at += LONG - 1
    soon = duties.missing
    now.at += 1
    late = duties.missing
    asyncio.run(duties.do("leases", does))

    assert (soon, late, duties.missing) == ("", "housekeeping: leases; see the cell's log", "")


def test_every_failure_is_counted_and_a_row_of_them_logged_once(caplog):
    eyes = Counting()
    duties = Duties(eyes)

    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            asyncio.run(duties.do("rules", fails))

    assert eyes.counted == [("equerry.house.failures", {"duty": "rules"})] * 3
    assert [(each.message, each.error) for each in caplog.records] == [("A duty of the house fails.", "TimeoutError")]


def test_a_duty_that_is_cancelled_ends():
    async def story() -> None:
        doing = asyncio.create_task(Duties().do("rules", lambda: asyncio.sleep(60)))
        await asyncio.sleep(0)
        doing.cancel()
        await doing

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(story())


@pytest.mark.parametrize("error", [TimeoutError(), OSError("the disk is full"), KeyError("nobody thought of it")])
@pytest.mark.parametrize("place", ["rules", "leases", "control", "films", "erasures"])
def test_the_house_goes_on_whatever_one_of_its_duties_raises(parts, monkeypatch, place, error):
    monkeypatch.setattr(serving.house, "TURN", 0.01)
    monkeypatch.setattr(serving.house, "EXPIRY", 1)
    house = House(parts)
    where, call = {
        "rules": (parts.rulebook, "refresh"),
        "leases": (parts.store, "reap"),
        "control": (house.control, "turn"),
        "films": (parts.store, "expire"),
        "erasures": (parts.store, "erasures"),
    }[place]

    async def story() -> bool:
        loop, again = asyncio.get_running_loop(), asyncio.Event()
        monkeypatch.setattr(where, call, breaking([error], lambda: told(loop, again)))
        keeping = asyncio.create_task(house.keep())
        await asyncio.wait([keeping, asyncio.create_task(again.wait())], timeout=30, return_when="FIRST_COMPLETED")
        alive = not keeping.done()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        return alive and again.is_set()

    assert asyncio.run(story())


def test_all_that_is_due_is_deleted_in_one_go_however_much_it_is(parts):
    for number in range(150):
        parts.store.keep(
            Artefact(key=f"t-1/uploads/{number}", tenant=TenantId("t-1"), job=None, sha256="", key_id="", expires=0)
        )

    asyncio.run(House(parts)._expire())

    assert list(parts.store.due_artefacts()) == []


def test_lost_leases_do_not_wait_for_an_erasure_that_takes_long(parts, monkeypatch):
    monkeypatch.setattr(serving.house, "TURN", 0.01)
    reaps, held = list[None](), threading.Event()
    monkeypatch.setattr(parts.store, "erasures", lambda: held.wait(60) and ())
    monkeypatch.setattr(parts.store, "reap", lambda: reaps.append(None))
    house = House(parts)

    async def story() -> None:
        keeping = asyncio.create_task(house.keep())
        try:
            async with asyncio.timeout(30):
                while len(reaps) < 20:
                    await asyncio.sleep(0.01)
        finally:
            held.set()
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    asyncio.run(story())


def test_a_log_that_takes_nothing_is_away_for_the_rules():
    class Stalled:
        def write(self, _: object) -> Any:
            return self

        def result(self, _: float) -> None:
            raise TimeoutError

    ledger = Ledger(Stalled(), Path(), Path())  # type: ignore[arg-type]  # as much of a pen as is used

    with pytest.raises(Away, match="took nothing for 60 s"):
        ledger.tell(None)  # type: ignore[arg-type]


def test_a_duty_that_fails_for_long_keeps_every_gateway_from_its_work(home):
    recorder = Recorder(str(home))
    try:
        before = recorder.hello()["missing"]
        recorder._house.duties._failing["leases"] = time.monotonic() - LONG
        assert (before, recorder.hello()["missing"]) == ("", "housekeeping: leases; see the cell's log")
    finally:
        recorder.close()


def test_a_recorder_whose_house_is_not_kept_any_more_is_replaced(home, monkeypatch):
    async def dies(_: House) -> None:
        await asyncio.sleep(0.05)
        raise KeyError("nobody thought of it")

    monkeypatch.setattr(House, "keep", dies)
    recorder = Recorder(str(home))
    try:
        recorder._aside._thread.join(30)
        with pytest.raises(Unavailable, match="keeps this cell"):
            recorder.check_health()
    finally:
        recorder.close()
