"""Many cells in simulated time: nothing runs where it may not, nothing is lost, and the seed decides everything."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import simpy
from typer.testing import CliRunner

from policies.constraints import DataClass
from policies.prices import load_prices
from policies.promises import Promise
from policies.sla import Rejection, load_sla
from serving.errors import Refused
from serving.settings import Limits
from serving.simulate.cell import Film, House
from serving.simulate.cli import app
from serving.simulate.run import run
from serving.simulate.scenario import Burst, Cell, Outage, disturbed, scenario
from serving.simulate.suppose import law, supposed
from serving.simulate.tally import Tally
from serving.simulate.traffic import traffic
from serving.simulate.world import World, lasts
from serving.sla.admission import Taken, Turned

DAY = 20_790  # 2026-12-03
PATIENT = Promise(service="standard", percentile=95, queue_wait_ms=10**7, video_ms=2 * 10**7)


@pytest.fixture(scope="module")
def catalogue():
    return supposed(DAY).catalogue


@pytest.fixture
def small(catalogue):
    return scenario(
        catalogue, regions=6, zones=14, tenants=12, requests=600, seed=4, day=DAY, load=0.9, model="pony", achieved=1e-4
    )


def film(number: int, needs_ms: int = 10_000) -> Film:
    return Film(number=number, tenant=0, tier="720p", kind="t2v/720p", work=1_000, needs_ms=needs_ms, promise=PATIENT)


def house(env: simpy.Environment, done: list[Film], limits: Limits | None = None) -> House:
    cell = Cell(region="aws/eu-central-1", jurisdiction="EU", zones=2, replicas=1)
    return House(env, cell, lambda _: 10_000, done.append, limits)


# The whole


def test_in_a_disturbed_day_nothing_runs_where_it_may_not_and_nothing_is_lost(small):
    span = lasts(small)
    tally = run(disturbed(small, span), span, lambda _: None, processes=1)

    assert tally.requests == pytest.approx(600, abs=2)
    assert tally.accepted > 100
    assert tally.requests == tally.strays + tally.nowhere + tally.accepted + tally.turned.total()
    assert (tally.violations, tally.lost) == (0, 0)
    assert tally.refused_at_the_border == tally.strays


def test_the_seed_decides_everything(small):
    span = lasts(small)
    first, second = (run(disturbed(small, span), span, lambda _: None, processes=1) for _ in range(2))
    other = run(disturbed(replace(small, seed=5), span), span, lambda _: None, processes=1)

    assert first == second
    assert first != other


def test_a_film_that_runs_where_it_may_not_is_counted_as_a_violation(small):
    """The second opinion is another piece of code than the tables, so a table that is wrong is found."""
    part = small.of("EU")
    strict = tuple(replace(each, data_class=DataClass.RESTRICTED_JP) for each in part.tenants)
    ruled = law(supposed(DAY), {each.name: each.demands for each in part.tenants}, DAY)
    world = World(part, ruled, load_sla(), load_prices(), lambda _: None)
    world.part = replace(part, tenants=strict)
    world.law = replace(ruled, tables=_permissive(ruled, part))

    tally = world.run(traffic(part, lasts(part)))

    assert tally.violations == tally.accepted > 0


def _permissive(ruled, part):
    class Wrong:
        def decide(self, tenant, data_class, *, day):
            return ruled.tables.decide(tenant, DataClass.PUBLIC, day=day)

    return Wrong()


# One cell


def test_a_film_that_an_outage_breaks_off_is_taken_up_from_its_last_checkpoint():
    env = simpy.Environment()
    done: list[Film] = []
    cell = house(env, done)
    cell.fail(1)
    assert isinstance(cell.ask(film(1)), Taken)
    env.run(until=7_000)

    cell.fail(0)
    assert cell.hands == 0
    env.run(until=20_000)
    cell.mend(0)
    env.run()

    assert [each.done for each in done] == [20_000 + 10_000 - 6_000]  # three checkpoints of 2 s were there
    assert cell.resumed == 1
    assert cell.worked_ms == 7_000 + 4_000


def test_a_zone_is_back_when_its_last_outage_is_over():
    env = simpy.Environment()
    cell = house(env, [])
    cell.fail(0)
    cell.fail(None)

    cell.mend(None)
    assert cell.hands == 1

    cell.mend(0)
    assert cell.hands == 2


def test_a_cell_without_hands_takes_nothing_on():
    env = simpy.Environment()
    cell = house(env, [])
    cell.fail(None)

    assert not isinstance(cell.ask(film(1)), Taken)


@pytest.mark.parametrize("limits", [Limits(queue=3), Limits(queue_per_tenant=3)])
def test_a_full_queue_takes_nothing_on_until_some_of_it_is_made(limits):
    env = simpy.Environment()
    made = house(env, [], limits)
    at_first = [made.ask(film(number)) for number in range(6)]  # two of them begin at once
    env.run(until=11_000)

    assert [isinstance(each, Taken) for each in at_first] == [True] * 5 + [False]
    assert at_first[5] == Turned(why=Rejection.QUEUE_FULL, retry_ms=15_000)
    assert isinstance(made.ask(film(6)), Taken)


# What is drawn


def test_a_burst_brings_as_many_times_more_requests(small):
    part = replace(small.of("EU"), requests=20_000)
    hour = 3_600_000
    with_burst = replace(part, bursts=(Burst(jurisdiction="EU", at_ms=12 * hour, lasts_ms=hour, times=3.0),))

    calm, wild = traffic(part, 24 * hour), traffic(with_burst, 24 * hour)

    def within(asked):
        return int(((asked.at >= 12 * hour) & (asked.at < 13 * hour)).sum())

    assert len(calm.at) == len(wild.at) == 20_000
    assert (np.diff(wild.at) >= 0).all()
    assert 2.4 < within(wild) / within(calm) < 3.2


def test_parts_of_a_scenario_share_no_cell_and_no_tenant(small):
    whole = replace(small, outages=(Outage(cell=0, zone=None, at_ms=0, lasts_ms=1),))
    parts = [whole.of(each) for each in sorted({cell.jurisdiction for cell in whole.cells})]

    assert sorted(cell.region for part in parts for cell in part.cells) == sorted(c.region for c in whole.cells)
    assert all(tenant.demands.home == cell.jurisdiction for p in parts for tenant in p.tenants for cell in p.cells)
    assert sum(len(part.outages) for part in parts) == 1
    assert sum(part.requests for part in parts) == whole.requests


def test_sums_of_parts_are_sums_of_their_counts():
    one, other = Tally(requests=3, lasted_ms=5), Tally(requests=4, lasted_ms=2)
    one.service("standard").accepted = 1
    other.service("standard").accepted = 2
    other.turned["queue_full"] += 1

    one.add(other)

    assert (one.requests, one.lasted_ms, one.services["standard"].accepted) == (7, 5, 3)
    assert one.turned == {"queue_full": 1}


@pytest.mark.parametrize(("regions", "zones"), [(500, 500), (6, 5), (6, 100)])
def test_numbers_that_cannot_be_are_refused(catalogue, regions, zones):
    with pytest.raises(Refused):
        scenario(catalogue, regions=regions, zones=zones, tenants=3, requests=10, seed=0, day=DAY, load=0.5)


def test_a_model_that_is_not_known_is_refused_by_name(catalogue):
    with pytest.raises(Refused, match=r"'mule'.*horse.*pony"):
        scenario(catalogue, regions=6, zones=6, tenants=3, requests=10, seed=0, day=DAY, load=0.5, model="mule")


def test_the_command_prints_json_for_scripts():
    arguments = ["--requests", "200", "--regions", "4", "--zones", "8", "--tenants", "8", "--model", "pony"]

    result = CliRunner().invoke(app, [*arguments, "--processes", "1", "--json"])

    told = json.loads(result.stdout)
    assert (result.exit_code, told["violations"], told["lost"], told["cells"]) == (0, 0, 0, 4)
