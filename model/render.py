"""From codes to frames and samples, chunk by chunk; what was rendered never changes.

On a GPU it has a stream of its own, so that it runs beside the engine's steps and not behind them. Codes come from the
processor and pixels go back to it, so the streams share nothing but weights.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from model.checkpoint import Model
from model.clip import Frames, Size, Sound
from model.codec.audio import State
from model.generate import Codes
from model.media.fit import fit

__all__ = ["Development", "Renderer"]


class Renderer:
    """Renders one film at the model's own size."""

    def __init__(self, model: Model, *, keep: bool = True) -> None:
        """Without `keep` nothing of the film stays here, and there is no `all`."""
        self.model, self.keep = model, keep
        self._stream = torch.cuda.Stream(model.device) if model.device.type == "cuda" else None
        self._before: Tensor | None = None
        self._state: State | None = None
        self._frames: list[Frames] = []
        self._sound: list[Sound] = []

    def add(self, codes: Codes) -> tuple[Frames, Sound]:
        """Renders the next chunks and returns them."""
        with torch.cuda.stream(self._stream):
            pixels, samples = self._rendered(codes)
        if self.keep:
            self._frames.append(pixels)
            self._sound.append(samples)
        return pixels, samples

    def all(self) -> tuple[Frames, Sound]:
        """Everything rendered so far."""
        return np.concatenate(self._frames), np.concatenate(self._sound)

    def _rendered(self, codes: Codes) -> tuple[Frames, Sound]:
        device = self.model.device
        video, audio = codes.video[None].to(device), codes.audio.flatten()[None].to(device)
        pixels: Frames = self.model.video.decode(video, self._before)[0].cpu().numpy()
        samples, self._state = self.model.audio.decode(audio, self._state)
        self._before = video[:, -1]
        heard: Sound = samples[0].cpu().numpy()
        return pixels, heard


class Development:
    """A film in the size and length that were asked for, while its codes come; it keeps the sound alone.

    Chunks are rendered one at a time however they come, so a film that was taken up again is the undisturbed one.
    """

    def __init__(self, model: Model, size: Size, frames: int) -> None:
        """A film of so many frames."""
        self.size, self.left = size, frames
        self._renderer = Renderer(model, keep=False)
        self._samples = int(frames * Fraction(model.config.audio.rate, model.config.video.fps))
        self._sound: list[Sound] = []

    def add(self, codes: Codes) -> Frames:
        """The finished frames of the next chunks; those behind the film's end are left out."""
        return np.concatenate([self._one(codes[n : n + 1]) for n in range(len(codes.video))])

    def sound(self) -> Sound:
        """All of it, when the last chunk has come."""
        return np.concatenate(self._sound)[: self._samples]

    def _one(self, codes: Codes) -> Frames:
        frames, sound = self._renderer.add(codes)
        self._sound.append(sound)
        frames = frames[: self.left]
        self.left -= len(frames)
        own = Size(frames.shape[2], frames.shape[1])
        return frames if own == self.size else fit(frames, self.size)
