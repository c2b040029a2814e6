"""The end of everything that a cell keeps of a tenant: prompts, films, sources, uploads, addresses. Bills stay.

Jobs that are open are ended first, which takes the studios a step each; the house asks again until they have. Where the
cell seals, the tenant's data key is destroyed next, and the log says so before any object is deleted: from then on
nobody can read what copies of the objects still hold. The log is never changed: it gets an entry that the data are
gone, and the entry's place is the proof that the tenant is given. What a copy or a backup of the database holds ends
with that copy.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from policies.canonical import sha256
from policies.log.entry import Erased
from serving.gate import Pen
from serving.jobs.accounts import Erasure
from serving.jobs.job import TenantId
from serving.jobs.store import Store
from serving.media.store import Objects
from serving.sealed.keys import Keyring

__all__ = ["carry_out"]

EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)


async def carry_out(erasure: Erasure, store: Store, objects: Objects, pen: Pen, keyring: Keyring | None = None) -> bool:
    """True when it is done and proven, False when jobs are still being ended. May be called again after a crash.

    Raises Unavailable when a store does not do its work; PolicyError when the log cannot be written.
    """
    emptied = await asyncio.to_thread(store.erase, erasure.tenant)
    if emptied is None:
        return False
    shredded = () if keyring is None else await _shred(erasure.tenant, store, keyring, pen)
    gone = await objects.tidy(EVER, erasure.tenant)  # a list does not show what killed writers have left
    async for found in objects.older(EVER, erasure.tenant):
        await objects.delete(found.key)
        gone += 1
    if gone:
        return False  # the next turn sees that nothing is left, and that nothing came meanwhile
    digest = sha256(erasure.id.encode())
    receipt = await pen.commit(Erased(ten=erasure.tenant, key=digest))
    proof = {"entry": receipt.index, "digest": digest, "objects_left": 0, "keys_destroyed": shredded}
    await asyncio.to_thread(store.erased, erasure.id, json.dumps(proof))
    return True


async def _shred(tenant: TenantId, store: Store, keyring: Keyring, pen: Pen) -> Sequence[str]:
    """Digests of the ids of the tenant's destroyed keys; the one that is destroyed now goes into the log first.

    A destruction that fails is made again, with an entry of its own: one too many can be seen to be one, and one that
    was left out could not. No object is deleted before the destruction has succeeded.
    """
    live = await asyncio.to_thread(store.data_key, tenant)
    if live is not None:
        await pen.commit(Erased(ten=tenant, key=sha256(bytes.fromhex(live.id))))
    ids = await asyncio.to_thread(keyring.destroy, tenant)
    return [sha256(bytes.fromhex(each)) for each in ids]
