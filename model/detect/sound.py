"""What a listener hears in a film: when something knocks, on what, which notes are sung, or nothing at all.

The detectors know the partials of the world's materials and the pitches of its notes, and nothing of the scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from model.clip import Sound
from model.world.scene import BEAT, FPS, MATERIALS
from model.world.sound import NOTE_SECONDS, PARTIALS, PITCH, RATE, knock

Field = NDArray[np.float32]

QUIET: Final = 0.02  # root mean square of the loudest 50 ms, full scale 1; anything below is silence (-34 dB)
WINDOW: Final = 0.032  # seconds of one spectrum
HOP: Final = 0.005  # seconds between spectra
RISE: Final = 3  # hops over which a rise is measured
FLOOR: Final = 0.02  # amplitude, full scale 1, below which a partial is noise
AFTER: Final = 0.080  # seconds after an onset in which its material is heard
BEFORE: Final = 0.030  # seconds before it whose sound is taken off
SLACK: Final = 0.005  # seconds by which an onset may be found too late
PRESENT: Final = 0.35  # of a whole knock's amplitude; a material this strong takes part
SUNG: Final = 0.012  # of full scale; a whole note has 0.08


def silent(sound: Sound, rate: int) -> bool:
    """True when even the loudest 50 ms are below QUIET."""
    step = rate // 20
    power = np.append(0.0, np.cumsum(sound.astype(np.float64) ** 2))
    loudest = (power[step:] - power[:-step]).max() / step if len(sound) >= step else np.mean(sound**2)
    return bool(np.sqrt(loudest) < QUIET)


def envelope(sound: Sound, rate: int, fps: int = FPS) -> Field:
    """Root mean square of each frame's time."""
    whole = len(sound) * fps // rate
    return np.sqrt((sound[: whole * rate // fps].reshape(whole, -1) ** 2).mean(1)).astype(np.float32)


def _spectra(sound: Sound, rate: int) -> Field:
    """Amplitude of a sine in each band, one row a hop; row n is centred on n hops."""
    size, hop = int(WINDOW * rate), int(HOP * rate)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    padded = np.pad(sound, (size // 2, size // 2))
    pieces = sliding_window_view(padded, size)[::hop]
    return np.asarray(2 * np.abs(np.fft.rfft(pieces * window, axis=1)) / window.sum(), np.float32)


def onsets(sound: Sound, rate: int) -> list[float]:
    """Seconds at which a knock or a note begins."""
    loud = np.log1p(_spectra(sound, rate) / FLOOR)
    before = np.pad(loud, ((RISE, 0), (0, 0)))[: len(loud)]
    rise = np.sort(np.maximum(loud - before, 0), 1)[:, -8:].mean(1)
    found: list[int] = []
    around = int(0.040 / HOP)
    for n in np.flatnonzero(rise > 0.45):
        near = rise[max(0, n - around) : n + around + 1]
        if rise[n] == near.max() and not (found and n - found[-1] <= around):
            found.append(int(n))
    return [n * HOP for n in found]


def strengths(sound: Sound, rate: int, at: float) -> dict[str, float]:
    """How much of a whole knock on each material begins at a time: 1 for one knock, 0 for none."""
    begin = max(0, int((at - SLACK) * rate))
    after = sound[begin : begin + int(AFTER * rate)]
    before = sound[max(0, begin - int(BEFORE * rate)) : begin]
    found = {}
    for name in MATERIALS:
        whole, new = 0.0, 0.0
        for hz, _, _ in PARTIALS[name]:
            ring = 0.5 * _power(before, hz, rate)  # what still sounds of an earlier knock
            new += max(_power(after, hz, rate) - ring, 0.0) ** 0.5
            whole += _power(knock(name)[: int(AFTER * RATE)], hz, RATE) ** 0.5
        found[name] = new / whole
    return found


def material(sound: Sound, rate: int, at: float) -> str:
    """The material that is heard most at a knock."""
    heard = strengths(sound, rate, at)
    return max(heard, key=heard.__getitem__)


def materials(sound: Sound, rate: int, at: float) -> set[str]:
    """Every material that takes part in the knocks at a time; at least the strongest."""
    heard = strengths(sound, rate, at)
    return {name for name, share in heard.items() if share > PRESENT or share == max(heard.values())}


def _power(piece: Sound, hz: float, rate: int) -> float:
    """Squared amplitude of one partial."""
    if not len(piece):
        return 0.0
    return float(abs(piece @ _turn(len(piece), hz, rate)) / len(piece)) ** 2


@cache
def _turn(samples: int, hz: float, rate: int) -> NDArray[np.complex64]:
    return np.exp(-2j * np.pi * hz / rate * np.arange(samples)).astype(np.complex64)


def notes(sound: Sound, rate: int) -> list[str | None]:
    """The note sung on each beat, None for a rest."""
    beat = BEAT * rate // FPS
    first, last = int(0.03 * rate), int((NOTE_SECONDS - 0.03) * rate)
    return [_note(sound[b * beat + first : b * beat + last], rate) for b in range(len(sound) // beat)]


def _note(piece: Sound, rate: int) -> str | None:
    """The note whose first three harmonics are strongest together."""
    shaped = (piece * np.hanning(len(piece))).astype(np.float32)
    heard = {name: sum(_power(shaped, k * hz, rate) for k in (1, 2, 3)) for name, hz in PITCH.items()}
    best = max(heard, key=heard.__getitem__)
    return best if heard[best] ** 0.5 > SUNG else None


def edit_distance(one: Sequence[object], other: Sequence[object]) -> int:
    """The fewest insertions, deletions and replacements that turn one line into the other."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]
