"""Takes away what a cell decides by and writes into, and looks whether its doors close.

Each thing is taken twice: from a cell that runs, and from one that is about to start. It is moved, never deleted, and
moved back whatever happens.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from serving.conform.canary import Canaries
from serving.conform.outcome import Check, judged
from serving.conform.site import Site

__all__ = ["Thing", "deprived", "things"]

SETTLED: Final = 2.0  # seconds in which a running cell must have noticed
START: Final = 300.0  # seconds in which a cell that lacks something must have given up, or must not be ready
CLOSED: Final = 60.0  # seconds after which a door that does not answer counts as closed
TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that a cell cannot do without."""

    id: str
    name: str
    paths: tuple[Path, ...]
    kept: str  # why a running cell may go on without it; empty when it may not


@dataclass(frozen=True, slots=True)
class _Try:
    """A request that was made while something was away."""

    word: str  # its canary
    told: str  # status, or why there was no answer
    let_in: bool


def things(site: Site) -> tuple[Thing, ...]:
    """The policy, the log and the key store of a cell."""
    s = site.settings
    documents = [each for each in (s.policies.catalogue, s.policies.trust, s.policies.bundle, s.policies.lists) if each]
    signatures = [Path(f"{each}.sig") for each in documents if Path(f"{each}.sig").exists()]
    edition = "the signed edition that it has read decides until its facts run out, and says so in the log"
    keys = "a process that holds the store open still reads the keys that were there; no other process can add any"
    return (
        Thing("policy", "the policy's documents", (*documents, *signatures), edition),
        Thing("log", "the residency log", (s.log.folder,), ""),
        Thing("keys", "the store of tenants and keys", (s.policies.tenants,), keys),
    )


def deprived(site: Site, words: Canaries) -> Iterator[Check]:
    """Each thing in turn; the cell runs again afterwards. Raises Unavailable when it does not."""
    for thing in things(site):
        if not thing.paths:
            continue
        tries = _while_running(site, thing, words)
        site.stop()
        started = _at_start(site, thing)
        site.start()
        yield _judged(site, thing, tries)
        yield started


@contextmanager
def _taken(thing: Thing) -> Iterator[None]:
    moved: list[tuple[Path, Path]] = []
    try:
        for path in thing.paths:
            away = path.with_name(f"{path.name}.away")
            path.rename(away)
            moved.append((path, away))
        yield
    finally:
        for path, away in reversed(moved):
            if path.exists():  # what the cell has made in its place is kept aside for people to look at
                path.rename(path.with_name(f"{path.name}.made-{time.time_ns()}"))
            away.rename(path)


def _while_running(site: Site, thing: Thing, words: Canaries) -> tuple[_Try, ...]:
    with _taken(thing):
        time.sleep(SETTLED)
        return tuple(_asked(site, words.word(f"asked without {thing.name}")) for _ in range(TRIES))


def _asked(site: Site, word: str) -> _Try:
    """One request for a film."""
    body = {"prompt": f"a ball {word}", "seconds": 2, "size": "64x64"}
    try:
        with site.client() as client:
            answer = client.post("/v1/jobs", json=body, timeout=CLOSED)
    except httpx.HTTPError as error:
        return _Try(word, type(error).__name__, False)
    return _Try(word, str(answer.status_code), answer.is_success)


def _judged(site: Site, thing: Thing, tries: tuple[_Try, ...]) -> Check:
    """What was let in: by its answer, or as a job that is there afterwards though nobody was answered."""
    prompts = _prompts(site)
    let_in = [each for each in tries if each.let_in or any(each.word in prompt for prompt in prompts)]
    name = f"deprived.{site.name}.{thing.id}.running"
    says = f"Without {thing.name}, a cell that runs lets nothing in on other grounds"
    told = ", ".join(each.told for each in tries)
    figures = {"asked": len(tries), "let_in": len(let_in)}
    if not let_in:
        return judged(name, says, True, f"Nothing was let in: {told}.", figures=figures)
    if thing.kept:
        return judged(name, says, True, f"It went on ({told}): {thing.kept}.", figures=figures)
    return judged(name, says, False, f"Requests were let in: {told}.", figures=figures)


def _prompts(site: Site) -> list[str]:
    """Of the newest jobs, which are forgotten at once: nobody wants these films."""
    with site.client() as client:
        jobs = client.get("/v1/jobs?limit=20").json()["jobs"]
        for job in jobs:
            client.delete(f"/v1/jobs/{job['id']}")
    return [str(job["prompt"]) for job in jobs]


def _at_start(site: Site, thing: Thing) -> Check:
    name, says = f"deprived.{site.name}.{thing.id}.start", f"Without {thing.name}, a cell does not begin to serve"
    with _taken(thing):
        site.start(wait=False)
        opened = site.ready(START)
        code = site.process.poll() if site.process else None
        site.stop()
    words = "It became ready." if opened else f"It never became ready, and ended with exit code {code}."
    return judged(name, says, not opened, words)
