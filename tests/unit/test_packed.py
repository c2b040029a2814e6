"""Products with few rows: the same numbers as plain ones, whatever happens to the matrix."""

import copy

import pytest
import torch
from torch.nn import functional as fn

from model.packed import Packed, PackedLinear, available

SIZE = (2_048, 256)
MISSING = "this build of torch has no packed products"


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def close(a, b):
    return torch.allclose(a, b, atol=2e-4)


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 200])
def test_a_product_is_the_plain_one(rows):
    x, weight = drawn(2, rows, SIZE[1]), drawn(*SIZE)

    with torch.inference_mode():
        assert close(Packed()(x, weight), fn.linear(x, weight))


@pytest.mark.skipif(not available(), reason=MISSING)
@pytest.mark.parametrize("inner", [256, 640, 768])
@pytest.mark.parametrize("outer", [256, 1_536, 4_375])
def test_a_row_has_the_same_result_however_many_are_computed_with_it(inner, outer):
    x, weight, packed = drawn(40, inner), drawn(outer, inner), Packed()

    with torch.inference_mode():
        whole = packed(x, weight)
        assert all(torch.equal(packed(x[:rows], weight), whole[:rows]) for rows in range(1, 40))


@pytest.mark.skipif(not available(), reason=MISSING)
@pytest.mark.parametrize(("inner", "outer"), [(192, 576), (576, 192), (192, 768), (576, 384)])  # those of the codecs
def test_a_row_of_a_layer_has_the_same_result_however_many_are_computed_with_it(inner, outer):
    x, layer = drawn(480, inner), PackedLinear(inner, outer)

    with torch.inference_mode():
        whole = layer(x)
        assert close(whole, fn.linear(x, layer.weight, layer.bias))
        assert all(torch.equal(layer(x[:rows]), whole[:rows]) for rows in (1, 16, 60, 64, 240, 256))


@pytest.mark.skipif(not available(), reason=MISSING)
def test_the_copy_is_kept_for_as_long_as_the_matrix_is_not_written():
    x, weight, packed = drawn(4, SIZE[1]), drawn(*SIZE), Packed()

    with torch.inference_mode():
        packed(x, weight)
        first = packed._copy
        packed(x, weight)
        assert packed._copy is first
    with torch.no_grad():
        weight.mul_(2.0)
    with torch.inference_mode():
        assert close(packed(x, weight), fn.linear(x, weight))
    assert packed._copy is not first


def test_a_product_that_is_learnt_from_has_its_gradient():
    x, weight = drawn(4, SIZE[1]), drawn(*SIZE).requires_grad_(True)
    packed = Packed()
    with torch.inference_mode():
        packed(x, weight)

    packed(x, weight).sum().backward()

    assert close(weight.grad[0], x.sum(0))


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_other_kinds_of_numbers_are_multiplied_plainly(kind):
    x, weight = drawn(4, SIZE[1]).to(kind), drawn(*SIZE).to(kind)

    with torch.inference_mode():
        assert torch.equal(Packed()(x, weight), fn.linear(x, weight))


def test_a_part_of_a_matrix_and_a_copy_of_the_whole_are_matrices_of_their_own():
    x, weight, packed = drawn(4, SIZE[1]), drawn(*SIZE), Packed()

    with torch.inference_mode():
        whole = packed(x, weight)
        part = packed(x, weight[512:])
        again = copy.deepcopy(packed)(x, weight)

    assert close(part, whole[:, 512:])
    assert torch.equal(again, whole)
