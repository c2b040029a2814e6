"""`equerry audit …`: what an auditor asks of a log that somebody handed over.

Exit codes: 0 when all holds, 1 when something was found, 2 for input that cannot be used.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from policies.errors import Malformed, Refused

if TYPE_CHECKING:
    from policies.log.reader import Log

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

MOST_INPUT: Final = 1 << 24  # bytes of a file that an option names
LOG: Final = "Folder of a log, or an evidence zip."

Where = Annotated[Path, typer.Argument(help=LOG, metavar="DIR|ZIP", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.callback(help="Verify the residency log, and hand out proofs and exports.")
def front() -> None:
    """Holds the help of the group."""


@app.command()
def verify(
    log: Where,
    trust: Annotated[
        Path, typer.Option(help="Keys of logs and witnesses that you trust, and the quorum.", metavar="FILE")
    ],
    since: Annotated[
        Path | None, typer.Option(help="A checkpoint that you kept: the log must continue it.", metavar="HEAD")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Make every decision again under the archived policy.")
    ] = False,
    new_list: Annotated[
        Path | None,
        typer.Option(help="Lists as of now: which requests ran on a provider that is listed?", metavar="FILE"),
    ] = None,
    grace: Annotated[int, typer.Option(help="Hours that a request may be under way.", min=0, max=8_784)] = 24,
    processes: Annotated[
        int, typer.Option(help="Processes that check entries; 0 takes all cores.", min=0, max=256)
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Check everything that a log's bytes can say.

    Signatures and quorum, every tile and entry, earlier heads, the schema, the writers' numbers, and that each request
    was decided, ended and was marked. Exit code 0 only when all of it holds; 1 when something was found.

    For example: equerry audit verify log/residency/2026h2 --trust log/residency-2026h2.trust --replay
    """
    from policies.log import report as shown
    from policies.log.trust import parse_trust
    from policies.log.verify import Options
    from policies.log.verify import verify as check

    keys = parse_trust(_read(trust))
    with shown.progress("entries", quiet=as_json) as tell:
        options = Options(
            since=_read(since) if since else None,
            replay=replay,
            new_list=_document(_read(new_list)) if new_list else None,
            grace=grace * 3_600_000,
            processes=processes or len(os.sched_getaffinity(0)),
            tell=tell,
        )
        report = check(log, keys, options)
    if as_json:
        typer.echo(json.dumps(shown.as_json(report), indent=2))
    else:
        shown.say(report)
    raise typer.Exit(0 if report.holds else 1)


@app.command()
def lint(log: Where, as_json: AsJson = False) -> None:
    """Hold every entry to the schema: no prompt, no name, no address and no free text can pass.

    Signatures are not looked at, so this also serves whoever writes a log.
    """
    from policies.log import report as shown
    from policies.log.note import Checkpoint
    from policies.log.reader import Log, open_source
    from policies.log.scan import scan

    size = Checkpoint.parse(Log(open_source(log)).head().text).size
    with shown.progress("entries", quiet=as_json) as tell:
        found = []
        for chunk in scan(log, size, keep=frozenset(), replay=False, processes=1):
            found += [one for one in chunk.findings if one.code in {"lint", "bundle.malformed", "bundle.missing"}]
            tell(min(size, (chunk.n + 1) * 256), size)
    if as_json:
        typer.echo(json.dumps({"entries": size, "findings": [shown.finding(one) for one in found]}, indent=2))
    else:
        shown.say_findings(found)
        typer.echo(f"{size:,} entries, {len(found):,} that the schema does not allow.")
    raise typer.Exit(1 if found else 0)


@app.command()
def proof(
    log: Where,
    index: Annotated[int, typer.Argument(help="Number of the entry, from 0.", min=0, max=2**63 - 1)],
    out: Annotated[Path | None, typer.Option(help="Where the proof goes; INDEX.tlog-proof if not said.")] = None,
) -> None:
    """Write a proof that an entry is in the log (C2SP tlog-proof), which anyone checks offline."""
    from policies.log.proof import entry_at, prove

    opened = _open(log)
    made = prove(opened, index)
    if not made.proves(entry_at(opened, index)):
        raise Refused(f"The tiles of this log do not prove entry {index:,}. Run `equerry audit verify` to see why.")
    path = out or Path(f"{index}.tlog-proof")
    _write(path, bytes(made))
    typer.echo(f"{path}: entry {index:,}, {len(made.steps)} hashes, and the checkpoint.")


@app.command()
def export(
    log: Where,
    out: Annotated[Path | None, typer.Option(help="Where it goes; standard output if not said.", metavar="F")] = None,
    form: Annotated[
        str, typer.Option("--format", help="What is wanted.", metavar="jsonl|csv|ocsf|dora|evidence")
    ] = "jsonl",
    trust: Annotated[
        Path | None, typer.Option(help="Trust policy to put into an evidence zip.", metavar="FILE")
    ] = None,
) -> None:
    """Hand out the log in a form that others read.

    jsonl, csv and ocsf hold every entry; dora holds rows for the register of information; evidence is a zip with all
    that is needed to check the log offline, with openssl and sha256sum alone.

    For example: equerry audit export log/residency/2026h2 --format csv --out decisions.csv
    """
    from policies.log.export import FORMATS, lines
    from policies.log.note import Checkpoint

    opened = _open(log)
    if form == "evidence":
        _evidence(opened, out, trust)
        return
    if form not in FORMATS:
        raise Refused(f"{form!r} is not a form that there is. Use jsonl, csv, ocsf, dora or evidence.")
    origin = Checkpoint.parse(opened.head().text).origin
    _put(out, FORMATS[form](lines(opened), origin))


@app.command()
def show(
    log: Where,
    index: Annotated[int | None, typer.Argument(help="Number of an entry; the head if not said.", min=0)] = None,
    request: Annotated[str | None, typer.Option(help="All entries of a request.", metavar="r-…")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the head, one entry, or all of a request. Nothing is verified here: `equerry audit verify` does that."""
    from policies.log import report as shown
    from policies.log.export import lines
    from policies.log.proof import entry_at

    opened = _open(log)
    if request is not None:
        if not re.fullmatch(r"r-[0-9a-f]{32}", request):
            raise Refused("A request is r- and 32 hexadecimal digits, as the answer to the client says.")
        found = [line.entry for line in lines(opened) if line.entry.get("req") == request]
        if not found:
            raise Refused("No entry of this log names that request. It may lie in another cell or half-year.")
        shown.say_entries(found, as_json=as_json)
    elif index is not None:
        shown.say_entries([json.loads(entry_at(opened, index))], as_json=as_json)
    else:
        shown.say_head(opened.head(), as_json=as_json)


def _open(path: Path) -> Log:
    from policies.log.reader import Log, open_source

    return Log(open_source(path))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_INPUT + 1)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}. Name another file.") from None
    if len(data) > MOST_INPUT:
        raise Malformed(f"{path} has more than {MOST_INPUT:,} bytes, which nothing here needs.")
    return data


def _document(data: bytes) -> bytes:
    """Lists as a person keeps them become the canonical bytes that the log would name."""
    from policies.canonical import encode

    try:
        return encode(json.loads(data))
    except (ValueError, RecursionError):
        raise Malformed("The new list is not JSON. Give a document such as policies/data/lists.json.") from None


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}. Name another place with --out.") from None


def _put(out: Path | None, text: Iterable[str]) -> None:
    if out is None:
        for line in text:
            typer.echo(line)
        return
    try:
        with out.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in text)
    except OSError as error:
        raise Refused(f"{out} cannot be written: {error.strerror}. Name another place with --out.") from None


def _evidence(log: Log, out: Path | None, trust: Path | None) -> None:
    from policies.log.evidence import pack
    from policies.log.trust import parse_trust

    if out is None or trust is None:
        raise Refused("An evidence zip needs --out FILE.zip and --trust FILE, the trust policy that goes into it.")
    policy = _read(trust)
    parse_trust(policy)
    try:
        count = pack(log, policy, out)
    except FileExistsError:
        raise Refused(f"{out} is there already. Name another place with --out.") from None
    except OSError as error:
        out.unlink(missing_ok=True)
        raise Refused(
            f"{out} cannot be made: {error.strerror or error}. Verify the log, and look at the disk."
        ) from None
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    typer.echo(f"{out}: {count:,} files. Check it with `sh verify.sh` inside, or `equerry audit verify {out}`.")


@app.command()
def recover(
    log: Annotated[
        Path, typer.Argument(help="Folder of the log that does not start.", metavar="DIR", show_default=False)
    ],
    keys: Annotated[Path, typer.Option(help="Folder with the log's seeds; they lie in the cell.", metavar="DIR")],
    as_json: AsJson = False,
) -> None:
    """Say that the disk under a log is sound again, and bring the log to where it can be written.

    After a disk has failed under the writer, the log stays down until a person has looked. This command repairs what
    can be repaired without losing an acknowledged entry, notes what was lost in `gap` entries, and moves what no signed
    head covers to `lost+found`. When the log cannot be relied on, it changes nothing and says which doubt there is.
    """
    from policies.log.disk import Folder
    from policies.log.heads import CHECKPOINT, SIGNED
    from policies.log.keys import log_signers
    from policies.log.note import Checkpoint, Note
    from policies.log.pen import Pen
    from policies.log.writer import Writer

    heads = [log / name for name in (SIGNED, CHECKPOINT) if (log / name).is_file()]
    if not heads:
        raise Refused(f"{log} holds no log: there is no {CHECKPOINT} in it. Name the folder of one shard.")
    origin = Checkpoint.parse(Note.parse(_read(heads[0])).text).origin
    signers = log_signers(keys, origin)
    writer = Writer.open(Folder(log), signers, now=_now, halted=True)
    lost = writer.lost
    with Pen.open(writer, now=_now, rng=os.urandom).log as opened:
        size = opened.head.checkpoint.size
    told = {
        "origin": origin,
        "size": size,
        "lost": [{"writer": each.writer, "first": each.first, "last": each.last} for each in lost],
    }
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    gone = sum(each.last - each.first + 1 for each in lost)
    typer.echo(f"{origin} has {size:,} entries and can be written. Entries that were never acknowledged: {gone:,}.")


def _now() -> int:
    return time.time_ns() // 1_000_000
