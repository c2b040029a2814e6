"""The tree agrees with one written naively from RFC 6962, 2.1, and its proofs prove nothing else."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import Refused
from policies.log.tree import (
    EMPTY,
    Edge,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
)

SIZES = st.integers(1, 300)
LEAVES = [leaf_hash(str(number).encode()) for number in range(300)]


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH, as the RFC writes it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return hashlib.sha256(b"\1" + naive_root(leaves[:middle]) + naive_root(leaves[middle:])).digest()


def node(level: int, index: int) -> bytes:
    return naive_root(LEAVES[index << level : index + 1 << level])


def test_the_roots_of_the_rfcs_own_example_leaves_are_the_published_ones():
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]

    root = root_of(leaf_hash(bytes.fromhex(entry)) for entry in entries)

    assert root.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(st.integers(0, 300))
def test_the_edge_has_the_root_of_the_naive_tree(size):
    assert root_of(LEAVES[:size]) == naive_root(LEAVES[:size])


def test_an_empty_tree_has_the_hash_of_nothing():
    assert root_of([]) == Edge().root() == EMPTY


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_copy_of_an_edge_grows_on_its_own(first, second):
    edge = Edge()
    edge.extend(LEAVES[:first])
    copy = edge.copy()
    copy.extend(LEAVES[first : first + second])

    assert (edge.size, edge.root()) == (first, naive_root(LEAVES[:first]))
    assert (copy.size, copy.root()) == (min(first + second, 300), naive_root(LEAVES[: first + second]))


def test_an_edge_with_too_few_peaks_is_refused():
    with pytest.raises(Refused, match="2 peaks, not 1"):
        Edge(5, [LEAVES[0]])


@given(st.data(), SIZES)
def test_an_inclusion_proof_holds_for_its_leaf_and_no_other(data, size):
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    root, proof = naive_root(LEAVES[:size]), inclusion_proof(index, size, node)

    assert check_inclusion(LEAVES[index], index, size, proof, root)
    assert check_inclusion(LEAVES[index], other, size, proof, root) == (other == index)
    assert not check_inclusion(leaf_hash(b"another"), index, size, proof, root)
    assert not check_inclusion(LEAVES[index], index, size, [*proof, root], root)
    assert size == 1 or not check_inclusion(LEAVES[index], index, size, proof[:-1], root)


@given(st.data(), SIZES)
def test_a_consistency_proof_holds_for_its_two_trees_and_no_others(data, new):
    old = data.draw(st.integers(0, new))
    first, second = naive_root(LEAVES[:old]), naive_root(LEAVES[:new])
    proof = consistency_proof(old, new, node)

    assert check_consistency(old, first, new, second, proof)
    assert not check_consistency(old, LEAVES[-1], new, second, proof) or old == new == 300
    assert not check_consistency(old, first, new, second, [*proof, first])
    assert old in {0, new} or not check_consistency(old, first, new, second, proof[:-1])
    assert old in {0, new} or not check_consistency(old, first, new, LEAVES[-1], proof)


@given(st.data(), st.integers(2, 300), st.integers(0, 255))
def test_one_changed_bit_of_a_proof_is_found(data, size, bit):
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, node)
    place = data.draw(st.integers(0, len(proof) - 1))
    proof[place] = (int.from_bytes(proof[place], "big") ^ 1 << bit).to_bytes(32, "big")

    assert not check_inclusion(LEAVES[index], index, size, proof, naive_root(LEAVES[:size]))


@given(
    st.integers(-2, 2**64),
    st.integers(-2, 2**64),
    st.lists(st.binary(max_size=40), max_size=70),
    st.binary(max_size=40),
)
def test_checking_what_a_stranger_sends_gives_an_answer_and_no_crash(one, two, proof, root):
    assert check_inclusion(LEAVES[0], one, two, proof, root) in {True, False}
    assert check_consistency(one, root, two, LEAVES[0], proof) in {True, False}


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_there_is_no_proof_for_an_entry_that_does_not_exist(index, size):
    with pytest.raises(Refused, match="no entry"):
        inclusion_proof(index, size, node)


def test_there_is_no_proof_that_a_tree_shrank():
    with pytest.raises(Refused, match="other way round"):
        consistency_proof(5, 4, node)
