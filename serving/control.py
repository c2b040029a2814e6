"""The control log: who may do what has changed. A log of its own beside the residency log, of the same form.

Every change to a tenant's bounds or keys leaves a notice in its own transaction. The process that keeps the house turns
notices into entries, oldest first, and drops them once the entries are durable. After a crash in between one is told
again; the entry has the notice's id, so that a reader sees that it is the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from typing import Final

from policies.log.entry import ConstraintsChanged, Entry, KeyRotated
from policies.log.keys import log_signers
from policies.log.pen import Pen
from policies.log.shards import Series, half_year
from policies.log.writer import Pace
from policies.tenants.notice import Notice, NoticeKind
from policies.tenants.store import Store
from serving.errors import Unavailable
from serving.settings import CellSettings

__all__ = ["ControlLog", "entry_of", "own_control"]

MOST: Final = 256  # notices of one turn
PATIENCE: Final = 20.0  # seconds for all of them


class ControlLog:
    """Use it from one thread at a time, and from one process of a cell."""

    def __init__(self, store: Store, begin: Callable[[], Pen]) -> None:
        """`begin` opens the log, once there is something to tell: a cell whose tenants never change has none."""
        self._store, self._begin = store, begin
        self._pen: Pen | None = None

    def turn(self) -> int:
        """Tells what waits, and says how many changes that was.

        Raises what keeps the log from taking them; then they stay, and the log is opened anew at the next turn.
        """
        told = self._store.notices(MOST)
        if told:
            try:
                self._write(told)
            except BaseException:
                self.close()
                raise
            with self._store.writing() as page:
                page.drop_notices(told[-1].number)
        return len(told)

    def _write(self, told: Sequence[Notice]) -> None:
        """Returns once all entries are durable."""
        pen = self._pen = self._pen or self._begin()
        for notice in told:
            self._archive(pen, notice)
        entries = [pen.write(entry_of(notice), identity=notice.id) for notice in told]
        if wait(entries, PATIENCE).not_done:
            raise Unavailable(f"The control log took nothing for {PATIENCE:g} s. It is tried again; look at its disk.")
        for entry in entries:
            entry.result()

    def _archive(self, pen: Pen, notice: Notice) -> None:
        """The bounds that an entry names by digest, so that an auditor can read them."""
        if notice.kind is NoticeKind.CONSTRAINTS and notice.new is not None:
            body = self._store.constraints(notice.new)  # type: ignore[arg-type]  # a digest, as the registrar wrote it
            if body is not None:
                pen.log.store(body)

    def close(self) -> None:
        """Lets go of the log."""
        pen, self._pen = self._pen, None
        if pen is not None:
            pen.log.close()


def entry_of(notice: Notice) -> Entry:
    """What the control log says of a change."""
    if notice.kind is NoticeKind.KEY:
        return KeyRotated(what="api", ten=notice.tenant, old=notice.old, new=notice.new)
    assert notice.new is not None, "a ceiling is always followed by another one"
    return ConstraintsChanged(ten=notice.tenant, old=notice.old, new=notice.new, by=())


def own_control(settings: CellSettings, now: Callable[[], int]) -> Pen:
    """The control log of this half-year, opened for writing; the file that says whom to trust lies beside its shards.

    Raises Refused when another process writes it, Doubt when it cannot be relied on.
    """
    series = Series(
        root=settings.log.folder,
        keys=settings.folders.state / "log-keys",
        domain=settings.log.domain,
        cell=settings.cell.name,
        kind="control",
    )
    pen = series.open(now=now, rng=os.urandom, pace=Pace(linger=settings.log.batch / 1000))
    name = half_year(now())
    signer, cosigner = log_signers(series.keys, series.origin(name))
    trust = series.root / series.kind / f"{name}.trust"
    trust.write_text(f"log {signer.vkey}\nwitness pq {cosigner.vkey}\nquorum none\n", "utf-8")
    return pen
