"""`equerry marks …`: was this film made here, and where is its record?

Exit codes: 0 when something was found, 1 when nothing was, 2 for input that cannot be used.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from serving.errors import Refused

if TYPE_CHECKING:
    from policies.log.reader import Log
    from serving.media.marks.sighting import Sighting
    from serving.trace import Traced

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

MOST_FILM: Final = 1 << 30  # bytes of a file that is looked at
PATIENCE: Final = 600.0  # seconds for one film; a person can stop it sooner
ON: Final = {"route.decision": "decided", "route.execution": "made", "output.marked": "marked", "canary": "self-test"}

File = Annotated[Path, typer.Argument(help="A film: MP4, MOV, WebM, Matroska, AVI or GIF.", show_default=False)]
Cell = Annotated[
    Path | None, typer.Option(help="The cell's folder or settings file: it names key and logs.", metavar="FOLDER")
]
Key = Annotated[
    Path | None, typer.Option(help="File with the watermark's secret, without which only manifests are read.")
]
Anchors = Annotated[Path | None, typer.Option(help="Authorities that are trusted to sign films, in PEM.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.callback(help="Find a cell's marks in a film, and the film's record in the log.")
def front() -> None:
    """Holds the help of the group."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a search can rest on."""

    key: bytes
    anchors: str
    logs: tuple[Path, ...]


@app.command()
def detect(film: File, cell: Cell = None, key: Key = None, anchors: Anchors = None, as_json: AsJson = False) -> None:
    """Say what is left of a film's marks: the invisible watermark, and the signed manifest (C2PA).

    The film is decoded in a process of its own. Without a key only the manifest is read. Exit code 0 when it is known
    as generated, 1 when not.

    For example: equerry marks detect film.mp4 --cell cells/eu
    """
    known = _known(cell, key, anchors, ())
    seen = _sight(_body(film), known)
    if as_json:
        typer.echo(json.dumps({"file": film.name, "generated": seen.generated, **seen.plain()}, indent=2))
    else:
        typer.echo("\n".join(_words(film.name, seen, looked=bool(known.key))))
    raise typer.Exit(0 if seen.generated else 1)


@app.command()
def trace(
    film: File,
    cell: Cell = None,
    log: Annotated[
        list[Path] | None, typer.Option(help="Folder of a log, or an evidence zip.", metavar="DIR|ZIP")
    ] = None,
    key: Key = None,
    anchors: Anchors = None,
    trust: Annotated[
        Path | None, typer.Option(help="Trust policy that the log's head is held to.", metavar="FILE")
    ] = None,
    proofs: Annotated[
        Path | None, typer.Option(help="Folder for the proofs, one .tlog-proof for each entry.", metavar="DIR")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Lead from a film, even one that was encoded anew, back to its record in the log, with proofs.

    Three ways lead there: the file as it was delivered, its manifest while that holds, and the watermark. Each entry
    of the request is printed with its number, and was proven against the log's newest head.

    For example: equerry marks trace film.mp4 --cell cells/eu --trust cells/eu/log/residency-2026h2.trust
    """
    from policies.log.reader import Log, open_source
    from policies.log.trust import parse_trust
    from serving.trace import clue_of
    from serving.trace import trace as find

    known = _known(cell, key, anchors, tuple(log or ()))
    if not known.logs:
        raise Refused("No log is named. Give --cell, or --log with the folder of a log.")
    body = _body(film)
    seen = _sight(body, known)
    logs: list[Log] = [Log(open_source(path)) for path in known.logs]
    found = find(clue_of(body, seen), logs, parse_trust(_small(trust)) if trust else None)
    if proofs is not None:
        _keep(found, proofs)
    if as_json:
        typer.echo(
            json.dumps({"file": film.name, **seen.plain(), "traced": [_plain(each) for each in found]}, indent=2)
        )
    else:
        typer.echo("\n".join([*_words(film.name, seen, looked=bool(known.key)), *_story(found)]))
    raise typer.Exit(0 if found else 1)


def _known(cell: Path | None, key: Path | None, anchors: Path | None, logs: tuple[Path, ...]) -> _Known:
    """From a cell's settings, where one is named; what is named beside it comes first."""
    from serving.secret import read_secret

    secret = read_secret(key) if key else b""
    pem = _small(anchors).decode("ascii", "replace") if anchors else ""
    if cell is None:
        return _Known(secret, pem, logs)
    from serving.media.marks import credential, watermark_key
    from serving.settings_file import load

    settings = load(cell / "cell.toml" if cell.is_dir() else cell)
    home = settings.log.folder / "residency"
    own = tuple(sorted(path.parent for path in home.glob("*/checkpoint"))) if home.is_dir() else ()
    return _Known(secret or watermark_key(settings), pem or credential(settings).anchors, logs or own)


def _body(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(MOST_FILM + 1)
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}). Name another file.") from None
    if len(body) > MOST_FILM:
        raise Refused(f"{path} has more than {MOST_FILM:,} bytes. Cut it: some seconds of a film are enough.")
    return body


def _small(path: Path) -> bytes:
    try:
        return path.read_bytes()[: 1 << 20]
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}). Name another file.") from None


def _sight(body: bytes, known: _Known) -> Sighting:
    """Looks in a process of its own, since a film may come from anybody."""
    from model.media.limits import FilmLimits
    from serving.media.prober import Prober

    async def once() -> Sighting:
        prober = Prober(films=FilmLimits(bytes=MOST_FILM), seconds=PATIENCE, at_once=1)
        try:
            return await prober.sight(body, key=known.key, anchors=known.anchors, field="film")
        finally:
            await prober.aclose()

    return asyncio.run(once())


def _words(name: str, seen: Sighting, *, looked: bool) -> Iterable[str]:
    mark, said = seen.mark, seen.manifest
    if mark is not None:
        sure = f"picture {mark.picture:.2f}, sound {mark.sound:.2f} of 1"
        yield f"{name} carries the watermark {mark.pid} ({sure})."
    else:
        yield (
            f"{name} carries no watermark of this key."
            if looked
            else "Nobody looked for a watermark: no key was given."
        )
    standing = {
        "none": "There is no manifest.",
        "invalid": f"Its manifest does not hold ({', '.join(said.problems) or 'damaged'}).",
        "valid": "Its manifest holds; who signed it is not known here.",
        "trusted": "Its manifest holds, and its signer is trusted.",
    }
    yield standing[said.standing.value]


def _story(found: tuple[Traced, ...]) -> Iterable[str]:
    if not found:
        yield "No log that was given has a record of it."
    for each in found:
        yield f"By its {' and its '.join(each.by)} it leads to the request {each.request} in {each.origin}:"
        for record in each.records:
            what = ON.get(str(record.entry["t"]), str(record.entry["t"]))
            place = record.entry.get("sel") or record.entry.get("region") or ""
            yield f"  entry {record.index:<8} {what:<10} {place}".rstrip() + "  proven"
        who = "a head that you trust" if each.trusted else "its head, whose signatures were not checked (--trust)"
        yield f"  of {each.size:,} entries, under {who}: {each.root}"


def _plain(found: Traced) -> dict[str, Any]:
    return {
        "log": found.origin,
        "request": found.request,
        "by": list(found.by),
        "size": found.size,
        "root": found.root,
        "trusted": found.trusted,
        "entries": [
            {"index": each.index, "entry": dict(each.entry), "proof": bytes(each.proof).decode()}
            for each in found.records
        ],
    }


def _keep(found: tuple[Traced, ...], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in found:
            for record in each.records:
                (folder / f"{each.request}-{record.index}.tlog-proof").write_bytes(bytes(record.proof))
    except OSError as error:
        raise Refused(f"Nothing can be written into {folder} ({error.strerror}). Name another folder.") from None
