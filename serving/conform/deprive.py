"""Takes away what a cell decides by and writes into, and looks whether its doors close.

Each thing is taken twice: from a cell that runs, and from one that is about to start. It is moved, never deleted, and
moved back whatever happens.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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
        yield _while_running(site, thing, words)
        site.stop()
        yield _at_start(site, thing)
        site.start()


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


def _while_running(site: Site, thing: Thing, words: Canaries) -> Check:
    name = f"deprived.{site.name}.{thing.id}.running"
    says = f"Without {thing.name}, a cell that runs lets nothing in on other grounds"
    with _taken(thing):
        time.sleep(SETTLED)
        answers = [_asked(site, words.word(f"asked without {thing.name}")) for _ in range(TRIES)]
    opened = [each for each in answers if isinstance(each, Mapping)]
    told = ", ".join(str(each) if not isinstance(each, Mapping) else "let in" for each in answers)
    figures = {"asked": len(answers), "let_in": len(opened)}
    if not opened:
        return judged(name, says, True, f"Every request was refused: {told}.", figures=figures)
    if thing.kept:
        return judged(name, says, True, f"It went on ({told}): {thing.kept}.", figures=figures)
    return judged(name, says, False, f"Requests were let in: {told}.", figures=figures)


def _asked(site: Site, word: str) -> Mapping[str, Any] | int | str:
    """What a request for a film comes to: its answer when it was let in, else the status, or that nobody answered."""
    body = {"prompt": f"a ball {word}", "seconds": 2, "size": "64x64"}
    try:
        with site.client() as client:
            answer = client.post("/v1/jobs", json=body, timeout=CLOSED)
            if not answer.is_success:
                return answer.status_code
            told: Mapping[str, Any] = answer.json()
            client.delete(f"/v1/jobs/{told['id']}")
            return told
    except httpx.HTTPError as error:
        return type(error).__name__


def _at_start(site: Site, thing: Thing) -> Check:
    name, says = f"deprived.{site.name}.{thing.id}.start", f"Without {thing.name}, a cell does not begin to serve"
    with _taken(thing):
        site.start(wait=False)
        opened = site.ready(START)
        code = site.process.poll() if site.process else None
        site.stop()
    words = "It became ready." if opened else f"It never became ready, and ended with exit code {code}."
    return judged(name, says, not opened, words)
