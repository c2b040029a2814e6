"""A draw depends on the seed and on its place, and on nothing else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.draws import Sampling, draw, uniforms

PLACES = np.arange(80)


def test_a_draw_is_the_same_alone_and_among_others():
    together = uniforms(7, np.full(80, 3), PLACES)

    alone = [uniforms(7, np.array([3]), np.array([p]))[0] for p in PLACES]

    assert together.tolist() == alone


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_draws_lie_in_the_unit_interval(seed, chunk, place):
    assert 0.0 <= uniforms(seed, np.array([chunk]), np.array([place]))[0] < 1.0


def test_draws_are_spread_evenly_and_differ_between_seeds_chunks_and_places():
    table = np.concatenate([uniforms(s, np.repeat(np.arange(30), 80), np.tile(PLACES, 30)) for s in range(100)])

    assert len(np.unique(table)) == len(table)
    assert np.histogram(table, 10, (0, 1))[0] == pytest.approx(np.full(10, len(table) / 10), rel=0.02)


def test_neighbouring_seeds_chunks_and_places_are_not_correlated():
    table = np.stack([[uniforms(s, np.full(80, c), PLACES) for c in range(20)] for s in range(20)])

    for axis in range(3):
        a, b = np.moveaxis(table, axis, 0)[:-1].ravel(), np.moveaxis(table, axis, 0)[1:].ravel()
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.02


def test_codes_are_drawn_as_often_as_they_are_likely():
    likely = torch.tensor([0.5, 0.3, 0.15, 0.05])
    chance = torch.from_numpy(uniforms(1, np.repeat(np.arange(250), 80), np.tile(PLACES, 250)))

    codes = draw(likely.log().expand(len(chance), -1), chance, Sampling())

    assert torch.bincount(codes) / len(codes) == pytest.approx(likely.numpy(), abs=0.015)


def test_codes_below_the_floor_are_never_drawn():
    logits = torch.tensor([0.0, -1.0, -5.0]).expand(1000, -1)

    codes = draw(logits, torch.linspace(0, 1 - 1e-9, 1000, dtype=torch.float64), Sampling(floor=0.05))

    assert set(codes.tolist()) == {0, 1}


def test_no_temperature_takes_the_likeliest_code():
    assert draw(torch.tensor([[0.0, 2.0, 1.0]]), torch.tensor([0.99]), Sampling(temperature=0.0)).item() == 1


def test_what_is_almost_sure_is_left_to_its_likelihood_and_the_rest_is_sharpened():
    logits = torch.log(torch.tensor([[0.9, 0.06, 0.04], [0.5, 0.3, 0.2]]))
    many = torch.linspace(0, 1, 20_001, dtype=torch.float64)[:-1]
    sampling = Sampling(temperature=0.25, keep=0.8)

    shares = [
        torch.bincount(draw(row.expand(len(many), -1), many, sampling), minlength=3) / len(many) for row in logits
    ]

    assert torch.allclose(
        shares[0], torch.tensor([0.9, 0.1 * 6**4 / (6**4 + 4**4), 0.1 * 4**4 / (6**4 + 4**4)]), atol=1e-3
    )
    assert torch.allclose(shares[1], torch.tensor([5.0, 3.0, 2.0]) ** 4 / (5**4 + 3**4 + 2**4), atol=1e-3)
