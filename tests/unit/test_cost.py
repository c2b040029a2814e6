"""What a clip costs, and that the arithmetic agrees with the published figures of the large model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.cost import H100, Cost, Shape, cost
from model.layout import Kind, LayoutSpec, layout

HORSE = Shape(layers=40, width=5120, heads=40, kv_heads=8, head_dim=128, ffn=18_432, vocabulary=64_000 + 16_384 + 512)
TINY = Shape(layers=2, width=8, heads=2, kv_heads=1, head_dim=4, ffn=16, vocabulary=32)

# 10 s of 1280x720: 24 fps in strides of 8x16x16, and 96 sound codes a second
TEN_SECONDS = LayoutSpec(
    text=100, controls=5, height=720 // 16, width=1280 // 16, chunks=10 * 24 // 8, audio=96 * 8 // 24
)
SMALL = LayoutSpec(text=3, controls=2, height=3, width=4, chunks=2, audio=5)


@pytest.fixture(scope="module")
def ten_seconds() -> Cost:
    return cost(layout(TEN_SECONDS), HORSE)


def test_ten_seconds_of_720p_are_108_000_video_slots_in_3_764_waves(ten_seconds: Cost) -> None:
    table = layout(TEN_SECONDS)

    assert (table.kind == Kind.VIDEO).sum() == 108_000
    assert (table.kind == Kind.AUDIO).sum() == 960
    assert ten_seconds.waves == 3_764


def test_a_slot_of_the_horse_keeps_163_840_bytes(ten_seconds: Cost) -> None:
    assert ten_seconds.kv_bytes_per_slot == 163_840
    assert ten_seconds.kv_bytes == 163_840 * ten_seconds.slots


def test_the_horse_has_about_14_9_billion_parameters(ten_seconds: Cost) -> None:
    assert ten_seconds.parameters == pytest.approx(14.9e9, rel=0.02)


def test_the_horse_and_ten_seconds_of_720p_fit_on_one_h100(ten_seconds: Cost) -> None:
    assert ten_seconds.memory_bytes == pytest.approx(47.2e9, rel=0.01)
    assert ten_seconds.fits


def test_the_roofline_is_a_lower_bound_near_the_quoted_25_minutes_and_65_seconds(ten_seconds: Cost) -> None:
    """The quoted figures are rounded up for kernels that fall short of the peak, so the bound lies below them."""
    assert 0.75 * 25 * 60 < ten_seconds.flat_seconds < 25 * 60
    assert 0.60 * 65 < ten_seconds.wave_seconds < 65


def test_waves_are_more_than_twenty_times_faster_than_one_slot_a_step(ten_seconds: Cost) -> None:
    assert ten_seconds.flat_seconds / ten_seconds.wave_seconds > 20


def test_eight_machines_halve_the_time_three_times_at_best(ten_seconds: Cost) -> None:
    eight = cost(layout(TEN_SECONDS), HORSE, replace(H100, count=8))

    assert eight.wave_seconds == pytest.approx(ten_seconds.wave_seconds / 8)
    assert eight.slots == ten_seconds.slots


def test_a_clip_that_outgrows_the_memory_does_not_fit() -> None:
    small = replace(H100, memory_bytes=40e9)

    assert not cost(layout(TEN_SECONDS), HORSE, small).fits
    assert cost(layout(TEN_SECONDS), HORSE, replace(small, count=2)).fits


def test_operations_agree_with_counting_every_position() -> None:
    table = layout(SMALL)
    matrices = 2 * (8 * 8 + 2 * 8 * 4 + 8 * 8 + 3 * 8 * 16) + 32 * 8  # query, key and value, output, feed-forward; head
    counted = sum(2 * matrices + 2 * (2 * 2 * 8) * (position + 1) for position in range(table.slots - 1))

    assert TINY.multiplied == matrices
    assert cost(table, TINY).flops == counted


def test_time_agrees_with_adding_up_every_wave_by_hand() -> None:
    table = layout(SMALL)
    machine = replace(H100, flops_per_s=1e6, bytes_per_s=1e6)
    ends = [table.first, *(step.stop for step in table.steps())]
    seconds = 0.0
    for low, high in zip([1, *ends], ends, strict=False):
        operations = sum(2 * TINY.multiplied + 64 * slot for slot in range(low, high))
        read = 2 * TINY.multiplied + TINY.kv_bytes_per_slot * (high - 1)
        seconds += max(operations / 1e6, read / 1e6)

    assert cost(table, TINY, machine).wave_seconds == pytest.approx(seconds)


def test_given_chunks_cost_operations_but_no_steps() -> None:
    whole, going_on = (cost(layout(replace(SMALL, given=given)), TINY) for given in (0, 1))

    assert going_on.flops == whole.flops
    assert going_on.waves == whole.waves - SMALL.depth(0) == SMALL.depth(1)
    assert going_on.flat_seconds < whole.flat_seconds


def test_nothing_is_left_to_decode_when_every_chunk_is_given() -> None:
    done = cost(layout(replace(SMALL, given=SMALL.chunks)), TINY)

    assert done.waves == 0
    assert done.flat_seconds == done.wave_seconds > 0


def test_a_prompt_of_its_last_control_alone_needs_no_step() -> None:
    table = layout(LayoutSpec(text=0, controls=0, height=1, width=1, chunks=1, audio=1))
    machine = replace(H100, flops_per_s=1e30, bytes_per_s=1.0)

    assert cost(table, TINY, machine).wave_seconds == 2 * TINY.multiplied + 2 * TINY.kv_bytes_per_slot


def test_a_source_clip_doubles_the_keys_and_values_but_not_the_waves() -> None:
    plain, edit = (cost(layout(replace(SMALL, source=source)), TINY) for source in (False, True))

    assert edit.waves == plain.waves
    assert edit.slots == plain.slots + 1 + SMALL.chunks * SMALL.chunk_slots
