"""Writers number their entries 0, 1, 2, ... in each log; a hole that no `gap` entry explains is an entry withheld."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policies.log.finding import Finding

__all__ = ["Sequences"]


class Sequences:
    """The numbers of every writer, entry by entry. Order does not matter, since threads may overtake each other."""

    def __init__(self, *, midway: bool = False) -> None:
        self._midway = midway  # earlier entries were pruned, so a writer may begin anywhere
        self._next: dict[bytes, int] = {}
        self._early: dict[bytes, set[int]] = {}  # numbers beyond the next
        self._first: dict[bytes, int] = {}
        self._gaps: dict[bytes, list[tuple[int, int]]] = {}

    def add(self, index: int, writer: bytes, number: int) -> Finding | None:
        """One entry; a finding when the writer has used the number before."""
        following = self._next.get(writer)
        if following is None:
            following = self._next[writer] = self._first[writer] = number if self._midway else 0
        if number == following:
            early = self._early.get(writer)
            following += 1
            while early and following in early:
                early.remove(following)
                following += 1
            self._next[writer] = following
            return None
        early = self._early.setdefault(writer, set())
        if number > following and number not in early:
            early.add(number)
            return None
        if number < self._first[writer]:
            return None
        words = f"The writer {writer.decode()} used the number {number} before. Ask the operator for both entries."
        return Finding("sequence.twice", f"entry {index}", words, index)

    def gap(self, writer: bytes, first: int, last: int) -> None:
        """A gap entry explains these numbers, both included."""
        self._gaps.setdefault(writer, []).append((first, last))

    def findings(self) -> Iterator[Finding]:
        """The holes that nothing explains."""
        for writer in sorted({*self._next, *self._gaps}):
            holes = _holes(self._next.get(writer, 0), sorted(self._early.get(writer, ())))
            for first, last in _less(holes, sorted(self._gaps.get(writer, ()))):
                words = (
                    f"The writer {writer.decode()} counts {last - first + 1} more entries, {first} to {last}, and no "
                    "gap entry explains them. Ask the operator what they held."
                )
                yield Finding("sequence.gap", f"writer {writer.decode()}", words)


def _holes(following: int, early: Iterable[int]) -> Iterator[tuple[int, int]]:
    for number in early:
        if number > following:
            yield following, number - 1
        following = number + 1


def _less(holes: Iterable[tuple[int, int]], gaps: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What of the holes no gap covers."""
    for first, last in holes:
        begin = first
        for low, high in gaps:
            if high >= begin and low <= last:
                if low > begin:
                    yield begin, low - 1
                begin = high + 1
        if begin <= last:
            yield begin, last
