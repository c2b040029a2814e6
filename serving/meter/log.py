"""What the residency log says of films: which jobs' films were marked, and so may have left."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import track

from policies.log.export import lines
from policies.log.reader import Log, open_source
from serving.errors import Refused

__all__ = ["marked"]


def marked(folder: Path, *, progress: bool = False) -> frozenset[str]:
    """The ids of all jobs with a marked film, from every shard of a log. Raises Refused when there is none, Malformed
    for one that cannot be read."""
    shards = sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
    if not shards:
        raise Refused(f"There is no residency log at {folder}. Name the cell that has one, or use --no-log.")
    found: set[str] = set()
    for shard in track(shards, "Reading the log", console=Console(stderr=True), disable=not progress, transient=True):
        entries = (line.entry for line in lines(Log(open_source(shard))))
        found.update(str(entry["req"]).removeprefix("r-") for entry in entries if entry["t"] == "output.marked")
    return frozenset(found)
