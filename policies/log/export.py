"""The log in the forms that others read: JSON lines, CSV, OCSF events, and rows for DORA's register of information.

Every form is a function from entries to lines, so that a log of any length passes through. Exports hold nothing that
the log does not; they are for reading, and what proves anything is the log.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from policies.errors import Malformed
from policies.log.lint import Lint, schema
from policies.log.note import Checkpoint
from policies.log.reader import Log
from policies.log.tiles import WIDTH
from policies.log.tree import leaf_hash

__all__ = ["FORMATS", "Line", "lines", "to_csv", "to_dora", "to_jsonl", "to_ocsf"]


@dataclass(frozen=True, slots=True)
class Line:
    """One entry with its place in the log."""

    index: int
    leaf: str  # hash, hexadecimal
    entry: Mapping[str, Any]


def lines(log: Log) -> Iterator[Line]:
    """The entries of a log that are there, in order; pruned ones are passed over. Raises Malformed on the first that
    fails lint, so that an export never holds what the log must not, and where entries are gone or cannot be read."""
    size, lint = Checkpoint.parse(log.head().text).size, Lint(schema())
    for n in range(log.minimum // WIDTH, -(-size // WIDTH)):
        for index, data in enumerate(_bundle(log, n, min(WIDTH, size - n * WIDTH)), n * WIDTH):
            try:
                lint(data)
            except Malformed as error:
                raise Malformed(f"Entry {index:,} is damaged: {error}") from None
            yield Line(index, leaf_hash(data).hex(), json.loads(data))


def _bundle(log: Log, n: int, width: int) -> list[bytes]:
    first = n * WIDTH
    try:
        return log.bundle(n, width)
    except FileNotFoundError:
        why = "are missing. Ask the operator for the whole log."
    except Malformed as error:
        why = f"cannot be read: {error} `equerry audit verify` says what else is wrong."
    raise Malformed(f"The entries {first:,} to {first + width - 1:,} {why}")


def to_jsonl(entries: Iterable[Line], origin: str) -> Iterator[str]:
    """One JSON object a line: index, leaf hash, origin and the entry as it is."""
    for line in entries:
        yield _json({"index": line.index, "leaf": line.leaf, "origin": origin, "entry": line.entry})


def to_csv(entries: Iterable[Line], origin: str) -> Iterator[str]:
    """One row an entry, the same columns for all kinds; inner fields read `where.jur`, lists are joined by spaces."""
    columns = _columns()
    yield _row(["origin", "index", "leaf", "time", *columns])
    for line in entries:
        flat = dict(_flat(line.entry))
        yield _row([origin, line.index, line.leaf, _time(line.entry["ts"]), *(flat.get(name, "") for name in columns)])


def _columns() -> list[str]:
    """Every field that any kind may have, from the schema."""
    definitions = json.loads(schema())["$defs"]
    names: dict[str, None] = {}

    def walk(node: Mapping[str, Any], prefix: str) -> None:
        while "$ref" in node:
            node = definitions[node["$ref"].removeprefix("#/$defs/")]
        if node.get("type") != "object":
            names[prefix] = None
            return
        for key, inner in node["properties"].items():
            walk(inner, f"{prefix}.{key}".removeprefix("."))

    for kind in json.loads(schema())["oneOf"]:
        walk(kind, "")
    return sorted(names)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{key}.")
        elif isinstance(inner, list):
            yield prefix + key, " ".join(map(str, inner))
        else:
            yield prefix + key, str(inner).lower() if isinstance(inner, bool) else inner


def _row(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


_OUTCOME: Final = {"allow": (1, "Success"), "deny": (2, "Failure")}  # OCSF status_id and status
_OPERATIONS: Final = {"route.decision": "route", "route.execution": "execute", "output.marked": "mark"}


def to_ocsf(entries: Iterable[Line], origin: str) -> Iterator[str]:
    """OCSF 1.6 API Activity events (class_uid 6003), one a line. OCSF has no class for decisions of a policy, so the
    rules and everything else of ours stand under `unmapped`."""
    for line in entries:
        entry = line.entry
        verdict = entry.get("dec") or entry.get("dec2")
        status, word = _OUTCOME.get(str(verdict), (99, "Other"))
        yield _json(
            {
                "class_uid": 6003,
                "class_name": "API Activity",
                "category_uid": 6,
                "category_name": "Application Activity",
                "activity_id": 99,
                "activity_name": _OPERATIONS.get(entry["t"], entry["t"]),
                "type_uid": 600399,
                "severity_id": 1 if verdict != "deny" else 2,
                "time": entry["ts"],
                "status_id": status,
                "status": word,
                "actor": {"app_name": "Equerry", "app_uid": entry["w"]},
                "api": {"operation": entry["t"], "request": {"uid": entry.get("req", entry["id"])}},
                "src_endpoint": {"uid": entry["w"]},  # required, and we log no addresses
                "cloud": _cloud(entry),
                "metadata": {
                    "version": "1.6.0",
                    "uid": entry["id"],
                    "log_name": origin,
                    **({"tenant_uid": entry["ten"]} if "ten" in entry else {}),
                    "sequence": line.index,
                    "product": {"name": "Equerry", "vendor_name": "Equerry"},
                },
                "unmapped": {"leaf": line.leaf, "entry": entry},
            }
        )


def _cloud(entry: Mapping[str, Any]) -> dict[str, str]:
    region = str(entry.get("sel") or entry.get("region") or "")
    return {"provider": region.partition("/")[0] or "none", "region": region or "none"}


DORA: Final = (
    "provider", "country", "jurisdiction", "owner_jurisdiction", "region", "function", "data_class", "first_used",
    "last_used", "requests", "change_notices",
)  # fmt: skip


def to_dora(entries: Iterable[Line], origin: str) -> Iterator[str]:
    """Rows for the register of information (DORA Art. 28(3); ITS 2024/2956): who processed what, where, from when to
    when, and the days on which changes of the catalogue took effect. One row for each region and data class."""
    used: dict[tuple[Any, ...], list[int]] = {}  # first, last, requests
    changes: list[str] = []
    for line in entries:
        entry = line.entry
        if entry["t"] == "catalog.activate":
            changes.append(_time(entry["ts"])[:10])
        if entry["t"] == "route.decision" and entry["dec"] == "allow":
            where = entry["where"]
            owner = where.get("own", "")  # left out when it is not confirmed
            key = (where["prov"], where["cc"], where["jur"], owner, entry["sel"], entry["pur"], entry["cls"])
            seen = used.setdefault(key, [entry["ts"], entry["ts"], 0])
            used[key] = [min(seen[0], entry["ts"]), max(seen[1], entry["ts"]), seen[2] + 1]
    yield _row(("log", *DORA))
    for key, (first, last, count) in sorted(used.items()):
        yield _row((origin, *key, _time(first)[:10], _time(last)[:10], count, " ".join(dict.fromkeys(changes))))


def _time(ts: int) -> str:
    return datetime.fromtimestamp(ts / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


#: The forms, by the name that the command takes.
FORMATS: Final[Mapping[str, Callable[[Iterable[Line], str], Iterator[str]]]] = {
    "jsonl": to_jsonl,
    "csv": to_csv,
    "ocsf": to_ocsf,
    "dora": to_dora,
}
