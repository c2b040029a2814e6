"""What the parts of a run say, in lines of a table and in bars of a picture. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from benchmarks.picture import Bar, Part

__all__ = ["charts", "lines"]

Figures = Mapping[str, Any]
Line = tuple[str, str, str]  # what, figure, wanted


def lines(part: str, figures: Figures) -> list[Line]:
    """The lines of one part; none for a part that is not known here."""
    return list(_LINES[part](figures)) if part in _LINES else []


def charts(told: Mapping[str, Figures]) -> list[tuple[str, Sequence[Bar]]]:
    """A chart for each part that has one and was not skipped."""
    return [
        (title, bars)
        for part, (title, drawn) in _CHARTS.items()
        if part in told and "rows" in told[part] and (bars := list(drawn(told[part])))
    ]


WANTED: Final = {
    ("vLLM, slots", 1): "waves are at least 4x",
    ("vLLM, slots", 8): "waves are at least 2x",
    ("Hugging Face generate", 8): "waves are at least 3x",
}


def _waves(figures: Figures) -> Iterator[Line]:
    targets = WANTED if figures.get("model", "pony") == "pony" else {}
    for row in figures["rows"]:
        figure = f"{row['films_per_minute']:.1f} films a minute of {row['at_best']:,.0f} at best; {_over(row)}"
        yield f"{row['way']}, {row['batch']} at once", figure, targets.get((row["way"], row["batch"]), "")


def _over(row: Figures) -> str:
    parted = "" if row.get("same", 1.0) == 1.0 else f"; {row['same']:.0%} of codes the same"
    return f"waves are {row['gain']:.2f}x, {row['processor_gain']:.2f}x by processor time{parted}"


def _ranks(figures: Figures) -> Iterator[Line]:
    for row in figures["rows"]:
        figure = f"{row['films_per_minute']:.1f} films a minute; two ranks are {row['gain']:.2f}x"
        yield f"{row['way']}, {row['batch']} at once", figure, "same codes"


def _cell_tax(figures: Figures) -> Iterator[Line]:
    for row in figures["rows"]:
        wanted = "5 % below the bare engine at most" if row["way"] == "whole cell" else ""
        yield f"{row['way']}, {row['at_once']} at once", f"{row['clips_per_minute']:.1f} films a minute", wanted


def _pages(figures: Figures) -> Iterator[Line]:
    for row in figures["rows"]:
        yield row["way"], f"{row['films_per_gib']:.0f} films a GiB, {row['in_use']:.0%} of what is reserved in use", ""


def _start(figures: Figures) -> Iterator[Line]:
    for row in figures["rows"]:
        yield row["engine"], f"first film after {row['whole']:.1f} s, {row['processor']:.1f} s of the processor", ""


def _growth(figures: Figures) -> Iterator[Line]:
    for fit in figures["fits"]:
        wanted = "1 within 10 %" if fit["what"] == "length" else ""
        yield f"exponent of {fit['what']}", f"{fit['exponent']:.3f}, by the roofline {fit['predicted']:.3f}", wanted


def _first(figures: Figures) -> Iterator[Line]:
    for row in figures["rows"]:
        wanted = "15 % at most; memory flat" if row["way"] == "meanwhile" else ""
        figure = f"{row['first_share']:.0%} of {row['whole_s']:.1f} s; memory {row['grown_mib']:+.1f} MiB"
        yield f"first chunk, developed {row['way']}", figure, wanted


def _where(figures: Figures) -> Iterator[Line]:
    for row in figures["rows"]:
        if row["share"] >= 0.05:
            yield f"{row['stage']}, {row['films']} at once", f"{1000 * row['seconds']:.0f} ms, {row['share']:.0%}", ""


_LINES: Final[Mapping[str, Callable[[Figures], Iterator[Line]]]] = {
    "waves": _waves,
    "ranks": _ranks,
    "cell_tax": _cell_tax,
    "pages": _pages,
    "start": _start,
    "growth": _growth,
    "first": _first,
    "where": _where,
}


def _speeds(figures: Figures) -> Iterator[Bar]:
    for row in figures["rows"]:
        yield _bar(f"{row['way']}, {row['batch']}", row["films_per_minute"], f"{row['films_per_minute']:.1f}")


def _per_gib(figures: Figures) -> Iterator[Bar]:
    for row in figures["rows"]:
        yield _bar(row["way"], row["films_per_gib"], f"{row['films_per_gib']:.0f}")


def _grown(figures: Figures) -> Iterator[Bar]:
    for row in figures["rows"]:
        yield _bar(row["at"], row["processor"], f"{row['processor']:.2f} s")


def _begun(figures: Figures) -> Iterator[Bar]:
    for row in figures["rows"]:
        steps = [("imports", "imports"), ("weights", "loading"), ("engine and film", "film")]
        yield Bar(row["engine"], tuple(Part(name, row[key]) for name, key in steps), f"{row['whole']:.1f} s")


def _spent(figures: Figures) -> Iterator[Bar]:
    for load in dict.fromkeys(row["films"] for row in figures["rows"]):
        parts = tuple(Part(row["stage"], row["seconds"]) for row in figures["rows"] if row["films"] == load)
        yield Bar(f"{load} at once", parts, f"{sum(part.value for part in parts):.2f} s")


def _bar(name: str, value: float, told: str) -> Bar:
    return Bar(name, (Part("", value),), told)


_CHARTS: Final[Mapping[str, tuple[str, Callable[[Figures], Iterator[Bar]]]]] = {
    "waves": ("Films a minute, by how many are made at once", _speeds),
    "ranks": ("Films a minute on one rank and on two", _speeds),
    "pages": ("Films in flight for each GiB of keys and values", _per_gib),
    "start": ("Seconds from a new process to its first film", _begun),
    "growth": ("Seconds of the processor for one film, decoding alone", _grown),
    "where": ("Where the time of a film goes, seconds of the processor", _spent),
}
