"""The Merkle tree of RFC 6962: hashes, the right edge that grows, and the two kinds of proof.

Nothing here reads or writes. A proof is made from `Node`, which knows the hash of any full subtree, and is checked from
its hashes alone. Hashes are 32 bytes of SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from policies.errors import Refused

__all__ = [
    "EMPTY",
    "Edge",
    "Node",
    "check_consistency",
    "check_inclusion",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "root_of",
]

EMPTY: Final = hashlib.sha256(b"").digest()  # the root of a tree without leaves

Node = Callable[[int, int], bytes]
"""(level, index) to the hash of the full subtree over the leaves [index << level, index + 1 << level)."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry, set apart from nodes by a leading 0x00 (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees, set apart from entries by a leading 0x01 (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Edge:
    """The right edge of a tree: the roots of its full subtrees, widest first, one for each bit of its size.

    This is all that must be kept of a tree in order to grow it.
    """

    __slots__ = ("_peaks", "_size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self._size, self._peaks = size, list(peaks)
        if size < 0 or len(self._peaks) != size.bit_count():
            raise Refused(f"A tree of {size} leaves has {max(size, 0).bit_count()} peaks, not {len(self._peaks)}.")

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add the hash of one leaf."""
        peaks, size = self._peaks, self._size
        while size & 1:  # two subtrees of one width become one of twice the width
            leaf = node_hash(peaks.pop(), leaf)
            size >>= 1
        peaks.append(leaf)
        self._size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add the hashes of leaves in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return _join(self._peaks)

    def copy(self) -> Edge:
        """An edge that grows on its own from here."""
        return Edge(self._size, self._peaks)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over the hashes of leaves (RFC 6962, MTH)."""
    edge = Edge()
    edge.extend(leaves)
    return edge.root()


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """The hashes that lead from the leaf at `index` to the root over `size` leaves, lowest first (RFC 6962, PATH)."""
    if not 0 <= index < size:
        raise Refused(f"There is no entry {index} in a tree of {size} entries. Ask for one that exists.")
    low, high = 0, size
    proof: list[bytes] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_root(middle, high, node))
            high = middle
        else:
            proof.append(_root(low, middle, node))
            low = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """The hashes that show that a tree of `old` leaves begins the one of `new` (RFC 6962, PROOF).

    Empty when `old` is 0, since the empty tree begins every tree, and when the two are equal.
    """
    if not 0 <= old <= new:
        raise Refused(f"A tree of {new} entries does not begin with {old} of them. Ask the other way round.")
    low, high = 0, new
    proof: list[bytes] = []
    if old in {0, new}:
        return proof
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(_root(middle, high, node))
            high = middle
        else:
            proof.append(_root(low, middle, node))
            low = middle
    # The subtree that ends at `old` is known to the reader when it is the whole old tree.
    return ([_root(low, high, node)] if low else []) + proof[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` leads from the hash of the leaf at `index` to `root` over `size` leaves (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or len(leaf) != 32:
        return False
    position, last, seen = index, size - 1, leaf
    for step in proof:
        if last == 0 or len(step) != 32:
            return False
        if position & 1 or position == last:
            seen = node_hash(step, seen)
            while position & 1 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            seen = node_hash(seen, step)
        position, last = position >> 1, last >> 1
    return last == 0 and seen == root


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `old` leaves begins the one of `new` (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old == 0:
        return not proof and old_root == EMPTY and (new > 0 or new_root == EMPTY)
    if old == new:
        return not proof and old_root == new_root
    return _consistent(old, old_root, new, new_root, proof)


def _consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    steps = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if len(steps) < 2 or any(len(step) != 32 for step in steps):
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while position & 1 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, step)
        position, last = position >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _split(width: int) -> int:
    """The largest power of two below `width`, which is at least 2."""
    return 1 << ((width - 1).bit_length() - 1)


def _root(low: int, high: int, node: Node) -> bytes:
    """The root over the leaves [low, high), where `low` is a multiple of the widest full subtree."""
    peaks: list[bytes] = []
    while low < high:
        level = (high - low).bit_length() - 1
        peaks.append(node(level, low >> level))
        low += 1 << level
    return _join(peaks)


def _join(peaks: Sequence[bytes]) -> bytes:
    """The root above subtrees that stand side by side, widest first."""
    if not peaks:
        return EMPTY
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root
