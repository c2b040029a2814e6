"""Every request is decided, ends, and is marked when it has output: from one entry to the next, by its id.

A request that is still under way when the log is read lacks its later entries, which is no fault: within the grace
it counts as pending. At the start of a log that follows another, or that was pruned, earlier entries may lie
elsewhere; within the grace that counts as carried over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from policies.log.finding import Finding

__all__ = ["GRACE", "Trail"]

GRACE: Final = 24 * 3_600_000  # milliseconds


@dataclass(slots=True)
class _Open:
    index: int  # of the decision
    ts: int
    region: bytes
    ended: bool = False
    output: bool = False
    marked: bool = False


class Trail:
    """The requests of a log, entry by entry. What is complete is kept as one small value."""

    def __init__(self, *, midway: bool = False, grace: int = GRACE) -> None:
        self.midway, self.grace = midway, grace  # midway: this log follows another, or was pruned
        self.requests = self.carried = self.pending = 0
        self._open: dict[bytes, _Open] = {}
        self._done: dict[bytes, bytes] = {}  # the region, or b"" for a denial
        self._unmarked: set[bytes] = set()  # of those: without output so far
        self._begin = self._now = 0

    def at(self, first: int, last: int) -> None:
        """The first and the greatest time of the entries that come next."""
        self._begin = self._begin or first
        self._now = max(self._now, last)

    def decided(self, index: int, ts: int, request: bytes, verdict: bytes, region: bytes | None) -> Finding | None:
        """A decision."""
        if request in self._open or request in self._done:
            return _finding("decision.twice", index, "The request was decided before.")
        self.requests += 1
        if verdict == b"allow" and region is not None:
            self._open[request] = _Open(index, ts, region)
        else:
            self._done[request] = b""
        return None

    def executed(self, index: int, ts: int, request: bytes, verdict: bytes, region: bytes, out: int) -> Finding | None:
        """The end of a request on a worker. There may be several, when a worker dies and another goes on."""
        if (state := self._find(request, index, ts)) is None:
            return self._unknown("execution", index, ts, request, region, out)
        state.ended, state.output = True, state.output or out > 0
        state.region = state.region or region  # of a request whose decision lies elsewhere, nothing was known
        self._settle(request, state)
        if region != state.region:
            return _finding(
                "execution.elsewhere", index, "The request was decided for another region. Ask who moved it."
            )
        if verdict == b"deny" and out:
            return _finding("execution.refused", index, "The worker's own decision was deny, and there is output.")
        return None

    def marked(self, index: int, ts: int, request: bytes) -> Finding | None:
        """A film was marked."""
        if (state := self._find(request, index, ts)) is None:
            return self._unknown("marking", index, ts, request, b"", 0)
        state.marked = True
        self._settle(request, state)
        return None

    def findings(self) -> Iterator[Finding]:
        """What is still open when the log ends."""
        for state in self._open.values():
            if state.ts > self._now - self.grace:
                self.pending += 1
            elif not state.ended:
                yield _finding(
                    "execution.missing", state.index, "The request was allowed, and nothing says how it ended."
                )
            else:
                yield _finding(
                    "marking.missing", state.index, "The request has output, and no entry says it was marked."
                )

    def _find(self, request: bytes, index: int, ts: int) -> _Open | None:
        """The state of a request that was allowed; one that was complete is open again."""
        if state := self._open.get(request):
            return state
        region = self._done.get(request)
        if not region:
            return None
        return _Open(index, ts, region, ended=True, marked=request not in self._unmarked)

    def _settle(self, request: bytes, state: _Open) -> None:
        if state.ended and (state.marked or not state.output):
            self._open.pop(request, None)
            self._done[request] = state.region
            (self._unmarked.discard if state.marked else self._unmarked.add)(request)
        else:
            self._open[request] = state

    def _unknown(self, what: str, index: int, ts: int, request: bytes, region: bytes, out: int) -> Finding | None:
        if self._done.get(request) == b"":
            return _finding("execution.denied", index, "The request was denied, and it ran or was marked all the same.")
        if self.midway and ts < self._begin + self.grace:
            self.carried += 1
            ran = what == "execution"
            self._settle(request, _Open(index, ts, region, ended=ran, output=out > 0, marked=not ran))
            return None
        return _finding(f"{what}.undecided", index, "No earlier entry decides this request.")


def _finding(code: str, index: int, words: str) -> Finding:
    return Finding(code, f"entry {index}", words, index)
