"""What every engine must keep: waves equal slots, a resumed film equals an undisturbed one.

Measured on the model at hand, in float32, for a film of two seconds from text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import Tensor

from model.checkpoint import Model
from model.clip import Clip, Mode, Size
from model.generate import Codes, Generator, Pace
from model.make import Maker

LIMIT: Final = 1e-4  # largest difference of a logit
PROMPTS: Final = (
    "a big red circle made of metal bounces up and down on a black background",
    "a yellow face sings C E G C",
    "青い背景で小さな白い十字が右へ滑る",
    "something that no caption ever said",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far two ways of decoding the same films are apart."""

    what: str
    difference: float | None  # largest difference of a logit; None where codes are compared alone
    identical: bool | None  # all codes; None where the way does not exist yet

    @property
    def passed(self) -> bool | None:
        """Whether the promise is kept."""
        if self.identical is None:
            return None
        return self.identical and (self.difference is None or self.difference < LIMIT)


def parity(model: Model) -> tuple[Parity, ...]:
    """The rows of the engine, in order; ways that do not exist yet are named."""
    clips = [
        Clip(prompt=p, mode=Mode.T2V, size=size, seconds=2, seed=seed)
        for seed, p in enumerate(PROMPTS)
        for size in (Size(64, 64), Size(80, 48))[: 1 + seed % 2]
    ]
    difference, same, resumed = 0.0, True, True
    for clip in clips:
        (waves, seen), (slots, other) = (_decoded(model, clip, pace) for pace in (Pace.WAVES, Pace.SLOTS))
        difference = max(difference, *(float((seen[s] - other[s]).abs().max()) for s in seen))
        same = same and equal(waves, slots)
        resumed = resumed and all(equal(_resumed(model, clip, waves[:done]), waves) for done in (1, 3))
    return (
        Parity(what="waves = slots", difference=difference, identical=same),
        Parity(what="resumed = undisturbed", difference=None, identical=resumed),
        Parity(what="vLLM = reference", difference=None, identical=None),
        Parity(what="TP 2 = TP 1", difference=None, identical=None),
    )


def equal(a: Codes, b: Codes) -> bool:
    """Whether two films have the very same codes."""
    return a.video.equal(b.video) and a.audio.equal(b.audio)


def _decoded(model: Model, clip: Clip, pace: Pace) -> tuple[Codes, dict[int, Tensor]]:
    logits: dict[int, Tensor] = {}

    def watch(slot: int, _: object, values: Tensor) -> None:
        logits[slot] = values.clone()

    generator = Generator(model, pace=pace)
    generator.watch = watch
    order = Maker(generator).ready(clip).order
    return generator.films([order])[0], logits


def _resumed(model: Model, clip: Clip, done: Codes) -> Codes:
    """The film decoded from where another worker had left off."""
    generator = Generator(model)
    order = Maker(generator).ready(clip).order
    return generator.decode([order.prompt], order.chunks, [done], [order.seed], 0)[0]
