"""One film in a studio from its codes on: rendered, scaled, marked and compressed chunk by chunk.

The engine decodes on meanwhile. Of the frames nothing is kept but those of a small film, whose marks depend on all of
it, and what the pictures need: a long film takes no more room than a short one.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from model.checkpoint import Model
from model.clip import Mode, Sound
from model.generate import Codes
from model.make import Ready
from model.render import Development
from serving.order import Order
from serving.studio.marker import Delivery, Form, Marking, Seen
from serving.studio.pictures import Pictures
from serving.wish import Audio

__all__ = ["Shot"]

Begin = Callable[[Form, Seen], Marking]


class Shot:
    """A film that is being made. One thread at a time, and any."""

    def __init__(self, model: Model, ready: Ready, order: Order, begin: Begin) -> None:
        """`begin` begins its marking."""
        c = model.config
        self.form = Form(size=ready.clip.size, fps=Fraction(c.video.fps), rate=c.audio.rate)
        self.frames = ready.frames
        self.pictures = Pictures(self.form.size, ready.frames)  # of marked frames, so they carry the mark too
        self._ready, self._order = ready, order
        self._film = Development(
            model, self.form.size, ready.frames, patient=True
        )  # nothing leaves before it is signed
        self._marking = begin(self.form, self.pictures.add)

    @property
    def seconds(self) -> float:
        """Length of the picture."""
        return float(self.frames / self.form.fps)

    def add(self, codes: Codes) -> None:
        """Takes the next chunks, one or more."""
        for number in range(len(codes.video)):
            if len(frames := self._film.add(codes[number : number + 1])):
                self._marking.add(frames)

    def deliver(self) -> Delivery:
        """The whole film. Whatever it raises, nothing is delivered."""
        return self._marking.deliver(sounded(self._film.sound(), self._ready, self._order))


def sounded(sound: Sound, ready: Ready, order: Order) -> Sound:
    """The sound that was asked for."""
    if order.wish.audio is Audio.NONE:
        return np.zeros_like(sound)
    if order.wish.audio is Audio.ORIGIN and order.wish.mode is Mode.EDIT and ready.clip.source is not None:
        whole = np.zeros_like(sound)
        kept = ready.clip.source.sound[: len(whole)]
        whole[: len(kept)] = kept
        return whole
    return sound
