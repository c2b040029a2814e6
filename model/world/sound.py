"""From a scene to samples: a knock at every contact, a note on every sung beat, silence otherwise.

8,000 samples a second, so that a frame is exactly 1,000 samples. Each sound is a fixed waveform that begins at its
event: the same event always sounds the same.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from model.clip import Sound
from model.world.render import contacts
from model.world.scene import BAR, BEAT, FPS, NOTES, Scene

RATE: Final = 8_000  # samples a second
PER_FRAME: Final = RATE // FPS
PITCH: Final[dict[str, float]] = dict(
    zip(NOTES, (261.63, 293.66, 329.63, 349.23, 392.00, 440.00, 493.88), strict=True)
)  # Hz, equal temperament, from middle C
NOTE_SECONDS: Final = (BEAT - 1) / FPS
# material: (frequency in Hz, share of the amplitude, decay in seconds) of each partial
PARTIALS: Final[dict[str, tuple[tuple[float, float, float], ...]]] = {
    "wood": ((620.0, 0.6, 0.030), (1240.0, 0.4, 0.020)),
    "metal": ((1680.0, 0.4, 0.110), (2440.0, 0.35, 0.090), (3100.0, 0.25, 0.070)),
    "rubber": ((150.0, 0.8, 0.060), (300.0, 0.2, 0.040)),
}


@cache
def knock(material: str) -> Sound:
    """The sound of one contact, mono float32, peak about 0.6, 0.45 s."""
    t = np.arange(int(0.45 * RATE)) / RATE
    wave = sum(share * np.exp(-t / decay) * np.sin(2 * np.pi * hz * t) for hz, share, decay in PARTIALS[material])
    ends = np.clip((0.45 - t) / 0.05, 0, 1)
    return (0.6 * np.asarray(wave) * ends).astype(np.float32)


@cache
def note(name: str) -> Sound:
    """One sung note with three harmonics, mono float32, peak about 0.45, three frames long."""
    t = np.arange(int(NOTE_SECONDS * RATE)) / RATE
    wave = sum(share * np.sin(2 * np.pi * PITCH[name] * k * t) for k, share in ((1, 0.6), (2, 0.3), (3, 0.1)))
    shape = np.minimum(1.0, t / 0.010) * np.minimum(1.0, (NOTE_SECONDS - t) / 0.020)
    return (0.5 * np.asarray(wave) * shape).astype(np.float32)


def sound(scene: Scene, frames: int, start: int = 0) -> Sound:
    """The sound of frames `start` … `start + frames - 1`: mono float32 [frames * 1000]."""
    out = np.zeros((start + frames) * PER_FRAME + RATE, np.float32)
    for contact in contacts(scene, start + frames):
        wave = knock(contact.material)
        out[contact.frame * PER_FRAME :][: len(wave)] += wave
    if scene.face is not None:
        for frame in range(0, start + frames, BEAT):
            beat = (frame % BAR) // BEAT
            if beat < len(scene.face.notes):
                wave = note(scene.face.notes[beat])
                out[frame * PER_FRAME :][: len(wave)] += wave
    return np.clip(out[start * PER_FRAME : (start + frames) * PER_FRAME], -1.0, 1.0)
