"""The rules a cell lives by, kept fresh: tables for the gate and a judge for the studio.

A rulebook is built from signed files and from the tenants' store. When one of them changes, or a day begins, new tables
are built aside and swapped in. When they cannot be built, the old ones decide until their facts run out, and then
nothing is permitted. Each set of rules is in the log before it decides.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from policies.atlas import Atlas, LegalLists
from policies.constraints import Constraints, Evidence
from policies.decision import Asked, Verdict
from policies.errors import PolicyError, Refused
from policies.log.entry import CatalogueActivated, Entry, ListActivated, PolicyActivated
from policies.policy import Policy
from policies.shelf import Shelf
from policies.tables import Tables
from policies.tenants.store import Reader
from policies.worker import Worker

__all__ = ["Archive", "Rulebook"]

log = logging.getLogger(__name__)

DAY: Final = 86_400_000  # milliseconds
Archive = Callable[[bytes], object]  # stores an object under its digest, durably
Tell = Callable[[Entry], object]  # writes an entry, durably


@dataclass(frozen=True, slots=True)
class _Edition:
    """Everything that decides, built together."""

    tables: Tables
    worker: Worker | None
    seen: tuple[int, int, str]  # day, tenants' revision, documents

    @property
    def key(self) -> tuple[str, str, str]:
        g = self.tables.grounds
        return g.pol, g.cat, g.lst


class Rulebook:
    """Thread-safe: readers take the newest edition without a lock."""

    def __init__(
        self,
        shelf: Shelf,
        tenants: Reader,
        region: str,
        *,
        now: Callable[[], int],
        archive: Archive,
        tell: Tell,
        evidence: Evidence = Evidence.ATTESTED,
    ) -> None:
        """`now` in milliseconds since 1970; `evidence` is how well this replica knows that it is in the region. Until
        `first` has built an edition, nothing is permitted."""
        self.shelf, self.tenants, self.region = shelf, tenants, region
        self.now, self.archive, self.tell, self.evidence = now, archive, tell, evidence
        self._edition = _Edition(Tables.closed("policy_refused"), None, (-1, -1, ""))
        self._turn = threading.Lock()  # one builder at a time
        self._kept: set[str] = set()  # digests of constraints that are in the archive

    def tables(self) -> Tables:
        """The newest tables."""
        return self._edition.tables

    def judge(self, demands: Constraints, asked: Asked) -> Verdict:
        """The worker's own decision about its own region: one Cedar call."""
        worker = self._edition.worker
        if worker is None:
            return Verdict(False, ("policy_refused",))
        return worker.decide(demands, asked)

    @property
    def ready(self) -> bool:
        """Whether anything can be permitted at all."""
        edition = self._edition
        day = self.now() // DAY
        return edition.worker is not None and edition.tables.valid_from_day <= day <= edition.tables.valid_until_day

    def keeps(self, digest: str) -> bool:
        """Whether these constraints are in the archive already."""
        return digest in self._kept

    def keep(self, demands: Constraints) -> None:
        """Put constraints into the archive, once, so that a replay finds them."""
        if not self.keeps(demands.digest):
            self.archive(demands.canonical())
            if len(self._kept) > 65_536:
                self._kept.clear()
            self._kept.add(demands.digest)

    def refresh(self) -> bool:
        """Builds a new edition when something has changed; True when there is one. Never raises for what it reads."""
        with self._turn:
            try:
                return self._refresh()
            except PolicyError as error:
                log.error("The rules could not be renewed.", extra={"error": type(error).__name__})
                if not self.ready:
                    self._edition = _Edition(Tables.closed("policy_refused"), None, (-1, -1, ""))
                return False

    def first(self) -> None:
        """The first edition; raises what keeps the rules from being built, for whoever starts the cell."""
        with self._turn:
            self._refresh()
        if self._edition.worker is None:
            raise Refused("The rules cannot decide for this region. See `equerry policy lint`.")

    def _refresh(self) -> bool:
        day, revision = self.now() // DAY, self.tenants.revision()
        policy, atlas, lists = self.shelf.read_policy(), self.shelf.read_atlas(day), self.shelf.read_lists(day)
        seen = (day, revision, f"{policy.digest}{atlas.digest}{lists.digest}")
        if seen == self._edition.seen:
            return False
        ceilings = {str(tenant.id): tenant.ceiling for tenant in self.tenants.tenants() if tenant.closed is None}
        tables = Tables.build(policy, atlas, lists, ceilings, day)
        worker = Worker.prepare(policy, atlas, lists, self.region, day, self.evidence)
        self._activate(_Edition(tables, worker, seen), policy, atlas, lists)
        return True

    def _activate(self, edition: _Edition, policy: Policy, atlas: Atlas, lists: LegalLists) -> None:
        """Into the log first, then into force."""
        old, new = self._edition.key, edition.key
        if old != new:
            for document in (policy.canonical, atlas.canonical, lists.canonical):
                self.archive(document)
            self._tell(policy, old, new)
        self._edition = edition

    def _tell(self, policy: Policy, old: tuple[str, str, str], new: tuple[str, str, str]) -> None:
        if old[0] != new[0]:
            self.tell(PolicyActivated(new=new[0], old=old[0] or None, by=(), proofs=_proofs(policy)))
        if old[1] != new[1]:
            self.tell(CatalogueActivated(new=new[1], old=old[1] or None, by=()))
        if old[2] != new[2]:
            self.tell(ListActivated(new=new[2], old=old[2] or None, by=()))


#: The properties that `policy.activate` names, and the proofs that show them.
_PROOFS: Final = {**{f"p{n}": f"P{n}" for n in range(1, 6)}, "redundant": "forbids-redundant"}


def _proofs(policy: Policy) -> dict[str, str]:
    """What is proven of the rules, here and now; `skipped` where there is no prover, which says so to the auditor."""
    try:
        from policies.proofs import prove

        found = {proof.id: "proven" if proof.holds else "refuted" for proof in prove(policy)}
    except (PolicyError, ImportError):
        found = {}
    return {name: found.get(proof, "skipped") for name, proof in _PROOFS.items()}
