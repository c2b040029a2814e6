"""A studio that makes nothing, as a process to be killed: claims, checkpoints, completes, and says what it did.

    python -m tests.chaos.studio ADDRESS NAME LEASE_MS

It lives until it is killed. Under the name `claim` it only claims, and ends when nothing waits; under `submit` the
number is one of jobs to make, and each id is printed once it is durable.
"""

from __future__ import annotations

import json
import os
import sys
import time

from serving.errors import StaleFence, Unavailable
from serving.jobs.job import Draft, Job, TenantId, new_id
from serving.jobs.records import Artefact
from serving.jobs.rules import Rules
from serving.jobs.sql.store import SqlStore, open_store

TENANT = TenantId("t-chaos")
CHUNKS = 4
MOST_ATTEMPTS = 1000  # so that a job can only fail by a mistake of the store


def rules(lease_ms: int) -> Rules:
    """Short leases, and no end of attempts."""
    return Rules(lease_ms=lease_ms, most_attempts=MOST_ATTEMPTS, poll_ms=100, patience_ms=2000)


def make(store: SqlStore, job: Job) -> None:
    """One film, as far as the store can see; what an earlier studio has made is checked and kept."""
    kept = store.resume(job.id, job.fence)
    assert [int.from_bytes(codes) for codes in kept] == list(range(len(kept))), (
        "checkpoints are not the chunks in order"
    )
    for chunk in range(len(kept), CHUNKS):
        time.sleep(0.02)
        store.checkpoint(job.id, chunk, job.fence, chunk.to_bytes(4))
    key = f"{job.id}/{job.fence}/film"
    artefact = Artefact(key=key, tenant=job.tenant, job=job.id, sha256="00", key_id="", expires=0)
    store.note(artefact, job.fence)
    result = json.dumps({"fence": job.fence, "key": key})
    store.complete(job.id, job.fence, result=result, usage=result, keep_ms=3_600_000, keys=[key])


def work(store: SqlStore, name: str) -> None:
    """Claim and make, for ever."""
    while True:
        try:
            store.wait_for_work(0.5)
            for job in store.claim(name, 2):
                print(job.id, job.fence, flush=True)
                make(store, job)
        except (StaleFence, Unavailable):
            continue


def claim(store: SqlStore, name: str) -> None:
    """Claim all there is, and make nothing."""
    while jobs := store.claim(name, 3):
        for job in jobs:
            print(job.id, job.fence, flush=True)


def submit(store: SqlStore, number: int) -> None:
    """Make jobs, with retries under the same id until the store has taken each."""
    for _ in range(number):
        job = new_id(os.urandom(16))
        draft = Draft(
            id=job, tenant=TENANT, order="{}", fingerprint=job, estimated_ms=20, chunks=CHUNKS, webhook="https://x/"
        )
        while True:
            try:
                store.submit(draft)
                break
            except Unavailable:
                continue
        print(job, flush=True)


if __name__ == "__main__":
    _, address, name, number = sys.argv
    opened = open_store(address, rules(int(number)), migrated=False)
    match name:
        case "submit":
            submit(opened, int(number))
        case "claim":
            claim(opened, str(os.getpid()))
        case _:
            work(opened, name)
