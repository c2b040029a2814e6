"""A cell in many processes, without Ray: the recorder and those who reach it, studios' health, and their number."""

from __future__ import annotations

import asyncio
import functools
import socket
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.engine import Stats
from policies.errors import Malformed
from policies.errors import Unavailable as Away
from policies.log.entry import CatalogueActivated, Gap, Pad
from serving.cluster.aside import Aside
from serving.cluster.bench import STUCK, Pulse
from serving.cluster.door import shared_socket
from serving.cluster.loopback import keep_to_loopback
from serving.cluster.numbers import address, healthy
from serving.cluster.recorder import Recorder
from serving.cluster.remote import MOST_WAITING, RemoteLedger
from serving.cluster.scaling import Scaling, wanted
from serving.errors import Refused, Unavailable
from serving.home import Site, make_home, own_key, today
from serving.local import LocalCell
from serving.media.marks.selftest import Outcome
from serving.settings import Listen
from serving.telemetry.foreign import sifted
from serving.telemetry.sieve import Tally

DIGEST = "0123456789abcdef" * 4


def in_a_loop(test: Any) -> Any:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*given: Any, **named: Any) -> None:
        asyncio.run(test(*given, **named))

    return run


CHANGE = CatalogueActivated(new=DIGEST, by=())


@pytest.fixture
def recorder(tmp_path):
    file = make_home(
        tmp_path, Site(cell="eu-par", country="FR", city="Paris"), [], port=8000, model="pony",
        signing=own_key(tmp_path), day=today(),
    )  # fmt: skip
    found = Recorder(str(file))
    yield found
    found.close()


def line(recorder: Recorder) -> Any:
    """A way to a recorder in this process, as Ray's handle is one to another: it has one loop, and others wait."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def ask(method: str, *given: bytes, patience: float) -> Any:
        answer = getattr(recorder, method)(*given)
        if not asyncio.iscoroutine(answer):
            return answer
        return asyncio.run_coroutine_threadsafe(answer, loop).result(patience)

    return ask


def size(recorder: Recorder) -> int:
    return recorder.ledger.pen.log.head.checkpoint.size


# The log.


@in_a_loop
async def test_what_another_process_says_is_in_the_log_when_it_hears_so(recorder):
    ledger, before = await asyncio.to_thread(RemoteLedger, line(recorder)), size(recorder)

    receipt = await ledger.pen.commit(Gap(gw="w-0123456789abcdef", from_=4, to=9, why="crash"))

    assert (receipt.index, receipt.head.checkpoint.size, size(recorder)) == (before, before + 1, before + 1)
    assert receipt.head.checkpoint.origin == ledger.origin


def test_rules_that_every_process_takes_are_in_the_log_once(recorder):
    gateways, before = [RemoteLedger(line(recorder)) for _ in range(3)], size(recorder)

    for ledger in gateways:
        ledger.tell(CHANGE)

    assert size(recorder) == before + 1


def test_rules_that_come_back_are_in_the_log_again(recorder):
    ledger, before = RemoteLedger(line(recorder)), size(recorder)

    for new in (DIGEST, DIGEST[::-1], DIGEST):
        ledger.tell(CatalogueActivated(new=new, by=()))

    assert size(recorder) == before + 3


def test_a_self_test_that_found_no_mark_keeps_every_gateway_from_its_work(recorder):
    ledger = RemoteLedger(line(recorder))
    before = ledger.missing()

    recorder._selftest.last = Outcome(0, found=False, why="the watermark")

    assert before == ""
    assert "the watermark" in ledger.missing()


def test_a_second_recorder_does_not_start_while_the_first_one_lives(recorder):
    with pytest.raises(Exception, match="one writer"):
        Recorder(str(recorder.settings.folders.state.parent / "cell.toml"))


@in_a_loop
async def test_the_recorder_takes_nothing_that_is_no_entry(recorder):
    before = size(recorder)

    with pytest.raises(Malformed):
        await recorder.write(b'{"t":"pad","prompt":"a red circle"}')

    assert size(recorder) == before


@pytest.mark.parametrize("fault", [ConnectionError("actor died"), TimeoutError(), RuntimeError("back-pressure")])
@in_a_loop
async def test_nothing_goes_on_when_the_recorder_is_away(fault):
    ledger = cut_off(fault)

    with pytest.raises(Away, match="cannot be reached"):
        await ledger.pen.commit(Pad())
    with pytest.raises(Away):
        ledger.tell(Pad())
    with pytest.raises(Away):
        ledger.archive(b"{}")


@in_a_loop
async def test_what_keeps_a_recorder_away_is_not_repeated_to_anybody():
    ledger = cut_off(RuntimeError("a prompt about Wachtmeister"))

    with pytest.raises(Away) as told:
        await ledger.pen.commit(Pad())

    assert "Wachtmeister" not in f"{told.value!s}{told.value.__cause__!s}"


@in_a_loop
async def test_those_who_wait_for_a_silent_recorder_are_bounded():
    silence = threading.Event()
    ledger = RemoteLedger(lambda method, *given, patience: HELLO if method == "hello" else silence.wait(patience))
    waiting = [asyncio.create_task(ledger.pen.commit(Pad(), patience=60)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0.05)
    try:
        with pytest.raises(Away):
            await asyncio.wait_for(ledger.pen.commit(Pad()), 1)
    finally:
        silence.set()
        await asyncio.gather(*waiting, return_exceptions=True)


HELLO = {"origin": "op.example/equerry/eu-par/residency/2026h2", "node": "n"}


def cut_off(fault: Exception) -> RemoteLedger:
    def ask(method: str, *given: bytes, patience: float) -> Any:
        if method == "hello":
            return HELLO
        raise fault

    return RemoteLedger(ask)


# What Ray says of itself.

NODES: list[dict[str, Any]] = [
    {"NodeID": "a", "MetricsExportPort": 40_001},
    {"NodeID": "b", "MetricsExportPort": -1},
    {"NodeID": "c"},
]


@pytest.mark.parametrize(("node", "found"), [("a", "http://127.0.0.1:40001/metrics"), ("b", ""), ("c", ""), ("d", "")])
def test_rays_metrics_are_asked_for_where_its_agent_of_this_machine_has_a_port(node, found):
    assert address(NODES, node) == found


def test_replicas_that_run_are_counted_by_part_and_pass_the_list():
    told = healthy("eu-par", {"studio": {"RUNNING": 2, "STARTING": 1}, "gateway": {"STOPPING": 1}})

    tally = Tally()
    samples = [sample for family in sifted(told, "ray", tally) for sample in family.samples]
    assert {(s.labels["application"], s.labels["deployment"]): s.value for s in samples} == {
        ("eu-par", "studio"): 2, ("eu-par", "gateway"): 0,
    }  # fmt: skip
    assert tally.dropped == {}


def test_a_replicas_own_port_is_kept_to_loopback():
    asked: list[str] = []
    replica = SimpleNamespace(add_port_to_grpc_server=lambda server, address: server.append(address) or 7)

    keep_to_loopback(replica)

    assert replica.add_port_to_grpc_server(asked, "[::]:0") == 7
    assert asked == ["127.0.0.1:0"]


def test_a_ray_that_opens_its_ports_another_way_is_refused():
    with pytest.raises(Unavailable, match="another way"):
        keep_to_loopback(SimpleNamespace())


# What goes on beside its owner.


def test_work_that_fails_before_it_is_ready_tells_its_owner_why():
    async def work(stop, ready):
        raise Refused("port 1 is taken")

    with pytest.raises(Refused, match="port 1"):
        Aside("w", work).await_ready()


def test_the_words_of_an_unknown_error_stay_inside():
    async def work(stop, ready):
        raise ValueError("a prompt about Wachtmeister")

    with pytest.raises(Unavailable, match=r"failed \(ValueError\)"):
        Aside("w", work).await_ready()


def test_work_ends_when_it_is_told_to_and_not_before():
    async def work(stop, ready):
        ready()
        await stop.wait()

    aside = Aside("w", work)
    aside.await_ready()
    aside.check()

    assert aside.stop(5)
    with pytest.raises(Unavailable, match="ended"):
        aside.check()


def test_a_question_that_is_not_answered_in_time_is_unavailable():
    async def work(stop, ready):
        ready()
        await stop.wait()

    aside = Aside("w", work)
    aside.await_ready()
    began = time.monotonic()

    with pytest.raises(Unavailable, match="said nothing"):
        aside.ask(lambda: asyncio.sleep(60), 0.1)

    assert time.monotonic() - began < 5
    aside.stop(5)


# Studios.


def stats(steps: int, running: int) -> Stats:
    return Stats(running=running, waiting=0, slots=0, steps=steps, busy=0, cache_use=None, restarts=0)


def test_an_engine_that_has_films_and_makes_no_step_is_replaced():
    pulse = Pulse()
    pulse.check(stats(7, 2), 0)
    pulse.check(stats(7, 2), STUCK)

    with pytest.raises(Unavailable, match="no step for 91 s"):
        pulse.check(stats(7, 2), STUCK + 1)


def test_a_film_that_has_just_begun_after_a_long_rest_is_not_held_against_the_engine():
    pulse = Pulse()
    pulse.check(stats(7, 0), 0)

    pulse.check(stats(7, 1), 10 * STUCK)
    with pytest.raises(Unavailable):
        pulse.check(stats(7, 1), 11 * STUCK + 1)


def test_a_cell_in_one_process_is_not_ready_while_its_engine_is_held_up(monkeypatch):
    now, steps = [0.0], [7]
    monkeypatch.setattr("serving.local.monotonic", lambda: now[0])
    cell: Any = SimpleNamespace(pulse=Pulse(), engine=SimpleNamespace(stats=lambda: stats(steps[0], 1)))
    told = []
    for step in (0, 0, 1):
        steps[0] += step
        told.append(LocalCell._stuck(cell))
        now[0] += STUCK + 1

    assert [bool(each) for each in told] == [False, True, False]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30))
def test_an_engine_that_steps_or_rests_is_left_alone(looks):
    pulse, steps = Pulse(), 0
    for number, (more, resting) in enumerate(looks):
        steps += more if resting else max(1, more)
        pulse.check(stats(steps, 0 if resting else 3), number * STUCK * 2)


@given(
    work=st.floats(0, 1e7), jobs=st.integers(0, 10_000), least=st.integers(1, 4), more=st.integers(0, 60),
    wait=st.floats(1, 3600),
)  # fmt: skip
def test_there_are_as_many_studios_as_the_work_is_worth_within_bounds(work, jobs, least, more, wait):
    most = least + more
    found = wanted(work, jobs, wait_s=wait, least=least, most=most)

    assert least <= found <= most
    assert found == least or found <= jobs
    assert found in (most, least) or found >= jobs or work / found <= wait


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 500))
def test_more_work_never_means_fewer_studios(work, more, jobs):
    bounds = {"wait_s": 60, "least": 1, "most": 100}

    assert wanted(work + more, jobs, **bounds) >= wanted(work, jobs, **bounds)


def context(**told: dict[str, float]) -> Any:
    return SimpleNamespace(
        target_num_replicas=3, capacity_adjusted_min_replicas=1, capacity_adjusted_max_replicas=5,
        aggregated_metrics=told or None,
    )  # fmt: skip


def test_studios_that_say_nothing_change_nothing():
    assert Scaling(60)(context())[0] == 3


def test_every_studio_says_the_same_work_and_it_counts_once():
    told = {"work_s": {"a": 119.0, "b": 121.0}, "jobs": {"a": 9.0, "b": 9.0}}

    assert Scaling(60)(context(**told))[0] == 3
    assert Scaling(30)(context(**told))[0] == 5


# Gateways.


def test_two_gateways_share_a_port_and_a_stranger_does_not():
    with shared_socket(Listen(port=free_port())) as first:
        first.listen()
        with shared_socket(Listen(port=first.getsockname()[1])) as second:
            second.listen()
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(first.getsockname())


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])
