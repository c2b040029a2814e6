"""Sound at another sample rate."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from model.clip import Sound

LOWEST, HIGHEST = 1_000, 384_000  # samples per second; outside this range a rate is a mistake


def resample(sound: Sound, rate: int, wanted: int) -> Sound:
    """The same sound [samples] at `wanted` samples per second, in step with the original and of the exact length.

    The length is round(samples * wanted / rate). Raises ValueError for a rate outside 1 kHz to 384 kHz.
    """
    for each in (rate, wanted):
        if not LOWEST <= each <= HIGHEST:
            raise ValueError(f"A sample rate of {each} Hz is outside {LOWEST} to {HIGHEST} Hz.")
    length = round(Fraction(len(sound) * wanted, rate))
    if rate == wanted or length == 0:
        return sound[:length].astype(np.float32)
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=wanted)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound, np.float32)[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    pieces = [piece.to_ndarray()[0] for given in (frame, None) for piece in resampler.resample(given)]
    return exactly(np.concatenate([np.zeros(0, np.float32), *pieces]), length)


def exactly(sound: Sound, length: int) -> Sound:
    """The sound [length]: its beginning, with silence after its end where it is too short."""
    whole = np.zeros(length, np.float32)
    whole[: len(sound)] = sound[:length]
    return whole
