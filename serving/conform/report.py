"""The report of a run: Markdown for people, JSON for scripts, and from each log what proves that the run was there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from policies.log.note import Checkpoint
from policies.log.proof import Proof
from serving.conform.outcome import Check, Verdict

__all__ = ["Evidence", "Report", "written"]

SIGNS: Final = {Verdict.PASSED: "passed", Verdict.FAILED: "**FAILED**", Verdict.SKIPPED: "skipped"}
MOST_LEAKS: Final = 50  # that are listed under a check; all are in the JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an auditor keeps of one cell: a request of this run, and the proof that its log has it."""

    cell: str
    jurisdiction: str
    index: int
    entry: bytes
    proof: Proof
    trust: bytes  # the trust policy beside the log; compare it with one that you were given by another way


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a run came to."""

    version: str
    begun: int  # milliseconds since 1970, UTC
    ended: int
    cells: tuple[str, ...]
    requests: int  # with canaries
    canaries: int
    checks: tuple[Check, ...]
    evidence: tuple[Evidence, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing failed. What was skipped did not fail, and proves nothing."""
        return all(check.verdict is not Verdict.FAILED for check in self.checks)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "v": "equerry.conform/1",
            "version": self.version,
            "begun": _time(self.begun),
            "ended": _time(self.ended),
            "cells": list(self.cells),
            "requests": self.requests,
            "canaries": self.canaries,
            "holds": self.holds,
            "checks": [asdict(check) for check in self.checks],
            "evidence": [_plain(each) for each in self.evidence],
        }

    def markdown(self) -> str:
        """For people."""
        return "\n".join([*self._head(), *_table(self.checks), *_leaks(self.checks), *_proofs(self.evidence), ""])

    def _head(self) -> Sequence[str]:
        count = {verdict: sum(check.verdict is verdict for check in self.checks) for verdict in Verdict}
        result = "Everything that was checked holds." if self.holds else "**It does not hold.** See what failed below."
        return (
            f"# Conformance of {' and '.join(self.cells)}",
            "",
            f"{result} Checks: {', '.join(f'{number} {verdict}' for verdict, number in count.items())}.",
            "",
            f"{self.requests:,} requests carried {self.canaries:,} canaries: words that were drawn for this run alone.",
            f"It went from {_time(self.begun)} to {_time(self.ended)}. Equerry {self.version}.",
            "",
        )


def written(report: Report, folder: Path) -> Path:
    """Writes report.md, report.json, and for each cell an entry, its proof and the log's trust policy."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report.plain(), indent=2) + "\n", "utf-8")
    (folder / "report.md").write_text(report.markdown(), "utf-8")
    for each in report.evidence:
        (folder / f"{each.cell}.entry.json").write_bytes(each.entry)
        (folder / f"{each.cell}.tlog-proof").write_bytes(bytes(each.proof))
        (folder / f"{each.cell}.trust").write_bytes(each.trust)
    return folder / "report.md"


def _table(checks: Sequence[Check]) -> Sequence[str]:
    rows = [f"| {check.name} | {check.says} | {SIGNS[check.verdict]} | {_seen(check)} |" for check in checks]
    return ("| check | what is claimed | verdict | what was seen |", "|---|---|---|---|", *rows, "")


def _seen(check: Check) -> str:
    figures = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in check.figures.items())
    return f"{check.words} ({figures})" if figures else check.words


def _leaks(checks: Sequence[Check]) -> Sequence[str]:
    lines = []
    for check in checks:
        if check.leaks:
            lines += [f"## Leaks that {check.name} found", ""]
            lines += [f"- {leak.cell}, {leak.kind}, `{leak.place}`: {leak.what}" for leak in check.leaks[:MOST_LEAKS]]
            lines.append("" if len(check.leaks) <= MOST_LEAKS else f"- and {len(check.leaks) - MOST_LEAKS:,} more\n")
    return lines


def _proofs(evidence: Sequence[Evidence]) -> Sequence[str]:
    lines = ["## Proofs", ""]
    for each in evidence:
        head = Checkpoint.parse(each.proof.note.text)
        where = f"entry {each.index:,} of {head.size:,} in `{head.origin}`, root `{head.root.hex()}`"
        files = f"`{each.cell}.entry.json`, `{each.cell}.tlog-proof` and, as it came with the log, `{each.cell}.trust`"
        lines.append(f"- {each.cell} ({each.jurisdiction}): {where}. See {files}.")
    return [*lines, "", "A proof is a C2SP tlog-proof: any tool of that form checks it, with the log's key, offline."]


def _plain(each: Evidence) -> dict[str, Any]:
    head = Checkpoint.parse(each.proof.note.text)
    return {
        "cell": each.cell,
        "jurisdiction": each.jurisdiction,
        "origin": head.origin,
        "index": each.index,
        "size": head.size,
        "root": head.root.hex(),
        "entry": json.loads(each.entry),
        "proof": bytes(each.proof).decode(),
    }


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
