"""The cell's residency log: opened by the one process that writes it, or reached through that process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from policies.errors import Malformed, Refused, Unavailable
from policies.log.entry import Entry
from policies.log.keys import log_signers
from policies.log.pen import Pen
from policies.log.shards import Series, half_year
from policies.log.trust import parse_trust
from policies.log.writer import Pace

if TYPE_CHECKING:
    from serving.gate import Pen as Writes

__all__ = ["OWN", "Book", "Ledger", "open_ledger", "witness_lines"]

PATIENCE = 60.0  # seconds for an entry that the cell cannot start without
OWN = "pq"  # the trust policy's name for the log's own cosigner, which is no witness
MOST_KEYS = 64  # of witnesses; a note has at most 100 signatures, and is unreadable with more
NOBODY = "quorum none\n"


class Book(Protocol):
    """A residency log as the parts of a cell use it. When it is away, every call raises, and nothing goes on."""

    @property
    def pen(self) -> Writes:
        """What coroutines write with."""

    @property
    def origin(self) -> str:
        """The log's name."""

    def tell(self, entry: Entry) -> None:
        """Write an entry and wait until it is durable."""

    def archive(self, data: bytes) -> None:
        """Keep an object that entries name by digest."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open log: its pen, its folder, and the file that tells an auditor whom to trust."""

    pen: Pen
    folder: Path
    trust: Path

    @property
    def origin(self) -> str:
        """The log's name, which is also the name of its key."""
        return self.pen.log.origin

    def tell(self, entry: Entry) -> None:
        """Write an entry and wait until it is durable. Raises Unavailable when that takes too long."""
        try:
            self.pen.write(entry).result(PATIENCE)
        except TimeoutError:
            raise Unavailable(f"The residency log took nothing for {PATIENCE:g} s. Look at its disk.") from None

    def archive(self, data: bytes) -> None:
        """Keep an object that entries name by digest."""
        self.pen.log.store(data)

    def close(self) -> None:
        """Commit what waits and let go of the lock."""
        self.pen.log.close()


def open_ledger(
    series: Series, *, now: Callable[[], int], rng: Callable[[int], bytes], linger: float, witnesses: str = NOBODY
) -> Ledger:
    """The log of this half-year, made when there is none; `linger` is seconds for which entries are gathered.

    `witnesses` are lines of the trust policy that say who must vouch beside the log, as `witness_lines` gives them.
    Raises Refused when another process writes it, Doubt when it cannot be relied on.
    """
    pen = series.open(now=now, rng=rng, pace=Pace(linger=linger))
    name = half_year(now())
    signer, cosigner = log_signers(series.keys, series.origin(name))
    trust = series.root / f"{series.kind}-{name}.trust"
    trust.write_text(f"log {signer.vkey}\nwitness {OWN} {cosigner.vkey}\n{witnesses}", "utf-8")
    return Ledger(pen, series.folder(name), trust)


def witness_lines(path: Path | None) -> str:
    """The lines of an operator's file with witnesses' keys and the quorum; without a file nobody must vouch.

    Raises Refused when the file cannot be read, or says more or less than that.
    """
    if path is None:
        return NOBODY
    try:
        text = path.read_text("utf-8")
        told = parse_trust(text)
    except (OSError, UnicodeDecodeError, Malformed) as error:
        raise Refused(f"{path} is no file with witnesses' keys. {error}") from None
    if told.logs or OWN in {*told.witnesses, *told.groups}:
        raise Refused(f"{path} names a log, or a witness {OWN!r}. Leave both out: the cell adds the log's own keys.")
    if not 1 <= len(told.witnesses) <= MOST_KEYS:
        raise Refused(f"{path} names {len(told.witnesses)} witnesses' keys; 1 to {MOST_KEYS} are allowed.")
    return text
