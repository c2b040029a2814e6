"""From codes to frames and samples, chunk by chunk; what was rendered never changes.

On a GPU it has a stream of its own, so that it runs beside the engine's steps and not behind them. Codes come from the
processor and pixels go back to it, so the streams share nothing but weights.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
import torch
from torch import Tensor

from model.checkpoint import Model
from model.clip import Frames, Size, Sound
from model.codec.audio import State
from model.generate import Codes
from model.media.fit import fit

__all__ = ["Development", "Renderer"]

TOGETHER: Final = 256  # codes of a picture that are rendered at once: what fetches the weights once for all of them


class Renderer:
    """Renders one film at the model's own size."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._stream = torch.cuda.Stream(model.device) if model.device.type == "cuda" else None
        self._before: Tensor | None = None
        self._state: State | None = None
        self._frames: list[Frames] = []
        self._sound: list[Sound] = []

    def add(self, codes: Codes) -> tuple[Frames, Sound]:
        """Renders the next chunks, keeps them and returns them."""
        pixels, samples = self.frames(codes.video), self.sound(codes.audio)
        self._frames.append(pixels)
        self._sound.append(samples)
        return pixels, samples

    def all(self) -> tuple[Frames, Sound]:
        """Everything that was added so far."""
        return np.concatenate(self._frames), np.concatenate(self._sound)

    def frames(self, codes: Tensor) -> Frames:
        """Of the next chunks [chunks, rows, columns]; nothing of them is kept."""
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            video = codes[None].to(self.model.device)
            pixels: Frames = self.model.video.decode(video, self._before)[0].cpu().numpy()
            self._before = video[:, -1]
        return pixels

    def sound(self, codes: Tensor) -> Sound:
        """Of the next chunks [chunks, codes]; nothing of them is kept."""
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            audio = codes.flatten()[None].to(self.model.device)
            samples, self._state = self.model.audio.decode(audio, self._state)
            heard: Sound = samples[0].cpu().numpy()
        return heard


class Development:
    """A film in the size and length that were asked for, while its codes come; of what was rendered it keeps nothing.

    Chunks are rendered in the same groups however they come, so a film that was taken up again is the undisturbed one.
    Sound is rendered when it is asked for, all at once, which takes a third of the time.
    """

    def __init__(self, model: Model, size: Size, frames: int, *, patient: bool = False) -> None:
        """A film of so many frames. One who is `patient` has those of a small film some chunks at a time, for half the
        work; else each comes as soon as it can."""
        c = model.config
        self.size, self.left = size, frames
        self._due, self._patient = -(-frames // c.video.frames), patient
        self._renderer = Renderer(model)
        self._samples = int(frames * Fraction(c.audio.rate, c.video.fps))
        self._held: list[Tensor] = []  # chunks [rows, columns] that wait for others
        self._audio: list[Tensor] = []

    def add(self, codes: Codes) -> Frames:
        """Finished frames, perhaps none, of the chunks so far; those behind the film's end are left out."""
        self._audio.append(codes.audio)
        return np.concatenate([self._next(chunk) for chunk in codes.video])

    def sound(self) -> Sound:
        """Of the chunks so far; all of it, when the last has come."""
        return Renderer(self._renderer.model).sound(torch.cat(self._audio))[: self._samples]

    def _next(self, chunk: Tensor) -> Frames:
        self._held.append(chunk)
        self._due -= 1
        group = TOGETHER // chunk.numel() if self._patient else 1
        if len(self._held) < group and self._due > 0:
            return np.empty((0, self.size.height, self.size.width, 3), np.uint8)
        frames = self._renderer.frames(torch.stack(self._held))[: self.left]
        self._held.clear()
        self.left -= len(frames)
        own = Size(frames.shape[2], frames.shape[1])
        return frames if own == self.size else fit(frames, self.size)
