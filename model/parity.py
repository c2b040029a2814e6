"""What every engine must keep: waves equal slots, a resumed film equals an undisturbed one.

Measured on the model at hand, in float32, for a film of two seconds from text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from torch import Tensor

from model.checkpoint import Model, load, save
from model.clip import Clip, Mode, Size
from model.engines.driven import Driven
from model.engines.kinds import EngineKind, engine, installed
from model.engines.vllm_stepper import VllmSettings
from model.generate import Codes, Generator, Order, Pace
from model.make import Maker

LIMIT: Final = 1e-4  # largest difference of a logit
MISSING: Final = "not measured: vLLM is not installed here; make setup-engine"
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
    identical: bool | None  # all codes; None where the way is not installed here

    @property
    def passed(self) -> bool | None:
        """Whether the promise is kept."""
        if self.identical is None:
            return None
        return self.identical and (self.difference is None or self.difference < LIMIT)

    @property
    def told(self) -> str:
        """How it stands, for a table's cell."""
        if self.identical is None:
            return MISSING
        codes = "identical" if self.identical else "codes DIFFER"
        return codes if self.difference is None else f"{codes}; logits {self.difference:.1e} apart"


def parity(model: Model) -> tuple[Parity, ...]:
    """The rows of the engine, in order; ways that are not installed here are named."""
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
        *_on_vllm(model, clips),
    )


def _on_vllm(model: Model, clips: Sequence[Clip]) -> Iterator[Parity]:
    """The rows of vLLM: all films in one batch. Without vLLM the rows are named and not measured."""
    what = "vLLM = reference", "TP 2 = TP 1"
    if not installed(EngineKind.VLLM):
        yield from (Parity(what=name, difference=None, identical=None) for name in what)
        return
    with TemporaryDirectory() as folder:
        save(model, Path(folder), card="")  # vLLM reads folders; weights that came from one are the same again
        same = load(folder)
        orders = [Maker(Generator(same)).ready(clip).order for clip in clips]
        reference = [Generator(same).films([order])[0] for order in orders]
        told = VllmSettings(weights=folder, films=len(orders), threads="nobind")
        one, two = (_films(same, replace(told, ranks=ranks), orders) for ranks in (1, 2))
    yield Parity(what=what[0], difference=None, identical=_all_equal(one, reference))
    yield Parity(what=what[1], difference=None, identical=_all_equal(two, one))


def _films(model: Model, told: VllmSettings, orders: Sequence[Order]) -> list[Codes]:
    return Driven(model, lambda: engine(EngineKind.VLLM, told.weights, told)).films(orders)


def _all_equal(some: Sequence[Codes], others: Sequence[Codes]) -> bool:
    return all(equal(a, b) for a, b in zip(some, others, strict=True))


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
