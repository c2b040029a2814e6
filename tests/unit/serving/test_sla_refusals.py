"""Requests that no film came of are counted, also while the store is away."""

from __future__ import annotations

import asyncio

from policies.sla import Rejection
from serving.errors import Unavailable
from serving.jobs.job import TenantId
from serving.jobs.memory import MemoryStore
from serving.sla.refusals import Refusals

ACME, BOLT = TenantId("t-acme"), TenantId("t-bolt")


class Store(MemoryStore):
    """A store that may be away."""

    away = False

    def turn_away(self, tenant: TenantId, reason: str) -> None:
        if self.away:
            raise Unavailable("The store is away.")
        super().turn_away(tenant, reason)

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        return {(each.tenant, each.reason): each.number for each in self.turned_away(0, 1)}


def count(refusals: Refusals, *which: tuple[TenantId, Rejection]) -> None:
    for tenant, why in which:
        asyncio.run(refusals.count(tenant, why))


def test_refusals_are_counted_by_tenant_and_reason():
    store = Store(lambda: 0)
    count(Refusals(store), *[(ACME, Rejection.UNAVAILABLE)] * 3, (BOLT, Rejection.NO_COMPLIANT_REGION))

    assert store.counts == {(ACME, "unavailable"): 3, (BOLT, "no_compliant_region"): 1}


def test_what_could_not_be_counted_is_counted_once_the_store_is_back():
    store = Store(lambda: 0)
    refusals, store.away = Refusals(store), True
    count(refusals, *[(ACME, Rejection.UNAVAILABLE)] * 5)
    assert store.counts == {}

    store.away = False
    count(refusals, (BOLT, Rejection.UNAVAILABLE))
    assert store.counts == {(ACME, "unavailable"): 5, (BOLT, "unavailable"): 1}
