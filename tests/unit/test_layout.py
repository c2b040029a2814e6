"""The table of slots, over many sizes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.layout import MOST_TEXT, NONE, PARENTS, TEXT_CLOCK, Kind, Layout, LayoutSpec, layout

LEFT, ABOVE, BEFORE, SOURCE = range(len(PARENTS))
SMALL = LayoutSpec(text=3, controls=2, height=2, width=3, chunks=2, audio=4)

small = st.integers(1, 4)
specs = st.integers(1, 6).flatmap(
    lambda chunks: st.builds(
        LayoutSpec,
        text=st.integers(0, 40),
        controls=st.integers(0, 12),
        height=st.integers(1, 24),
        width=st.integers(1, 24),
        chunks=st.just(chunks),
        audio=st.integers(1, 64),
        references=st.lists(st.tuples(small, small), max_size=9).map(tuple),
        image=st.booleans(),
        source=st.booleans(),
        given=st.integers(0, chunks),
    )
)
over_many_sizes = given(spec=specs)
quick = settings(max_examples=100)


def decoded(table: Layout) -> slice:
    return slice(table.first, table.slots)


def picked(table: Layout, *kinds: Kind) -> np.ndarray:
    return np.flatnonzero(np.isin(table.kind, kinds))


def places(table: Layout, slots: np.ndarray) -> list[tuple[int, ...]]:
    """Where each slot stands: time, row, column."""
    return list(zip(*(axis[slots].tolist() for axis in (table.t, table.y, table.x)), strict=True))


# What there is


@quick
@over_many_sizes
def test_every_site_of_every_chunk_has_exactly_one_video_slot(spec: LayoutSpec) -> None:
    table = layout(spec)
    video = picked(table, Kind.VIDEO)
    found = sorted(zip(table.chunk[video].tolist(), table.y[video].tolist(), table.x[video].tolist(), strict=True))

    assert found == [(c, y, x) for c in range(spec.chunks) for y in range(spec.height) for x in range(spec.width)]
    assert (table.index[video] == table.y[video] * spec.width + table.x[video]).all()


@quick
@over_many_sizes
def test_every_code_of_sound_has_exactly_one_slot_in_its_chunk(spec: LayoutSpec) -> None:
    table = layout(spec)
    audio = picked(table, Kind.AUDIO)
    found = sorted(zip(table.chunk[audio].tolist(), table.index[audio].tolist(), strict=True))

    assert found == [(c, j) for c in range(spec.chunks) for j in range(spec.audio)]


@quick
@over_many_sizes
def test_the_sound_of_a_chunk_covers_exactly_its_time(spec: LayoutSpec) -> None:
    table = layout(spec)
    for chunk in range(spec.chunks):
        slots = np.flatnonzero(table.chunk == chunk)
        ticks = table.t[slots[table.kind[slots] == Kind.AUDIO]]

        assert ticks.tolist() == list(range(chunk * spec.audio, (chunk + 1) * spec.audio))
        assert (table.t[slots[table.kind[slots] == Kind.VIDEO]] == chunk * spec.audio).all()


@quick
@over_many_sizes
def test_the_table_is_as_long_as_its_spec_says_and_ends_its_prompt_with_begin(spec: LayoutSpec) -> None:
    table = layout(spec)

    assert {len(column) for column in (table.kind, table.t, table.wave, table.parents)} == {table.slots}
    assert table.kind[table.begin] == Kind.CONTROL
    assert table.t[table.begin] == -1
    assert set(table.kind[decoded(table)].tolist()) == {Kind.VIDEO, Kind.AUDIO}
    assert not set(table.kind[: table.first].tolist()) & {Kind.VIDEO, Kind.AUDIO}


@quick
@over_many_sizes
def test_the_prompt_has_no_wave_no_chunk_and_no_parents(spec: LayoutSpec) -> None:
    table = layout(spec)

    assert (table.wave[: table.first] == NONE).all()
    assert (table.chunk[: table.first] == NONE).all()
    assert (table.parents[: table.first] == NONE).all()


@quick
@over_many_sizes
def test_each_reference_is_one_marker_and_its_raster_at_its_own_time(spec: LayoutSpec) -> None:
    table = layout(spec)
    for k, (rows, columns) in enumerate(spec.references, start=1):
        marker, *block = np.flatnonzero(table.reference == k)
        time = -spec.audio * (k + 1)

        assert table.kind[marker] == Kind.CONTROL
        assert table.t[marker] == time
        assert block == list(range(marker + 1, marker + 1 + rows * columns))
        assert places(table, np.array(block)) == [(time, y, x) for y in range(rows) for x in range(columns)]
    assert (table.reference != 0).sum() == sum(1 + rows * columns for rows, columns in spec.references)


# In which order


@quick
@over_many_sizes
def test_slot_order_and_wave_order_agree(spec: LayoutSpec) -> None:
    table = layout(spec)
    waves = table.wave[decoded(table)]

    assert (np.diff(waves) >= 0).all()
    assert np.unique(waves).tolist() == list(range(spec.waves_before(spec.chunks)))
    first = np.array([spec.waves_before(c) for c in range(spec.chunks)])
    assert (np.searchsorted(first, waves, side="right") - 1 == table.chunk[decoded(table)]).all()


@quick
@over_many_sizes
def test_within_a_wave_picture_comes_before_sound_and_both_run_forwards(spec: LayoutSpec) -> None:
    table = layout(spec)
    slots = np.arange(table.first, table.slots)
    minor = np.where(table.kind[slots] == Kind.VIDEO, table.y[slots], table.index[slots])
    keys = list(zip(table.wave[slots].tolist(), table.kind[slots].tolist(), minor.tolist(), strict=True))

    assert keys == sorted(set(keys))


@quick
@over_many_sizes
def test_video_runs_along_diagonals_and_sound_is_spread_evenly(spec: LayoutSpec) -> None:
    table = layout(spec)
    first = np.array([spec.waves_before(c) for c in range(spec.chunks)])
    depth = np.array([spec.depth(c) for c in range(spec.chunks)])
    local = table.wave - first[table.chunk]
    video, audio = picked(table, Kind.VIDEO), picked(table, Kind.AUDIO)
    slope = np.where(table.chunk[video] == 0, min(2, spec.width), 1)
    through = (local[audio] + 1) * spec.audio  # sound that may be out once the wave is done, in D-ths of a code
    due = (table.index[audio] + 1) * depth[table.chunk[audio]]

    assert (local[video] == slope * table.y[video] + table.x[video]).all()
    assert (through >= due).all()
    assert (through - spec.audio < due).all()


@quick
@over_many_sizes
def test_the_steps_are_the_waves_of_the_chunks_that_are_not_given(spec: LayoutSpec) -> None:
    table = layout(spec)
    steps = table.steps()
    stepped = [slot for step in steps for slot in range(step.start, step.stop)]

    assert len(steps) == table.waves
    assert stepped == np.flatnonzero(table.chunk >= spec.given).tolist()
    assert [set(table.wave[step].tolist()) for step in steps] == [
        {wave} for wave in range(spec.waves_before(spec.given), spec.waves_before(spec.chunks))
    ]


# Who depends on whom


@quick
@over_many_sizes
def test_every_parent_lies_in_an_earlier_wave(spec: LayoutSpec) -> None:
    table = layout(spec)
    child, column = np.nonzero(table.parents != NONE)
    parent = table.parents[child, column]

    assert ((parent >= 0) & (parent < child)).all()
    assert (table.wave[parent] < table.wave[child]).all()  # the prompt is wave -1


@quick
@over_many_sizes
def test_parents_of_video_are_the_sites_they_are_named_after(spec: LayoutSpec) -> None:
    table = layout(spec)
    at = {
        (int(table.kind[slot]), *place): slot
        for slot in range(table.slots)
        if table.kind[slot] in (Kind.IMAGE, Kind.SOURCE_VIDEO, Kind.VIDEO)
        for place in places(table, np.array([slot]))
    }
    for slot in picked(table, Kind.VIDEO):
        ((t, y, x),) = places(table, np.array([slot]))
        earlier = Kind.VIDEO if table.chunk[slot] else Kind.IMAGE

        assert table.parents[slot].tolist() == [
            at.get((Kind.VIDEO, t, y, x - 1), NONE),
            at.get((Kind.VIDEO, t, y - 1, x), NONE),
            at.get((earlier, t - spec.audio, y, x), NONE),
            at.get((Kind.SOURCE_VIDEO, t, y, x), NONE),
        ]


@quick
@over_many_sizes
def test_parents_of_sound_are_the_latest_sound_the_last_chunk_and_the_source(spec: LayoutSpec) -> None:
    table = layout(spec)
    audio = picked(table, Kind.AUDIO)
    at = dict(zip(table.t[audio].tolist(), audio.tolist(), strict=True))
    wave = {tick: int(table.wave[slot]) for tick, slot in at.items()}
    given_sound = picked(table, Kind.SOURCE_AUDIO)
    source = dict(zip(table.t[given_sound].tolist(), given_sound.tolist(), strict=True))
    for tick, slot in at.items():
        latest = next((earlier for earlier in range(tick, -1, -1) if wave[earlier] < wave[tick]), NONE)

        assert table.parents[slot].tolist() == [
            at.get(latest, NONE),
            NONE,
            at.get(tick - spec.audio, NONE),
            source.get(tick, NONE),
        ]


@quick
@over_many_sizes
def test_every_slot_but_the_last_chunks_has_a_child_at_its_own_place(spec: LayoutSpec) -> None:
    table = layout(spec)
    inner = np.flatnonzero((table.chunk >= 0) & (table.chunk < spec.chunks - 1))
    given_media = picked(table, Kind.IMAGE, Kind.SOURCE_VIDEO, Kind.SOURCE_AUDIO)

    assert set(inner.tolist()) <= set(table.parents[:, BEFORE].tolist())
    assert set(given_media.tolist()) <= set(table.parents[:, [BEFORE, SOURCE]].ravel().tolist())


# Where on the clock


@quick
@over_many_sizes
def test_a_source_stands_at_the_coordinates_of_its_target(spec: LayoutSpec) -> None:
    table = layout(replace(spec, source=True))
    target = np.arange(table.first, table.slots)
    source = table.parents[target, SOURCE]

    assert places(table, source) == places(table, target)
    assert (table.kind[target] - table.kind[source] == Kind.VIDEO - Kind.SOURCE_VIDEO).all()
    assert (table.index[source] == table.index[target]).all()


@quick
@over_many_sizes
def test_a_token_of_text_has_the_same_place_whatever_else_is_there(spec: LayoutSpec) -> None:
    table = layout(spec)
    text = picked(table, Kind.TEXT)

    assert places(table, text) == [(TEXT_CLOCK + i, -4, -4) for i in range(spec.text)]
    assert table.index[text].tolist() == list(range(spec.text))


@quick
@over_many_sizes
def test_the_longest_text_is_over_before_anything_else_begins(spec: LayoutSpec) -> None:
    table = layout(replace(spec, text=MOST_TEXT, references=((1, 1),) * 9))
    end = table.t[picked(table, Kind.TEXT)].max()

    assert (table.t[spec.controls + MOST_TEXT :] > end).all()
    assert (table.t[: spec.controls] < TEXT_CLOCK).all()


@quick
@over_many_sizes
def test_no_two_codes_share_a_place_on_the_clock(spec: LayoutSpec) -> None:
    table = layout(spec)
    held = places(table, np.flatnonzero(~np.isin(table.kind, [Kind.CONTROL, Kind.SOURCE_VIDEO, Kind.SOURCE_AUDIO])))

    assert len(set(held)) == len(held)


@quick
@over_many_sizes
def test_a_longer_clip_starts_with_the_table_of_the_shorter_one(spec: LayoutSpec) -> None:
    """So a film goes on from its codes without computing any of them again."""
    spec = replace(spec, source=False)
    short, long = layout(spec), layout(replace(spec, chunks=spec.chunks + 1))

    assert (long.parents[: short.slots] == short.parents).all()
    assert (long.wave[: short.slots] == short.wave).all()
    assert (long.t[: short.slots] == short.t).all()


# A small one, whole


def test_a_small_chunk_reads_as_drawn() -> None:
    """Two rows, three columns, four codes of sound: 5 waves, the last four with a code each; then 4 with one each."""
    table = layout(SMALL)
    names = [
        f"{'a' if kind == Kind.AUDIO else 'v'}{index}"
        for kind, index in zip(table.kind[decoded(table)], table.index[decoded(table)], strict=True)
    ]

    assert " ".join(names[:10]) == "v0 v1 a0 v2 v3 a1 v4 a2 v5 a3"
    assert " ".join(names[10:]) == "v0 a0 v1 v3 a1 v2 v4 a2 v5 a3"
    assert table.wave[decoded(table)].tolist() == [0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8]
    assert table.begin == SMALL.controls + SMALL.text


def test_two_codes_of_one_wave_share_the_parent_before_them() -> None:
    table = layout(replace(SMALL, audio=8))
    codes = [int(slot) for slot in picked(table, Kind.AUDIO)]

    assert table.parents[codes[8:12], LEFT].tolist() == [codes[7], codes[7], codes[9], codes[9]]


def test_the_first_chunk_goes_on_from_a_given_image() -> None:
    table = layout(replace(SMALL, image=True, source=True))
    video = picked(table, Kind.VIDEO)[: SMALL.height * SMALL.width]
    image = table.parents[video, BEFORE]

    assert (table.kind[image] == Kind.IMAGE).all()
    assert table.t[image].tolist() == [-SMALL.audio] * len(image)
    assert (table.index[image] == table.index[video]).all()


# As a value


def test_equal_specs_share_one_table_that_cannot_be_written() -> None:
    table = layout(SMALL)

    assert layout(replace(SMALL)) is table
    with pytest.raises(ValueError, match="read-only"):
        table.parents[0, 0] = 1


@pytest.mark.parametrize(
    "nonsense",
    [
        {"height": 0},
        {"width": -1},
        {"width": 1025},
        {"chunks": 0},
        {"audio": 0},
        {"audio": 129},
        {"text": -1},
        {"text": 513},
        {"controls": 49},
        {"given": 3},
        {"given": -1},
        {"height": 2.0},
        {"height": True},
        {"references": ((1, 1),) * 10},
        {"references": ((1, 0),)},
        {"height": 1024, "width": 1024, "chunks": 4096},
    ],
    ids=str,
)
def test_nonsense_is_refused_before_anything_is_built(nonsense: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="A layout has"):
        replace(SMALL, **nonsense)


def test_fifteen_seconds_of_1080p_are_laid_out_within_two_seconds() -> None:
    spec = LayoutSpec(text=200, controls=6, height=68, width=120, chunks=45, audio=32, source=True)
    start = time.perf_counter()

    table = layout(spec)

    assert time.perf_counter() - start < 2.0
    assert table.slots == 207 + 1 + 2 * 45 * (68 * 120 + 32)
    assert table.waves == 254 + 44 * 187
