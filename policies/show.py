"""Tables for people; the same things as values for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from policies.atlas import Atlas
from policies.catalogue import Catalogue, Region, Stated
from policies.explain import Explained, doubts
from policies.proofs import Proof
from policies.window import print_table

__all__ = ["explained_table", "proofs_table", "regions_json", "regions_table"]

WIDE = 160  # columns in a pipe, where nothing should be cut to fit a screen


def regions_table(atlas: Atlas, regions: Sequence[Region], day: int) -> None:
    """One row a region; a question mark follows what is not confirmed."""
    catalogue = atlas.catalogue
    table = _table("region", "place", "law", "owner", "evidence", "certifications", "GPUs", "in doubt")
    for region in regions:
        provider = catalogue.provider(region)
        owner = _marked(provider.ownership.value, provider.ownership, day)
        place = _marked(f"{region.city}, {region.country}", region.location, day)
        grade = _marked(region.evidence.grade, region.evidence, day)
        row = (region.id, place, region.jurisdiction, owner, grade, _held(catalogue, region, day), _gpus(region, day))
        table.add_row(*(Text(cell) for cell in row), Text("; ".join(region.doubts)))
    note = (
        f"{len(regions)} regions; dated {catalogue.dated}, good until {catalogue.expires}; digest {atlas.digest[:16]}"
    )
    _print(table, f"{note}\nA ? means not confirmed: it counts as absent until an overlay confirms it.")


def regions_json(atlas: Atlas, regions: Sequence[Region], day: int) -> dict[str, Any]:
    """All that is known about these regions, their providers, and what is in doubt."""
    told = []
    for region in regions:
        provider = atlas.catalogue.provider(region).model_dump(mode="json", exclude_none=True)
        whole = region.model_dump(mode="json", exclude_none=True)
        told.append({**whole, "provider": provider, "in_doubt": doubts(atlas.catalogue, region, day)})
    return {"digest": atlas.digest, "dated": atlas.catalogue.dated.isoformat(), "regions": told}


def proofs_table(policy: str, proofs: Sequence[Proof]) -> None:
    """One row a property; a counterexample beneath a claim that does not hold."""
    table = _table("", "property", "claim")
    for proof in proofs:
        counter = "".join(f"\n    {line}" for line in proof.counterexample)
        table.add_row(Text("holds" if proof.holds else "FAILS"), Text(proof.id), Text(proof.claim + counter))
    held = sum(proof.holds for proof in proofs)
    _print(table, f"{held} of {len(proofs)} hold for every tenant and region, under the policy {policy[:16]}.")


def explained_table(told: Sequence[Explained]) -> None:
    """One row a region and reason."""
    table = _table("region", "", "rule", "because", "what to do")
    for one in told:
        if one.allowed:
            table.add_row(Text(one.region), Text("may run"), "", "", "")
        for first, why in zip([True] + [False] * len(one.whys), one.whys, strict=False):
            cells = (one.region if first else "", "denied" if first else "", why.rule, why.because, why.remedy)
            table.add_row(*map(Text, cells))
    allowed = sum(one.allowed for one in told)
    _print(table, f"{allowed} of {len(told)} regions may run this.")


def _held(catalogue: Catalogue, region: Region, day: int) -> str:
    marks: dict[str, bool] = {}
    for held in catalogue.held(region):
        marks[held.scheme] = marks.get(held.scheme, False) or held.holds(day)
    return ", ".join(scheme if sure else f"{scheme}?" for scheme, sure in sorted(marks.items()))


def _gpus(region: Region, day: int) -> str:
    return ", ".join(_marked(gpu.model, gpu, day) for gpu in region.gpus)


def _marked(text: str, stated: Stated, day: int) -> str:
    return text if stated.holds(day) else f"{text}?"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    return table


def _print(table: Table, foot: str) -> None:
    console = Console()
    console = console if console.is_terminal else Console(width=WIDE)
    print_table(console, table)
    console.print(Text(foot))
