"""A canary of the marks: a film is drawn, marked as any other, encoded anew, and looked for; once a week, and logged.

The entry is a `canary`: a film without its manifest asks to pass for nobody's, and must be denied. `deny` says that the
detector knew it; `allow` says that it slipped through, and `equerry audit verify` finds that. The film is drawn here
rather than made by the model, so that a test costs a second whatever the model is: it tries marks, encoder, detector
and log, and not the engine. It is kept nowhere.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from model.clip import Film, Size
from model.media import encode_film, fit, read_film
from policies.log.entry import Canary, Entry
from serving.detector import Detector
from serving.media.marks.c2pa import Standing
from serving.media.marks.marker import CellMarker
from serving.media.marks.payload import pid_of

__all__ = ["Outcome", "SelfTest", "drawn"]

log = logging.getLogger(__name__)

WEEK: Final = 7 * 86_400_000  # milliseconds
AGAIN: Final = 3_600_000  # milliseconds until a test that failed is made again
FIRST: Final = 600_000  # milliseconds after the start in which a new cell has other things to do
LOOK: Final = 60.0  # seconds between two looks at the clock
SIZE: Final = Size(320, 240)
NOBODY: Final = "t-0000000000000000"  # the film is nobody's
FILE: Final = "selftest.json"


class Pen(Protocol):
    """What writes the log."""

    def commit(self, entry: Entry) -> Awaitable[object]:
        """Return once the entry is durable."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the last test ended."""

    at: int  # milliseconds since 1970
    found: bool
    why: str = ""  # what was not found


class SelfTest:
    """`keep` makes a test whenever one is due, until it is cancelled. `missing` says what readiness has to know."""

    def __init__(
        self,
        marker: CellMarker,
        detector: Detector,
        pen: Pen,
        *,
        region: str,
        folder: Path,
        now: Callable[[], int],
        new_id: Callable[[], str],
        every: int = WEEK,
    ) -> None:
        """`now` in milliseconds since 1970; `new_id` draws 32 hexadecimal digits; `every` in milliseconds. The last
        outcome is kept in `folder`, so that a restart makes no new test."""
        self.marker, self.detector, self.pen, self.region = marker, detector, pen, region
        self.now, self.new_id, self.every = now, new_id, every
        self._path, self._begun = folder / FILE, now()
        self.last = _read(self._path)

    @property
    def missing(self) -> str:
        """What keeps the cell from its work: films must not leave while nobody can find their marks. Else empty."""
        if self.last is None or self.last.found:
            return ""
        return f"the marks: the self-test did not find {self.last.why}"

    @property
    def due(self) -> bool:
        """Whether a test is to be made now."""
        if self.last is None:
            return self.now() - self._begun >= min(FIRST, self.every)
        return self.now() - self.last.at >= (self.every if self.last.found else min(AGAIN, self.every))

    async def keep(self) -> None:
        """For as long as the cell runs. What a test raises is that test's end, and is tried again."""
        while True:
            if self.due:
                try:
                    await self.turn()
                except Exception as error:  # noqa: BLE001 - whatever it was, the next test may tell more
                    log.error("The self-test of the marks could not be made.", extra={"error": type(error).__name__})
            await asyncio.sleep(LOOK)

    async def turn(self) -> Outcome:
        """One test, logged and kept. Raises PolicyError when it cannot be logged: then it counts for nothing."""
        job = self.new_id()
        why = await self._missed(job)
        verdict = "allow" if why else "deny"
        await self.pen.commit(
            Canary(ten=NOBODY, req=f"r-{job}", cls="public", region=self.region, dec=verdict, rules=())
        )
        self.last = Outcome(self.now(), not why, why)
        if why:
            log.error("The self-test of the marks failed.", extra={"request": job})
        await asyncio.to_thread(_write, self._path, self.last)
        return self.last

    async def _missed(self, job: str) -> str:
        """What should have been found and was not; empty when all was."""
        try:
            film = drawn(int(job[:8], 16))
            marked, anew = await asyncio.to_thread(self._marked, film, job)
            pid = pid_of(self.marker.key, job)
            intact = await self.detector.sight(marked)
            if intact.manifest.standing not in (Standing.VALID, Standing.TRUSTED):
                return "the manifest of a film as it is delivered"
            if intact.mark is None or intact.mark.pid != pid:
                return "the watermark of a film as it is delivered"
            seen = await self.detector.sight(anew)
            if seen.mark is None or seen.mark.pid != pid:
                return "the watermark of a film that was encoded anew"
            plain = await self.detector.sight(await asyncio.to_thread(encode_film, film))
            return "that an unmarked film is unmarked" if plain.generated else ""
        except Exception as error:  # noqa: BLE001 - whatever it was, the marks were not found
            return f"an end without {type(error).__name__}"

    def _marked(self, film: Film, job: str) -> tuple[bytes, bytes]:
        """The film as it would be delivered, and as somebody sends it on: half as large, and without its manifest."""
        marked = self.marker.watermark(film, pid_of(self.marker.key, job))
        body = self.marker.sign(encode_film(marked), job).body
        read = read_film(body, fps=film.fps, rate=48_000)
        return body, encode_film(replace(read, frames=fit(read.frames, Size(SIZE.width // 2, SIZE.height // 2))))


def drawn(seed: int) -> Film:
    """Two seconds of drifting cloud with a disc that moves over it, and three notes."""
    rng = np.random.default_rng(seed)
    ground = fit(rng.integers(40, 200, (1, 6, 8, 3)).astype(np.uint8), SIZE)[0].astype(np.float32)
    rows, columns = np.mgrid[: SIZE.height, : SIZE.width]
    frames = np.empty((16, SIZE.height, SIZE.width, 3), np.uint8)
    for number, frame in enumerate(frames):
        disc = (rows - 120) ** 2 + (columns - 60 - 12 * number) ** 2 < 40**2
        frame[:] = np.roll(ground, 3 * number, 1)
        frame[disc] = (210, 60, 50)
    at = np.arange(16_000) / 8_000
    notes = sum(np.sin(2 * np.pi * pitch * at) for pitch in 220 * 2 ** (rng.integers(0, 24, 3) / 12))
    sound = (0.15 * notes + 0.01 * rng.normal(size=len(at))).astype(np.float32)
    return Film(frames=frames, fps=Fraction(8), sound=sound, rate=8_000)


def _read(path: Path) -> Outcome | None:
    """The last outcome; none for a file that is not there or cannot be read, so that a new test is made."""
    try:
        told = json.loads(path.read_text("utf-8"))
        return Outcome(int(told["at"]), bool(told["found"]), str(told["why"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, outcome: Outcome) -> None:
    """Whole or not at all."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(outcome)), "utf-8")
    draft.replace(path)
