"""What a person or a script is shown of a verification."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from time import monotonic
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from policies.log.finding import CODES, Finding
from policies.log.note import Checkpoint, Note
from policies.log.verify import Report
from policies.window import print_table

__all__ = ["as_json", "finding", "progress", "say", "say_entries", "say_findings", "say_head"]

PATIENCE: Final = 2.0  # seconds before anything is said of progress


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a line now and then elsewhere; nothing for what is done in two seconds."""
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)
    task = bar.add_task(what)
    start = said = monotonic()

    def tell(done: int, whole: int) -> None:
        nonlocal said
        now = monotonic()
        if now - start < PATIENCE:
            return
        if not bar.disable:
            bar.start()
            bar.update(task, completed=done, total=whole)
        elif not quiet and now - said >= PATIENCE:
            said = now
            console.print(f"{done:,} of {whole:,} {what}", highlight=False)

    try:
        yield tell
    finally:
        bar.stop()


def finding(one: Finding) -> dict[str, Any]:
    """A finding as JSON."""
    return {name: value for name, value in asdict(one).items() if value is not None}


def as_json(report: Report) -> dict[str, Any]:
    """A report as JSON; `codes` counts all findings, `findings` holds the first hundred of each code."""
    whole = {part.name: getattr(report, part.name) for part in fields(report)}
    whole["holds"] = report.holds
    whole["findings"] = [finding(one) for one in report.findings]
    return whole


def say(report: Report) -> None:
    """A report for a person."""
    console = Console(highlight=False, soft_wrap=True)
    say_findings(report.findings)
    for code, count in sorted(report.codes.items()):
        console.print(f"{code}: {count:,} - {CODES[code]}", markup=False)
    if report.origin:
        console.print(f"{report.origin}: {report.size:,} entries, root {report.root}", markup=False)
        console.print(", ".join(_facts(report)) + ".", markup=False)
    console.print("All of it holds." if report.holds else "It does not hold.", style="bold")


def _facts(report: Report) -> Iterator[str]:
    yield f"{report.requests:,} requests"
    yield f"{report.heads:,} earlier heads continued"
    for count, words in (
        (report.pending, "under way"),
        (report.carried, "decided before this log"),
        (report.pruned, "entries pruned"),
        (report.replayed, "decisions made again"),
        (report.not_replayed, "denials that rest on no document"),
    ):
        if count:
            yield f"{count:,} {words}"


def say_findings(findings: Sequence[Finding]) -> None:
    """A table of findings; nothing when there are none."""
    if not findings:
        return
    table = Table("code", "place", "what was found")
    for one in sorted(findings, key=lambda one: (one.code, one.index or 0, one.place)):
        table.add_row(one.code, one.place, one.words)
    print_table(Console(highlight=False), table, markup=False)


def say_entries(found: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    """Entries, as JSON or one field a line."""
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(list(found), indent=2))
        return
    for entry in found:
        console.print(entry["t"], style="bold")
        for name, value in entry.items():
            if name != "t":
                text = value if isinstance(value, str) else json.dumps(value)
                console.print(f"  {name:10}{text}", markup=False)


def say_head(note: Note, *, as_json: bool) -> None:
    """The head and who signed it, unverified."""
    head = Checkpoint.parse(note.text)
    names = [signature.name for signature in note.signatures]
    if as_json:
        whole = {"origin": head.origin, "size": head.size, "root": head.root.hex(), "signatures": names}
        print(json.dumps(whole, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{head.origin}\n{head.size:,} entries\nroot {head.root.hex()}", markup=False)
    for name in names:
        console.print(f"signature, not checked, of {name}", markup=False)
