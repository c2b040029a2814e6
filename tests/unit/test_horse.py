"""The horse has no weights here, but its figures are asserted: it is the pony's own classes at 15 B."""

from __future__ import annotations

import re

import pytest
import torch

from model.clip import Mode, Size
from model.config import HORSE, PONY
from model.make import native
from model.plan import RANKS, parameters, plan, shape_of, shares
from model.trunk import Cache, Trunk


@pytest.fixture(scope="module")
def horse() -> Trunk:
    with torch.device("meta"):
        return Trunk(HORSE)


@pytest.fixture(scope="module")
def ten_seconds():
    return plan(HORSE, mode=Mode.T2V, size=Size(1280, 720), seconds=10)


def test_it_has_about_15_billion_parameters_and_takes_no_memory(horse):
    assert 14e9 < sum(p.numel() for p in horse.parameters()) < 15.5e9
    assert {p.device.type for p in horse.parameters()} == {"meta"}


@pytest.mark.parametrize("config", [PONY, HORSE], ids=lambda c: c.name)
def test_the_cost_table_counts_what_the_network_has(config):
    """The table of codes is narrower in the network than in the arithmetic, which takes it at full width."""
    counted, reckoned = parameters(config), shape_of(config).parameters

    assert counted == pytest.approx(reckoned, rel=0.15 if config is PONY else 0.03)


def test_both_sizes_are_the_same_classes(horse):
    pony = Trunk(PONY)

    def kinds(trunk):
        return {re.sub(r"\d+", "n", name): type(part) for name, part in trunk.named_modules()}

    assert kinds(horse) == kinds(pony)


def test_a_slot_keeps_163_840_bytes_in_16_bits(horse):
    cache = Cache(HORSE.trunk, 1, 1, torch.device("meta"), torch.bfloat16)

    assert cache.blocks.nbytes == shape_of(HORSE).kv_bytes_per_slot == 163_840


@pytest.mark.parametrize("ranks", RANKS)
def test_every_split_divides_by_up_to_eight_ranks(ranks):
    assert {name for name, of in shares(HORSE).items() if of[ranks] is None} == set()


@pytest.mark.parametrize("ranks", RANKS)
def test_the_matrices_have_the_sides_that_are_split(horse, ranks):
    layer = horse.layers[0]
    sides = (
        layer.attention.qkv.out_features,
        layer.attention.out.in_features,
        layer.feed.gate_up.out_features,
        layer.feed.down.in_features,
        horse.table.num_embeddings,
        horse.head.out_features,
    )

    assert [side % ranks for side in sides] == [0] * len(sides)


def test_ten_seconds_of_720p_are_108_960_slots_in_3_764_waves(ten_seconds):
    (table,) = ten_seconds.layouts

    assert (table.spec.height, table.spec.width, table.spec.chunks, table.spec.audio) == (45, 80, 30, 32)
    assert (ten_seconds.decoded, ten_seconds.waves) == (30 * (45 * 80 + 32), 168 + 29 * 124)


def test_waves_are_more_than_twenty_times_faster_by_arithmetic_and_it_fits_on_one_h100(ten_seconds):
    one, eight = ten_seconds.times

    assert one.fits
    assert one.flat_seconds / one.wave_seconds > 20
    assert eight.wave_seconds == pytest.approx(one.wave_seconds / 8)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("config", [PONY, HORSE], ids=lambda c: c.name)
def test_every_mode_and_length_has_a_plan(config, mode):
    for seconds in (1, 2, 3, 15):
        made = plan(config, mode=mode, size=config.sizes[-1], seconds=seconds)
        known = made.chunks // 2 if mode is Mode.EXTEND else 0

        assert made.decoded == (made.chunks - known) * made.layouts[0].spec.chunk_slots


@pytest.mark.parametrize(
    ("asked", "made"), [((832, 480), (1280, 720)), ((1920, 1080), (1920, 1088)), ((480, 832), (720, 1280))], ids=str
)
def test_a_film_is_made_at_the_size_that_is_near_in_shape_and_then_in_area(asked, made):
    assert native(Size(*asked), HORSE) == Size(*made)
