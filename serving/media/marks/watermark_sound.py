"""The watermark of the sound: a faint noise that repeats each second and hides under what is heard.

What may surprise:

* Writer and reader divide the sound by its own loudness, tone by tone and moment by moment. So the noise is as much
  fainter than what is heard everywhere, and in pauses it stays below the hiss of a good recording.
* It repeats each second, so a reader folds the whole sound into one second, whatever was trimmed from its beginning,
  and then looks for the moment at which the second begins.
* It lives between 300 and 2,800 Hz, which every codec and the slowest sound of the model keep.
* Sound that is silent throughout stays silent: the picture alone carries the mark then. A change of speed or pitch
  breaks it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.clip import Sound
from model.media import resample
from serving.media.marks.carrier import Directions, directions
from serving.media.marks.payload import CHIPS, Chips

__all__ = ["BEGINNINGS", "RATE", "folded", "mark_sound", "moments", "read_sound"]

Tiles = NDArray[np.float32]  # [2, moments, tones]: what is even around the middle of a tile's window, and what is odd

RATE: Final = 8_000  # samples per second at which the mark lives
PERIOD: Final = RATE  # samples after which it repeats
BAND: Final = (300, 2_800)  # Hz, which are bins of one period
WINDOW: Final = 256  # samples of a tile's window
HOP: Final = WINDOW // 2
TONES: Final = (2, 98)  # multiples of RATE / WINDOW that are looked at: the band, and what is close to it
SILENCE: Final = 1e-4  # peak of a sound that is left alone
HISS: Final = 0.003  # of full scale (-50 dBFS): what counts as calm
LEAST: Final = 0.4  # what each chip is to read at least, in units of the loudness around it
MARGINS: Final = (
    0.6,
    0.95,
)  # the same at most, in long sound and in short; between them as much as chips read of the sound itself
MOST: Final = 0.2  # of the loudness around it: how strong the noise may be in all (-14 dB)
MORE: Final = np.float32(1.12)  # times that: the noise adds to the loudness that it is divided by when it is read
FINER: Final = 2  # parts of a sample to which a reader finds the beginning
BEGINNINGS: Final = 4  # moments that a reader tries; each is one more chance of a false alarm
NEAR: Final = 16  # half samples within which two moments are one


def mark_sound(sound: Sound, rate: int, chips: Chips, key: bytes) -> Sound:
    """The sound [samples] with the chips in it; as it was when it is silent or shorter than a window."""
    heard = resample(sound, rate, RATE)
    if len(heard) < WINDOW or float(np.abs(heard).max(initial=0)) < SILENCE:
        return sound
    tiles = _fitted(_tiles(heard), len(heard), chips, directions(key, "sound", 2 * (BAND[1] - BAND[0])))
    marked = sound + _exactly(resample(_joined(tiles, len(heard)), RATE, rate), len(sound))
    return np.asarray(np.clip(marked, -1, 1, out=marked), np.float32)


def _fitted(tiles: Tiles, length: int, chips: Chips, secret: Directions) -> Tiles:
    """Noise under what `tiles` have, which makes them read as wanted."""
    gains = _loudness(tiles)
    own = _tones(_even(tiles, gains, length)) @ secret
    drowned = np.sqrt(np.mean(own * own, axis=1, keepdims=True))
    most = np.float32(np.clip(2 * PERIOD / length, *MARGINS))
    wanted = np.clip(drowned, np.float32(LEAST), most) * _shares(length) * MORE
    strengths = _within(chips * np.maximum(wanted - chips * own, 0), MOST)
    noise = _tiles(_seconds((secret @ strengths.T).T).ravel()[:length])
    noise *= gains
    return noise


def read_sound(sound: Sound, rate: int, key: bytes) -> tuple[Chips, ...]:
    """The chips [CHIPS] at the few moments where a marked second is likeliest to begin; none for silence."""
    once = folded(sound, rate)
    return () if once is None else moments(once, key)


def folded(sound: Sound, rate: int) -> NDArray[np.float32] | None:
    """The mean of all seconds of the sound, divided by its loudness [PERIOD]; None for silence. It needs no key."""
    heard = resample(sound, rate, RATE)
    if len(heard) < WINDOW or float(np.abs(heard).max(initial=0)) < SILENCE / 10:
        return None
    tiles = _tiles(heard)
    return np.asarray(_even(tiles, _loudness(tiles), len(heard)).mean(0), np.float32)


def moments(once: NDArray[np.float32], key: bytes) -> tuple[Chips, ...]:
    """The chips of a folded sound at the BEGINNINGS where a marked second is likeliest to begin."""
    everywhere = _anywhere(once, key)
    power, found = (everywhere**2).sum(0), []
    for _ in range(BEGINNINGS):
        best = int(power.argmax())
        found.append(everywhere[:, best])
        power[(np.arange(len(power)) - best + NEAR) % len(power) <= 2 * NEAR] = 0
    return tuple(found)


def _within(strengths: NDArray[np.float32], most: float) -> NDArray[np.float32]:
    sizes = np.linalg.norm(strengths, axis=1, keepdims=True) / PERIOD**0.5
    return strengths * np.minimum(1, most / np.maximum(sizes, 1e-9)).astype(np.float32)


def _shares(length: int) -> NDArray[np.float32]:
    """How much of each second [seconds, 1] the sound fills: all, and what is left of the last."""
    starts = np.arange(0, length, PERIOD)
    shares: NDArray[np.float32] = (np.minimum(length - starts, PERIOD) / PERIOD).astype(np.float32)[:, None]
    return shares


def _even(tiles: Tiles, loudness: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """The sound divided by its loudness, second after second [seconds, PERIOD]."""
    even = np.zeros((-(-length // PERIOD), PERIOD), np.float32)
    even.ravel()[:length] = _joined(tiles / loudness, length)
    return even


def _tones(seconds: NDArray[np.float32]) -> NDArray[np.float32]:
    """The band of each second as orthonormal coordinates: cosines, then sines."""
    tones = np.fft.rfft(seconds)[..., BAND[0] : BAND[1]]
    coordinates = np.concatenate([tones.real, tones.imag], -1)
    coordinates *= np.float32((2 / PERIOD) ** 0.5)
    return coordinates


def _seconds(coordinates: NDArray[np.float32]) -> NDArray[np.float32]:
    """The other way round: samples [seconds, PERIOD]."""
    cosines, sines = np.split(coordinates, 2, -1)
    tones = np.zeros((len(coordinates), PERIOD // 2 + 1), np.complex64)
    tones.real[:, BAND[0] : BAND[1]] = cosines
    tones.imag[:, BAND[0] : BAND[1]] = sines
    tones *= np.float32((PERIOD / 2) ** 0.5)
    return np.asarray(np.fft.irfft(tones, PERIOD), np.float32)


@lru_cache(maxsize=4)
def _spectra(key: bytes) -> NDArray[np.complex64]:
    """Conjugate spectra [CHIPS, band] of the directions."""
    cosines, sines = np.split(directions(key, "sound", 2 * (BAND[1] - BAND[0])), 2)
    spectra: NDArray[np.complex64] = (cosines - 1j * sines).T.astype(np.complex64)
    return spectra


def _anywhere(folded: NDArray[np.float32], key: bytes) -> NDArray[np.float32]:
    """Chips [CHIPS, FINER * PERIOD] for every moment at which the second may begin."""
    cosines, sines = np.split(_tones(folded), 2)
    whole = np.zeros((CHIPS, FINER * PERIOD // 2 + 1), np.complex64)
    whole[:, BAND[0] : BAND[1]] = (cosines + 1j * sines) * _spectra(key)
    everywhere: NDArray[np.float32] = np.fft.irfft(whole, axis=1).astype(np.float32) * (FINER * PERIOD / 2)
    return everywhere


@lru_cache(maxsize=1)
def _waves() -> tuple[Tiles, Tiles]:
    """Half a window's cosines and sines [2, HOP, tones], and the way back [2, tones, HOP].

    All are under the root of a Hann window, whose squares at half steps add up to one. Windows are short and tones few,
    so a matrix is quicker than a fast transform; what is even needs no sines, and what is odd no cosines.
    """
    at = np.pi * (np.arange(HOP) + 0.5 - HOP) / HOP
    angles = at[:, None] * np.arange(*TONES)
    under = np.cos(at / 2)[:, None] * (2 / WINDOW) ** 0.5
    there = np.stack([np.cos(angles) * under, np.sin(angles) * under]).astype(np.float32)
    return there, np.ascontiguousarray(there.transpose(0, 2, 1))


def _tiles(heard: Sound) -> Tiles:
    hops = np.zeros((-(-len(heard) // HOP) + 3, HOP), np.float32)
    hops.ravel()[HOP : HOP + len(heard)] = heard
    halves = np.empty((2, len(hops) - 1, HOP), np.float32)
    np.add(hops[:-1], hops[1:, ::-1], out=halves[0])
    np.subtract(hops[:-1], hops[1:, ::-1], out=halves[1])
    tiles: Tiles = halves @ _waves()[0]
    return tiles


def _joined(tiles: Tiles, length: int) -> Sound:
    even, odd = tiles @ _waves()[1]
    whole = np.empty((len(even) + 1, HOP), np.float32)
    np.add(even, odd, out=whole[:-1])
    whole[-1] = 0
    whole[1:, ::-1] += np.subtract(even, odd, out=even)
    return whole.ravel()[HOP : HOP + length]


def _loudness(tiles: Tiles) -> NDArray[np.float32]:
    """Root mean square around each tile, three moments by five tones, and the hiss below which all is calm."""
    even, odd = tiles
    power = even * even
    power += odd * odd
    power = power @ _near()
    loudness = power.copy()
    loudness[1:] += power[:-1]
    loudness[:-1] += power[1:]
    loudness[0] += power[0]
    loudness[-1] += power[-1]
    np.sqrt(loudness, out=loudness)
    loudness += np.float32(HISS)
    return loudness


@lru_cache(maxsize=1)
def _near() -> NDArray[np.float32]:
    """A matrix [tones, tones] that takes a third of the mean of five neighbours, the first and the last repeated."""
    count = TONES[1] - TONES[0]
    near = np.zeros((count, count), np.float32)
    for step in range(-2, 3):
        np.add.at(near, (np.clip(np.arange(count) + step, 0, count - 1), np.arange(count)), 1 / 15)
    return near


def _exactly(sound: Sound, length: int) -> Sound:
    return np.pad(sound[:length], (0, max(length - len(sound), 0)))
