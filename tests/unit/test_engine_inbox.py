"""What vLLM's rows are made of, compared with the rows of the reference trunk; no vLLM is needed for that."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.clip import Mode, Size
from model.config import HORSE, PONY
from model.draws import Sampling
from model.engine import Task
from model.engines.walk import Cut, Walk
from model.generate import Codes, Order, Pace, chances
from model.layout import Kind, layout
from model.prompt import Prompt
from model.trunk import ROLES, rows
from model.vllm_plugin.inbox import CLOCK, COLUMNS, IDS, KIND, MARK, PLACES, Take, fill, groups, order_of, take_of
from model.vocabulary import Guide, Vocabulary

VOCABULARY = Vocabulary(PONY)
SIZES = st.sampled_from(PONY.sizes)


def codes(*shape: int) -> torch.Tensor:
    return torch.arange(int(np.prod(shape))).reshape(shape) % 1000


@st.composite
def cuts(draw) -> Cut:
    """A window of any mode, some of it given."""
    size, mode, chunks = draw(SIZES), draw(st.sampled_from(list(Mode))), draw(st.integers(1, 6))
    height, width = size.height // 8, size.width // 8
    prompt = Prompt(
        mode=mode,
        size=size,
        seconds=-(-chunks // 2),
        guide=Guide.PLAIN,
        text=tuple(range(draw(st.integers(0, 70)))),
        references=(codes(4, 4),) * (draw(st.integers(1, 9)) if mode is Mode.R2V else 0),
        image=codes(height, width) if mode is Mode.I2V else None,
        source=(codes(chunks, height, width), codes(chunks, 16)) if mode is Mode.EDIT else None,
    )
    done = draw(st.integers(0, chunks - 1))
    known = Codes(codes(done, height, width), codes(done, 16)) if done else None
    order = Order(prompt=prompt, chunks=chunks, seed=draw(st.integers(0, 2**63 - 1)))
    cut = Walk(Task(job="", order=order, done=known), PONY).next()
    assert cut is not None
    return cut


def tokens_of(cut: Cut) -> np.ndarray:
    """The whole sequence, its slots that are yet to be drawn filled with whatever."""
    rest = np.random.default_rng(0).integers(VOCABULARY.video, VOCABULARY.size_in_all, cut.slots)
    return np.concatenate([np.array(cut.tokens), rest])


def take(cut: Cut, pace: Pace = Pace.WAVES) -> Take:
    return take_of(order_of(cut, pace), PONY)


@settings(max_examples=30)
@given(cuts(), cuts(), st.data())
def test_rows_are_those_of_the_reference_however_a_step_is_cut(one, other, data):
    known = np.zeros((2, 2000), np.int64)
    for line, cut in zip(known, (one, other), strict=True):
        line[: cut.spec.slots] = tokens_of(cut)
    starts = [data.draw(st.integers(0, c.spec.slots - 2)) for c in (one, other)]
    counts = [data.draw(st.integers(1, c.spec.slots - 1 - s)) for c, s in zip((one, other), starts, strict=True)]
    inbox = np.zeros((sum(counts), COLUMNS), np.int32)

    fill(inbox, [take(one), take(other)], np.array(starts), np.array(counts), known)

    parts = np.split(inbox, [counts[0]])
    for part, cut, line, start, count in zip(parts, (one, other), known, starts, counts, strict=True):
        wanted = rows(layout(cut.spec), VOCABULARY)[slice(start, start + count)]
        gather = wanted.gather.numpy()
        assert np.array_equal(part[:, IDS], np.where(gather >= 0, line[np.maximum(gather, 0)], -1))
        assert np.array_equal(part[:, MARK], wanted.mark.numpy())
        assert np.array_equal(part[:, KIND], wanted.kind.numpy())
        assert np.array_equal(part[:, PLACES], wanted.place.numpy() + np.array([0, 17, 34]))
        assert np.array_equal(part[:, CLOCK], wanted.clock.numpy())


@settings(max_examples=30)
@given(cuts(), st.integers(1, 30))
def test_rows_behind_the_last_one_repeat_it(cut, more):
    line = tokens_of(cut)[None]
    last = cut.spec.slots - 2
    inbox = np.zeros((1 + more, COLUMNS), np.int32)

    fill(inbox, [take(cut)], np.array([last]), np.array([1 + more]), line)

    assert (inbox == inbox[0]).all()


@settings(max_examples=30)
@given(cuts(), st.data())
def test_a_step_draws_no_slot_whose_parents_may_be_missing(cut, data):
    slot = data.draw(st.integers(len(cut.tokens), cut.spec.slots - 1))
    count = data.draw(st.integers(1, 20))

    drawn = groups([take(cut)], np.array([slot]), np.array([count]))

    places = np.sort(np.concatenate([group.place for group in drawn]))
    assert np.array_equal(places, np.arange(len(places)))
    assert 1 <= len(places) <= count
    parents = layout(cut.spec).parents[slot + places]
    assert (parents < slot).all()


@settings(max_examples=30)
@given(cuts())
def test_waves_take_every_slot_once_and_as_many_steps_as_the_layout_says(cut):
    waves, slots = take(cut), take(cut, Pace.SLOTS)
    at, steps = len(cut.tokens), 0
    while at < cut.spec.slots:
        at += 1 + waves.rest(at)
        steps += 1

    assert at == cut.spec.slots
    assert steps == layout(cut.spec).waves
    assert waves.rest(cut.spec.slots) == 0
    assert all(slots.rest(s) == 0 for s in range(cut.spec.slots + 1))


@settings(max_examples=30)
@given(cuts(), cuts())
def test_each_slot_is_drawn_with_the_chance_of_its_own_film_and_kind(one, other):
    takes = [take(one), take(other)]
    slots = np.array([len(one.tokens), len(other.tokens)])

    drawn = groups(takes, slots, np.array([3, 3]))

    for group in drawn:
        for row, chance, owner, place in zip(group.rows, group.chance, group.owner, group.place, strict=True):
            cut, slot = (one, other)[owner], int(slots[owner] + place)
            table = layout(cut.spec)
            assert row == 3 * owner + place
            assert chance == chances(cut.seed, table, cut.start)[slot]
            assert table.kind[slot] == group.kind
            assert group.sampling == cut.sampling


@settings(max_examples=30)
@given(cuts())
def test_a_prompt_that_is_not_yet_over_draws_nothing(cut):
    begin = layout(cut.spec).begin

    assert groups([take(cut)], np.array([begin]), np.array([1])) == []


@settings(max_examples=30)
@given(cuts(), st.sampled_from(list(Pace)))
def test_an_order_is_plain_values_and_comes_back_whole(cut, pace):
    import json

    order = json.loads(json.dumps(order_of(cut, pace)))

    found = take_of(order, PONY)

    assert found.sampling == cut.sampling
    assert np.array_equal(found.chance, chances(cut.seed, layout(cut.spec), cut.start))
    assert np.array_equal(found.page.kind, layout(replace(cut.spec, given=0)).kind)


@pytest.mark.parametrize("config", [PONY, HORSE])
def test_the_columns_of_an_inbox_do_not_overlap(config):
    columns = [*range(COLUMNS)[IDS], MARK, KIND, *range(COLUMNS)[PLACES], *range(COLUMNS)[CLOCK]]

    assert columns == list(range(COLUMNS))
    assert len(range(COLUMNS)[IDS]) == ROLES


def test_films_that_are_drawn_differently_are_not_drawn_together():
    size = Size(64, 64)
    prompt = Prompt(mode=Mode.T2V, size=size, seconds=1, guide=Guide.PLAIN, text=(1,))
    cut = Walk(Task(job="", order=Order(prompt=prompt, chunks=2, seed=1)), PONY).next()
    assert cut is not None
    cool = replace(cut, sampling=Sampling(temperature=0.0))

    drawn = groups([take(cut), take(cool)], np.array([len(cut.tokens) + 1] * 2), np.array([2, 2]))

    assert {(g.kind, g.sampling.temperature, len(g.rows)) for g in drawn} == {
        (kind, warmth, 1) for kind in (Kind.VIDEO, Kind.AUDIO) for warmth in (0.0, cut.sampling.temperature)
    }
