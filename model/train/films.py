"""Training of the trunk: episodes of the toy world, drawn, rendered and encoded as they are needed.

A step holds a few groups; the clips of a group share one layout, so there is no padding but the text's. Beside the
codes themselves the trunk learns to name, at the last token of the text, what the text says: a crutch that is thrown
away.

A generator reads its own codes, and some of them are slips; a trunk that has only ever read true codes takes a slip
for truth, and outlines drift from chunk to chunk. So some clips are read with slips: some codes as the trunk itself
would draw them (scheduled sampling; Bengio et al., 2015, in two passes as Mihaylova and Martins, 2019), some a step
off on the quantiser's grid. What is to be told stays the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as fn
from torch.nn.utils import parametrize

from model.clip import Mode, Picture, Size
from model.codec.audio import AudioCodec
from model.codec.fsq import FSQ
from model.codec.video import VideoCodec
from model.config import ModelConfig
from model.generate import Codes, place_codes
from model.layout import Kind, layout
from model.prompt import Prompt, text_ids
from model.tokens import Tokenizer
from model.train import kin
from model.train.run import Plan, Step
from model.trunk import Rows, Trunk, rows
from model.vocabulary import CONTROLS, TEXT_BLOCK, Guide
from model.world.episodes import Episode, sample_episode
from model.world.render import render
from model.world.scene import BACKGROUNDS, COLOURS, FPS, MATERIALS, MOTIONS, NOTES, PACES, RADII, SHAPES, Scene
from model.world.sound import sound

PLAN: Final = Plan(steps=4_300, rate=3e-3, muon=3e-3, table=3e-2, average=0.997, warmup=50, decay=0.6)
START: Final = replace(PLAN, rate=1.5e-3, muon=1.5e-3, table=1.5e-2, decay=1.0)  # of a trunk that is trained already
DROPPED: Final = 0.1  # share of the clips whose text is dropped, for guidance
OWN: Final = 0.33  # share of the groups that are read with codes of the trunk's own
OFF: Final = 0.04  # most codes of a clip that are read a step off


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Clips of one layout within a step."""

    mode: Mode
    clips: int
    seconds: int
    references: int = 0


def _turn(t2v: tuple[int, int], mode: Mode, clips: int, seconds: int, references: int = 0) -> tuple[Group, ...]:
    films = Group(mode=Mode.T2V, clips=t2v[0], seconds=t2v[1])
    return films, Group(mode=mode, clips=clips, seconds=seconds, references=references)


STEPS: Final[tuple[tuple[Group, ...], ...]] = (  # taken in turn; about 4,000 rows each
    _turn((7, 1), Mode.R2V, 11, 1, references=2),
    _turn((8, 1), Mode.EDIT, 8, 1),
    _turn((5, 2), Mode.I2V, 9, 1),
    _turn((7, 1), Mode.R2V, 13, 1, references=1),
    _turn((8, 1), Mode.EDIT, 8, 1),
    _turn((5, 2), Mode.R2V, 8, 1, references=4),
    _turn((7, 1), Mode.EDIT, 4, 2),
    _turn((4, 3), Mode.I2V, 5, 2),
    _turn((7, 1), Mode.R2V, 11, 1, references=2),
    _turn((7, 1), Mode.EDIT, 7, 1, references=2),
    _turn((4, 3), Mode.R2V, 5, 2, references=3),
    _turn((8, 1), Mode.R2V, 6, 1, references=9),
)

_FACTS: Final = (
    *(f"{i}{word}" for i in range(2) for word in (*COLOURS, *SHAPES, *MOTIONS, *RADII, *MATERIALS, *PACES)),
    *(f"{i}[{k}]" for i in range(2) for k in range(1, 10)),
    *BACKGROUNDS,
    *(f"face {colour}" for colour in COLOURS),
    *(f"{beat}{note}" for beat in range(4) for note in NOTES),
)
_FACT: Final = {fact: i for i, fact in enumerate(_FACTS)}


def facts(episode: Episode) -> Tensor:
    """What the clip shows and the text says, as a float32 vector of zeros and ones."""
    out = torch.zeros(len(_FACTS))
    scene, said = episode.scene, episode.caption.mentions
    true = [scene.background] if "background" in said else []
    for i, body in enumerate(scene.bodies if episode.edit is None else ()):
        if isinstance(body.skin, str):
            true += [f"{i}{body.skin}", f"{i}{body.shape}"]
        elif i < len(episode.named):
            true.append(f"{i}[{episode.named[i]}]")
        true.append(f"{i}{body.motion}")
        true += [f"{i}{getattr(body, part)}" for part in ("size", "material", "pace") if f"{part}:{i}" in said]
    if scene.face is not None and episode.edit is None:
        true.append(f"face {scene.face.colour}")
        true += [f"{beat}{note}" for beat, note in enumerate(scene.face.notes)]
    out[[_FACT[t] for t in true]] = 1.0
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Clips ready for the trunk: tokens [B, S], the layout's rows, what the text says [B, facts] (edits say nothing),
    and which slots may be read with slips [S]: picture that is settled by what comes before it."""

    tokens: Tensor
    rows: Rows
    facts: Tensor | None
    settled: Tensor


@torch.no_grad()
def encode(
    scenes: Sequence[Scene], chunks: int, video: VideoCodec, audio: AudioCodec, config: ModelConfig
) -> tuple[Tensor, Tensor]:
    """Codes of rendered scenes: int64 [B, C, H, W] and [B, C, A]."""
    frames = chunks * config.video.frames
    pixels = torch.from_numpy(np.stack([render(s, frames) for s in scenes]))
    waves = torch.from_numpy(np.stack([sound(s, frames) for s in scenes]))
    device = video.leave.weight.device
    heard = audio.encode(waves.to(device)).unflatten(1, (chunks, -1))
    return video.encode(pixels.to(device)), heard


@dataclass(frozen=True, slots=True, eq=False)
class Studio:
    """Everything that turns chance into batches."""

    config: ModelConfig
    tokenizer: Tokenizer
    video: VideoCodec
    audio: AudioCodec
    trunk: Trunk

    def batch(self, rng: np.random.Generator, group: Group, size: Size) -> Batch:
        """The clips of one group."""
        v = self.trunk.vocabulary
        episodes = [self._episode(rng, group, size) for _ in range(group.clips)]
        chunks = int(group.seconds / self.config.chunk_seconds)
        video, audio = encode([e.scene for e in episodes], chunks, self.video, self.audio, self.config)
        prompts = []
        dropped = rng.random(group.clips) < DROPPED
        mode = Mode.EXTEND if group.mode == Mode.T2V and rng.random() < 0.1 else group.mode
        pictures = self._pictures(episodes)
        still = self._stills(episodes) if group.mode == Mode.I2V else None
        source = None
        if group.mode == Mode.EDIT:
            source = encode([e.source or e.scene for e in episodes], chunks, self.video, self.audio, self.config)
        for i, episode in enumerate(episodes):
            text = [] if dropped[i] else text_ids(episode.caption.text, self.tokenizer, v)[0]
            prompts.append(
                Prompt(
                    mode=mode,
                    size=size,
                    seconds=group.seconds,
                    guide=Guide.NONE if dropped[i] else Guide.PLAIN,
                    text=tuple(text),
                    references=tuple(pictures[i]),
                    image=None if still is None else still[i],
                    source=None if source is None else (source[0][i], source[1][i]),
                )
            )
        longest = max(TEXT_BLOCK, *(-(-len(p.text) // TEXT_BLOCK) * TEXT_BLOCK for p in prompts))
        if rng.random() < 0.05:
            longest += TEXT_BLOCK
        spec = prompts[0].spec(self.config, chunks, text=longest)
        table = layout(spec)
        device = video.device
        tokens = torch.stack([p.tokens(v, table) for p in prompts]).to(device)
        place_codes(tokens, table, Codes(video, audio), v)
        said = None
        if group.mode != Mode.EDIT:
            said = torch.stack(
                [torch.zeros(len(_FACTS)) if d else facts(e) for d, e in zip(dropped, episodes, strict=True)]
            )
            said = said.to(device)
        anywhere = group.mode in (Mode.I2V, Mode.EDIT)  # an image or a source says where bodies begin
        settled = (table.kind == Kind.VIDEO) & ((table.chunk > 0) | anywhere)
        return Batch(tokens, rows(table, v).to(device), said, torch.from_numpy(settled).to(device))

    def _episode(self, rng: np.random.Generator, group: Group, size: Size) -> Episode:
        while True:
            episode = sample_episode(rng, group.mode, size)
            if len(episode.references) == group.references:
                return episode

    def _pictures(self, episodes: Sequence[Episode]) -> list[list[Tensor]]:
        flat: list[Picture] = [p for e in episodes for p in e.references]
        if not flat:
            return [[] for _ in episodes]
        codes = list(self.video.encode_still(torch.from_numpy(np.stack(flat)).to(self.video.leave.weight.device)))
        return [[codes.pop(0) for _ in e.references] for e in episodes]

    def _stills(self, episodes: Sequence[Episode]) -> Tensor:
        first = np.stack([render(e.scene, 1)[0] for e in episodes])
        return self.video.encode_still(torch.from_numpy(first).to(self.video.leave.weight.device))


class Trainer(nn.Module):
    """The trunk and the crutch beside it."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.names = nn.Linear(trunk.config.width, len(_FACTS))
        for table in (trunk.table, trunk.head):
            kin.bind(table, trunk.vocabulary)

    def fold(self) -> Trunk:
        """The trunk as it is shipped, once it is trained."""
        for table in (self.trunk.table, self.trunk.head):
            kin.fold(table)
        return self.trunk

    def misread(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """The batch's tokens [B, S] with slips; each clip has a rate of its own."""
        v, tokens = self.trunk.vocabulary, batch.tokens.clone()
        chance = torch.Generator(tokens.device).manual_seed(int(rng.integers(1 << 62)))

        def some(most: float) -> Tensor:
            rate = torch.rand(len(tokens), 1, generator=chance, device=tokens.device) * most
            draws = torch.rand(tokens.shape, generator=chance, device=tokens.device)
            return (draws < rate) & batch.settled

        if rng.random() < OWN:
            at = batch.settled[batch.rows.slot].nonzero()[:, 0]
            with torch.no_grad(), torch.autocast(tokens.device.type, torch.bfloat16):
                states = self.trunk(tokens, batch.rows)
                likely = self.trunk.logits(states[:, at], Kind.VIDEO).float().softmax(-1)
            own = tokens.clone()
            drawn = torch.multinomial(likely.flatten(0, 1), 1, generator=chance).view(len(tokens), -1)
            own[:, batch.rows.slot[at]] = drawn + v.video
            tokens = torch.where(some(1.0), own, tokens)
        fsq = FSQ(v.config.video.levels).to(tokens.device)
        digits = fsq.digits((tokens - v.video).clamp(0, fsq.codes - 1))
        which = torch.randint(len(fsq.levels), tokens.shape, generator=chance, device=tokens.device)
        up = torch.randint(2, tokens.shape, generator=chance, device=tokens.device) * 2 - 1
        moved = (digits + fn.one_hot(which, len(fsq.levels)) * up[..., None]).clamp(min=0).minimum(fsq.count - 1)
        return torch.where(some(OFF), (moved * fsq.radix).sum(-1) + v.video, tokens)

    def loss(self, batch: Batch, rng: np.random.Generator | None = None) -> tuple[Tensor, dict[str, float]]:
        """Mean loss in nats a video code + a audio code, and its parts in bits; with chance, read with slips."""
        tokens = batch.tokens if rng is None else self.misread(batch, rng)
        with torch.autocast(tokens.device.type, torch.bfloat16), parametrize.cached():
            states = self.trunk(tokens, batch.rows)
            losses = {}
            v = self.trunk.vocabulary
            for kind, start in ((Kind.VIDEO, v.video), (Kind.AUDIO, v.audio)):
                at = (batch.rows.kind == int(kind)).nonzero()[:, 0]
                logits = self.trunk.logits(states[:, at], kind)
                target = batch.tokens[:, batch.rows.slot[at]] - start
                losses[kind.name.lower()] = fn.cross_entropy(logits.flatten(0, 1).float(), target.flatten())
            total = losses["video"] + 0.4 * losses["audio"]
            if batch.facts is not None:
                end = CONTROLS + int((batch.rows.kind == int(Kind.TEXT)).sum()) - 1
                losses["names"] = fn.binary_cross_entropy_with_logits(self.names(states[:, end]).float(), batch.facts)
                total = total + 5.0 * losses["names"]
        return total, {k: float(x.detach()) / float(np.log(2)) for k, x in losses.items()}


def trunk_step(trainer: Trainer, studio: Studio) -> Step:
    """One step of the trunk: the groups whose turn it is, each weighed by its clips."""

    def step(number: int, rng: np.random.Generator) -> dict[str, float]:
        groups = STEPS[number % len(STEPS)]
        size = studio.config.sizes[0] if rng.random() < 0.91 else studio.config.sizes[1 + int(rng.integers(2))]
        row: dict[str, float] = {"loss": 0.0}
        for group in groups:
            loss, parts = trainer.loss(studio.batch(rng, group, size), rng)
            share = group.clips / sum(g.clips for g in groups)
            (loss * share).backward()
            row["loss"] += float(loss.detach()) * share
            row |= {f"{group.mode}.{k}": x for k, x in parts.items() if k != "names" or group.mode == Mode.T2V}
        return row

    return step


assert FPS == 8
