"""What went from one cell to the other, judged: nothing may but heads of logs, to witnesses that the settings name."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from serving.conform.capture import Crossing, Told
from serving.conform.outcome import Check, judged, skipped
from serving.conform.site import Site

__all__ = ["crossed", "foreign", "not_watched"]

SAYS = "No packet goes from one cell to the other but heads of logs for witnesses"


def not_watched(why: str) -> Check:
    """There was nothing to watch."""
    return skipped("wire", SAYS, f"The cells had no network of their own: {why}.")


def crossed(told: Told, sites: Iterable[Site]) -> Check:
    """The judgement of a capture."""
    heads = witnesses(sites)
    strange = foreign(told.crossings, heads)
    kept = told.crossed == len(told.crossings)
    words = f"{len(strange)} packets between the cells that are none of a witness."
    if told.missed:
        words = f"The capture missed {told.missed:,} frames, so it proves nothing. Run it on a calmer machine."
    figures = {
        "packets_between": told.crossed,
        "of_witnesses": len(told.crossings) - len(strange),
        "frames_seen": told.frames,
        "frames_missed": told.missed,
    }
    return judged("wire", SAYS, kept and not strange and not told.missed and told.frames > 0, words, figures=figures)


def witnesses(sites: Iterable[Site]) -> frozenset[tuple[str, int]]:
    """Addresses and ports that a head may be sent to."""
    parts = (urlsplit(each) for site in sites for each in site.settings.log.witnesses)
    return frozenset((part.hostname or "", part.port or (443 if part.scheme == "https" else 80)) for part in parts)


def foreign(crossings: Iterable[Crossing], heads: frozenset[tuple[str, int]]) -> list[Crossing]:
    """Crossings that neither go to a witness nor come from one."""
    return [
        each
        for each in crossings
        if each.ports is None or not {(each.target, each.ports[1]), (each.source, each.ports[0])} & heads
    ]
