"""What the marks outlive, what breaks them, how often they are seen where there are none, and what they cost.

`python -m benchmarks.marks [--part films|pieces|costs|flips|all] [--kept FILE] [--share 1/2] [--json]`. Every film has
a key and an id of its own, is marked and encoded as a cell does it, treated as others treat films, and read again from
the bytes. The whole takes an hour or more: what is done is kept in FILE, a line for each film and each key, and a run
goes on from there. Two runs with the same FILE may each do a share; whichever ends last tells the whole.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.marks_alarms import FILMS, Unmarked, bound, forget
from benchmarks.marks_cost import RESIDENCY, Cost, costs, signer
from benchmarks.marks_films import film
from benchmarks.marks_treatments import BEYOND, PROMISED, TRIM
from model.media import encode_film, read_film
from serving.media.marks.c2pa import Standing, inspect, sign
from serving.media.marks.detect import FPS, detect
from serving.media.marks.payload import chips_of
from serving.media.marks.watermark_sound import RATE, mark_sound
from serving.media.marks.watermark_video import mark_frames

__all__ = ["PROMISED", "Outlived", "main"]

AUDIBLE: Final = 1e-3  # peak from which a film has sound to be marked


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlived:
    """One treatment of all films."""

    treatment: str
    films: int
    found: int  # the right id, by picture or sound
    picture: int  # films whose picture alone gave all 48 bits
    sounding: int  # films that have sound
    sound: int  # of these, those whose sound alone did
    wrong: int  # films that gave another id


class Kept:
    """Lines of JSON that say what is done, which several runs may add to."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._lines = (
            path,
            [*map(json.loads, path.read_text().splitlines())] if path and path.exists() else [],
        )

    def done(self, part: str) -> dict[int, dict[str, Any]]:
        """By number, what is kept of a part."""
        return {line["n"]: line for line in self._lines if line["part"] == part}

    def add(self, part: str, number: int, told: dict[str, Any]) -> None:
        """Keeps one line, whole: it is written by one call."""
        line = {"part": part, "n": number, **told}
        self._lines.append(line)
        if self._path:
            with self._path.open("ab", buffering=0) as file:
                file.write(json.dumps(line).encode() + b"\n")


def treated(number: int, *, beyond: bool) -> dict[str, Any]:
    """One film with a key and an id of its own, marked and read after each treatment."""
    kind, made = film(number)
    rng = np.random.default_rng([number, 1])
    key, pid = rng.bytes(32), rng.bytes(6).hex()
    chips = chips_of(key, pid)
    frames = mark_frames(made.frames, made.fps, chips, key)
    sound = mark_sound(made.sound, made.rate, chips, key)
    body = encode_film(replace(made, frames=frames, sound=sound))
    delivered = read_film(body, fps=made.fps, rate=48_000)
    sounding = float(np.abs(made.sound).max()) > AUDIBLE
    wanted = {name: each for name, each in {**PROMISED, **(BEYOND if beyond else {})}.items()
              if name != TRIM or made.seconds > 1}  # fmt: skip
    told = {name: _read(treat(delivered), key, pid) for name, treat in wanted.items()}
    told["as delivered"] = _read(body, key, pid)
    forget()
    return {
        "kind": kind,
        "sounding": sounding,
        "db": _decibels(255**2, made.frames.astype(np.float32) - frames),
        "sound_db": _decibels(float(np.mean(made.sound**2)), made.sound - sound) if sounding else None,
        "read": told,
    }


def _read(body: bytes, key: bytes, pid: str) -> dict[str, float | bool]:
    found = detect(read_film(body, fps=FPS, rate=RATE, cut=True), key)
    if found is None or found.pid != pid:
        return {"wrong": found is not None}
    return {"picture": round(found.picture, 3), "sound": round(found.sound, 3)}


def _decibels(power: float, change: np.ndarray) -> float:
    return round(float(10 * np.log10(power / max(float(np.mean(change**2)), 1e-12))), 2)


def outlived(rows: Sequence[dict[str, Any]]) -> list[Outlived]:
    """All treatments of the films that are done."""
    names = dict.fromkeys(name for row in rows for name in row["read"])
    return [_outlived(name, [row for row in rows if name in row["read"]]) for name in names]


def _outlived(name: str, rows: Sequence[dict[str, Any]]) -> Outlived:
    reads = [(row["read"][name], row["sounding"]) for row in rows]
    return Outlived(
        treatment=name,
        films=len(reads),
        found=sum("picture" in read for read, _ in reads),
        picture=sum(read.get("picture", 0) > 0 for read, _ in reads),
        sounding=sum(sounding for _, sounding in reads),
        sound=sum(read.get("sound", 0) > 0 for read, sounding in reads if sounding),
        wrong=sum(read.get("wrong", False) for read, _ in reads),
    )


def flips(count: int) -> dict[str, int]:
    """Bytes anywhere in a signed film that were changed, and how many of these C2PA found."""
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        signed = sign(encode_film(film(0)[1]), signer(Path(folder)), residency=RESIDENCY, pid="0" * 12).body
    places = rng.choice(len(signed), min(count, len(signed)), replace=False)
    missed = [int(place) for place in places if not _noticed(signed, int(place), int(rng.integers(8)))]
    return {"bytes": len(places), "of": len(signed), "found": len(places) - len(missed)}


def _noticed(signed: bytes, place: int, bit: int) -> bool:
    broken = bytearray(signed)
    broken[place] ^= 1 << bit
    try:
        return inspect(bytes(broken)).standing not in (Standing.VALID, Standing.TRUSTED)
    except Exception:  # noqa: BLE001 - what cannot be read at all is noticed too
        return True


def main(
    part: Annotated[str, typer.Option(help="films, pieces, costs, flips, or all of them.")] = "all",
    count: Annotated[int, typer.Option("--films", help="Films that are treated.")] = 200,
    beyond: Annotated[int, typer.Option(help="Films that are treated worse than promised.")] = 40,
    pieces: Annotated[int, typer.Option(help="Unmarked films, each under a key, that are read.")] = 30_000,
    model: Annotated[str, typer.Option(help="The model whose codecs are the yardstick of costs.")] = "pony",
    kept: Annotated[Path | None, typer.Option(help="Lines of what is done; a run goes on from them.")] = None,
    share: Annotated[str, typer.Option(help="Which of several runs this is, such as 1/2.")] = "1/1",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> None:
    """What the marks outlive, what breaks them, how often they are seen where there are none, and what they cost."""
    console, lines = Console(stderr=True, quiet=as_json), Kept(kept)
    own, runs = (int(each) for each in share.split("/"))
    asked = ("films", "pieces", "costs", "flips") if part == "all" else (part,)
    if "films" in asked:
        for n in _left(lines, "films", range(own - 1, count, runs), console):
            lines.add("films", n, treated(n, beyond=n < beyond))
    if "pieces" in asked:
        unmarked = Unmarked()
        for n in _left(lines, "pieces", range(own - 1, -(-pieces // FILMS), runs), console):
            lines.add("pieces", n, {"alarms": unmarked.alarms(n)})
    whole = told(Kept(kept) if kept else lines)
    whole["costs"] = [{**asdict(each), "share": each.share} for each in costs(model)] if "costs" in asked else []
    whole["flips"] = flips(2_000) if "flips" in asked else {}
    typer.echo(json.dumps(whole, indent=1)) if as_json else show(Console(), whole)


def _left(lines: Kept, part: str, numbers: Iterable[int], console: Console) -> Iterator[int]:
    done = lines.done(part)
    left = [number for number in numbers if number not in done]
    yield from track(left, part, console=console, disable=not os.isatty(2))


def told(lines: Kept) -> dict[str, Any]:
    """All that the lines say."""
    films, keys = [*lines.done("films").values()], lines.done("pieces")
    alarms, read = sum(key["alarms"] for key in keys.values()), len(keys) * FILMS
    louder = [row["sound_db"] for row in films if row["sound_db"] is not None]
    return {
        "outlived": [asdict(each) for each in outlived(films)],
        "psnr_db": _spread([row["db"] for row in films]),
        "sound_snr_db": _spread(louder),
        "alarms": {"pieces": read, "alarms": alarms, "bound": bound(alarms, read) if read else None},
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values)} if values else {}


def show(console: Console, whole: dict[str, Any]) -> None:
    """The same for people."""
    table = Table("treatment", "films", "found", "by picture", "by sound", "wrong id")
    for row in whole["outlived"]:
        sound = f"{row['sound']}/{row['sounding']}"
        table.add_row(
            row["treatment"], *(str(row[each]) for each in ("films", "found", "picture")), sound, str(row["wrong"])
        )
    if whole["outlived"]:
        console.print(table)
        picture, sound = whole["psnr_db"], whole["sound_snr_db"]
        console.print(f"The picture's mark: median {picture['median']:.1f} dB PSNR, least {picture['least']:.1f} dB.")
        console.print(
            f"The sound's mark: median {sound['median']:.1f} dB SNR, least {sound['least']:.1f} dB."
        ) if sound else None
    alarms = whole["alarms"]
    if alarms["pieces"]:
        console.print(f"{alarms['alarms']} false alarms in {alarms['pieces']:,}: below {alarms['bound']:.1e} (95 %).")
    for cost in (Cost(**{name: cost[name] for name in Cost.__slots__}) for cost in whole["costs"]):
        console.print(
            f"{cost.film}: picture {cost.picture:.1f} ms, sound {cost.sound:.1f} ms, signing {cost.sign:.1f} ms;"
            f" decoding {cost.decode:.0f} ms, encoding {cost.encode:.0f} ms: {cost.share:.1%}."
        )
    if whole["flips"]:
        console.print("C2PA found {found:,} of {bytes:,} changed bytes, of {of:,}.".format(**whole["flips"]))


if __name__ == "__main__":
    typer.run(main)
