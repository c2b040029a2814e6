"""Tiles lie where C2SP tlog-tiles says, hold what it says, and prove what a naive tree proves."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import Malformed, Refused
from policies.log.tiles import (
    Tile,
    decode_bundle,
    decode_tile,
    encode_bundle,
    entries_path,
    nodes,
    parse_path,
    tile_path,
    tiles_for,
    tiles_of,
    width_at,
)
from policies.log.tree import (
    Edge,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
)

LEAVES = [leaf_hash(str(number).encode()) for number in range(70_000)]
HASHES = {0: LEAVES, 1: [root_of(LEAVES[start : start + 256]) for start in range(0, 69_888, 256)]}
HASHES[2] = [root_of(LEAVES[:65_536])]
SIZES = st.one_of(st.integers(1, 70_000), st.sampled_from([255, 256, 257, 512, 65_535, 65_536, 65_537]))


EDGES = [Edge()]  # of the trees of 0, 256, 512… leaves
for start in range(0, 70_000, 256):
    EDGES.append(EDGES[-1].copy())
    EDGES[-1].extend(LEAVES[start : start + 256])


def root_at(size: int) -> bytes:
    edge = EDGES[size // 256].copy()
    edge.extend(LEAVES[size // 256 * 256 : size])
    return edge.root()


def read(path: str) -> bytes:
    """The bytes of a tile of the tree over LEAVES, cut as the path says."""
    tile = parse_path(path)
    return b"".join(HASHES[tile.level][tile.n * 256 : tile.n * 256 + tile.width])


def test_the_paths_are_those_of_the_specification():
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert entries_path(0, 12) == "tile/entries/000.p/12"
    assert tile_path(1, 256, 255) == "tile/1/256.p/255"


@given(st.integers(-1, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_a_path_names_one_tile(level, n, width):
    tile = Tile(level, n, width)

    assert parse_path(tile.path) == tile


@given(st.text("tilenrs/0123456789x.p", max_size=40).map("tile/".__add__) | st.text(max_size=60))
def test_any_text_is_a_path_written_in_the_one_way_or_is_refused(text):
    with suppress(Malformed):
        assert parse_path(text).path == text


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000",
        "tile/64/000",
        "tile/0/00",
        "tile/0/x000/001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/07",
    ],
)
def test_a_second_spelling_of_a_path_is_refused(path):
    with pytest.raises(Malformed):
        parse_path(path)


def test_a_tree_of_70000_leaves_has_the_tiles_of_the_specifications_example():
    tiles = list(tiles_of(70_000))

    assert [sum(tile.level == level and tile.width == 256 for tile in tiles) for level in range(4)] == [273, 1, 0, 0]
    assert [tile for tile in tiles if tile.width < 256] == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]


def test_a_tree_of_256_leaves_has_a_full_tile_and_one_of_width_1_above():
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]


@given(st.integers(0, 70_000), st.integers(0, 3_000))
def test_growing_gives_just_the_tiles_that_were_not_there(old, more):
    assert set(tiles_for(old, old + more)) == set(tiles_of(old + more)) - set(tiles_of(old))


@given(SIZES)
def test_every_tile_has_the_width_that_the_size_gives_it(size):
    assert all(tile.width == width_at(tile.level, size, tile.n) for tile in tiles_of(size))
    assert sum(tile.width for tile in tiles_of(size) if tile.level == 0) == size


def test_a_tree_does_not_shrink():
    with pytest.raises(Refused):
        list(tiles_for(3, 2))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_a_bundle_gives_back_its_entries(entries):
    assert decode_bundle(encode_bundle(entries)) == entries


@given(st.binary(max_size=2000))
def test_any_bytes_are_a_bundle_or_are_refused(data):
    with suppress(Malformed):
        assert encode_bundle(decode_bundle(data)) == data


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=256), st.data())
def test_a_bundle_that_is_cut_never_holds_what_it_held(entries, data):
    whole = encode_bundle(entries)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]

    with suppress(Malformed):
        assert len(decode_bundle(cut)) < len(entries)


def test_a_bundle_of_257_entries_is_refused_in_both_directions():
    with pytest.raises(Refused):
        encode_bundle([b""] * 257)
    with pytest.raises(Malformed):
        decode_bundle(b"\0\0" * 257)


def test_a_longest_entry_fits_and_one_byte_more_does_not():
    assert decode_bundle(encode_bundle([bytes(65_535)])) == [bytes(65_535)]
    with pytest.raises(Refused):
        encode_bundle([bytes(65_536)])


@given(st.integers(0, 300), st.integers(1, 256))
def test_a_tile_of_another_length_than_its_name_says_is_refused(hashes, width):
    if hashes == width:
        assert len(decode_tile(bytes(32 * hashes), width)) == width
    else:
        with pytest.raises(Malformed):
            decode_tile(bytes(32 * hashes), width)


@given(st.data(), SIZES)
def test_proofs_come_from_tiles_alone(data, size):
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    node, root = nodes(size, read), root_at(size)

    assert check_inclusion(LEAVES[index], index, size, inclusion_proof(index, size, node), root)
    assert check_consistency(old, root_at(old), size, root, consistency_proof(old, size, node))


def test_a_partial_tile_that_was_tidied_away_is_read_from_the_full_one():
    def tidied(path: str) -> bytes:
        if ".p/" in path:
            raise FileNotFoundError(path)
        return read(path)

    assert nodes(300, tidied)(2, 70) == root_of(LEAVES[280:284])


def test_a_subtree_beyond_the_size_is_refused():
    with pytest.raises(Refused, match="no full subtree"):
        nodes(300, read)(3, 37)
