"""More demand never takes fewer machines, and the figures are the model's own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from infra.cli import app
from infra.errors import Impossible, Refused, Unavailable
from infra.figures import figures
from infra.gpus import machine
from infra.sizing import Film, cheapest, choices, fit
from model.clip import Mode
from model.config import CONFIGS
from model.plan import as_json, plan
from policies.shelf import Shelf
from policies.signatures import days

CATALOGUE = Shelf().read_atlas(days(date(2026, 11, 21))).catalogue
FILM = Film(
    waves=1904,
    sequence=54518,
    weight_bytes=28928618496,
    kv_bytes_per_slot=163840,
    flops=2.78e15,
    tensor_parallel=(1, 2, 4, 8),
)


@given(st.floats(0.01, 500), st.floats(1, 20))
@settings(max_examples=30)
def test_more_demand_never_takes_fewer_machines(demand, times):
    few = {(one.region, one.machine.name): one.machines for one in choices(FILM, demand, CATALOGUE)}
    many = {(one.region, one.machine.name): one.machines for one in choices(FILM, demand * times, CATALOGUE)}

    assert few.keys() == many.keys()
    assert all(many[place] >= few[place] for place in few)


def test_the_cheapest_with_a_price_comes_first_and_those_without_come_last():
    found = choices(FILM, 10, CATALOGUE)
    months = [one.month for one in found]
    priced = [month for month in months if month is not None]

    assert priced == sorted(priced)
    assert months == [*priced, *[None] * (len(months) - len(priced))]


def test_each_region_shows_its_cheapest_machine_once():
    found = choices(FILM, 10, CATALOGUE)
    shown = cheapest(found)

    assert {one.region for one in shown} == {one.region for one in found}
    assert len(shown) == len({one.region for one in shown})
    assert all(one == next(other for other in found if other.region == one.region) for one in shown)


def test_a_film_that_no_machine_holds_is_refused():
    with pytest.raises(Impossible, match="fewer seconds"):
        choices(replace(FILM, weight_bytes=10**13), 1, CATALOGUE)


def test_more_cards_to_a_model_leave_more_room_for_films():
    carrier = machine("aws", "p5.48xlarge")
    assert carrier is not None

    rooms = [fit(carrier, FILM, size) for size in (1, 2, 4)]

    assert rooms == sorted(rooms)
    assert rooms[0] == int((80e9 * 0.9 - 28928618496) // (54518 * 163840))


def test_one_film_alone_takes_what_the_models_own_roofline_says():
    """The same roofline in two rooms that may not know each other: within a twentieth."""
    seconds = FILM.waves * (FILM.weight_bytes + FILM.sequence * FILM.kv_bytes_per_slot / 2) / 3.35e12

    assert seconds == pytest.approx(18.79, rel=0.05)  # `equerry model layout --model horse --seconds 5`, one H100


@pytest.mark.parametrize("name", ["pony", "horse"])
def test_the_copied_figures_are_those_of_the_model(name):
    config = CONFIGS[name]
    said = as_json(plan(config, mode=Mode.T2V, size=config.sizes[0], seconds=15))
    copied = figures(name)

    assert (copied.weight_bytes, copied.kv_bytes_per_slot) == (said["weight_bytes"], said["kv_bytes_per_slot"])
    assert copied.longest_sequence == said["longest_sequence"]
    shares = said["tensor_parallel"].values()
    assert copied.tensor_parallel == tuple(size for size in (1, 2, 4, 8) if all(row[str(size)] for row in shares))


def test_a_demand_that_makes_no_sense_is_refused():
    left = CliRunner().invoke(app, ["size", "--clips-per-minute", "0"])

    assert isinstance(left.exception, Refused)
    assert "more than 0" in str(left.exception)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            ["--region", "aws/eu-north-2"],
            "The catalogue knows no region aws/eu-north-2. The nearest is aws/eu-north-1.",
        ),
        (["--jurisdiction", "XX"], "knows no region in XX. It knows"),
        (["--model", "mule"], "mule"),
    ],
)
def test_what_cannot_be_sized_is_refused_with_what_can(asked, says):
    left = CliRunner().invoke(app, ["size", *asked])

    assert isinstance(left.exception, Refused)
    assert says in str(left.exception)


def test_the_command_prints_the_same_choices_as_json():
    left = CliRunner().invoke(app, ["size", "--clips-per-minute", "10", "--region", "aws/eu-north-1", "--json"])
    said = json.loads(left.stdout)

    assert left.exit_code == 0
    assert [one["region"] for one in said["choices"]] == ["aws/eu-north-1"]
    assert said["film"]["weight_bytes"] == figures("horse").weight_bytes


def test_without_its_environment_the_command_says_how_to_make_one(monkeypatch, tmp_path):
    monkeypatch.setattr("infra.cli.PYTHON", tmp_path / "python")
    left = CliRunner().invoke(app, ["plan", "aws-eu-north-1"])

    assert isinstance(left.exception, Unavailable)
    assert "make setup-infra" in str(left.exception)
