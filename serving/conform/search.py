"""Looks for canaries where they must not be: anything of one cell in the other, and words in a cell's own logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Final

import httpx

from serving.conform.canary import Needles
from serving.conform.collector import Collector
from serving.conform.haystack import Hay, Searched, hay_of, search
from serving.conform.outcome import Check, judged
from serving.conform.site import Site

__all__ = ["Place", "of_another", "of_its_own", "searched"]

OWN: Final = frozenset({"database", "objects"})  # where a cell keeps its own tenants' words and films


@dataclass(frozen=True, slots=True)
class Place:
    """A cell and what it told those who watch it."""

    site: Site
    collector: Collector | None

    def hay(self) -> Iterator[Hay]:
        """Everything of it."""
        told = self.collector.hay() if self.collector else iter(())
        site = self.site
        return chain(hay_of(site.settings, site.home, site.out, site.running()), told, _metrics(site))


def _metrics(site: Site) -> Iterator[Hay]:
    """What Prometheus would scrape, where the cell serves it."""
    host = site.host if site.end else site.settings.listen.operations_host
    with suppress(httpx.HTTPError):
        answer = httpx.get(f"http://{host}:{site.settings.listen.operations_port}/metrics", timeout=5, trust_env=False)
        if answer.is_success:
            yield Hay("metrics", "metrics", answer.content)


def searched(place: Place, needles: Needles, *, own: bool) -> Searched:
    """Looks through one cell; its own words may be in its database and its objects."""
    return search(place.site.name, place.hay(), needles, allowed=OWN if own else frozenset())


def of_another(place: Place, source: str, needles: Needles) -> Check:
    """Nothing of the other cell is in this one."""
    name = place.site.name
    says = f"Nothing of {source} is in {name}: not in logs, databases, objects, files, processes or telemetry"
    return _told(f"search.{source}-in-{name}", says, searched(place, needles, own=False))


def of_its_own(place: Place, needles: Needles) -> Check:
    """What a cell's own tenants wrote is in its database and objects alone."""
    name = place.site.name
    says = f"What was sent to {name} is in its database and objects alone, and in no log, metric, trace or argument"
    return _told(f"search.own-{name}", says, searched(place, needles, own=True))


def _told(name: str, says: str, found: Searched) -> Check:
    words = f"{len(found.leaks)} canaries where they must not be."
    figures = {"leaks": len(found.leaks), "places": found.places, "kibibytes": found.bytes >> 10}
    return judged(name, says, not found.leaks, words, figures=figures, leaks=found.leaks)
