"""The reference generator: plain PyTorch, exact, and the yardstick of every faster engine.

A film is decoded window by window, a window wave by wave. Rows of a wave are computed in one step; `Pace.SLOTS`
computes one row at a time instead and must give the very same codes. What is decoded is handed out chunk by chunk, as
soon as it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from torch import Tensor

from model.checkpoint import Model
from model.clip import Mode
from model.draws import Sampling, draw, uniforms
from model.layout import Kind, Layout, LayoutSpec, layout
from model.prompt import Prompt
from model.trunk import Cache, Rows, rows
from model.vocabulary import Guide, Vocabulary

SAMPLING: Final[Mapping[Mode, Sampling]] = MappingProxyType(
    {
        # No floor where a body may begin anywhere: each place is unlikely, and a floor would leave the film empty.
        Mode.T2V: Sampling(temperature=0.5, keep=0.6),
        Mode.R2V: Sampling(),
        Mode.I2V: Sampling(temperature=0.3),
        Mode.EDIT: Sampling(temperature=0.0),  # what is not asked for stays, so every seed gives the same edit
        Mode.EXTEND: Sampling(temperature=0.3),
    }
)


class Pace(StrEnum):
    """How many rows a step computes."""

    WAVES = "waves"
    SLOTS = "slots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of a film that is decoded at once; numbers of chunks, counted from the film's first."""

    start: int
    given: int  # chunks at its beginning that are known
    chunks: int  # in all


def windows(mode: Mode, chunks: int, known: int, window: int, overlap: int, bar: int) -> Iterator[tuple[Mode, Window]]:
    """The windows of a film of `chunks` chunks of which `known` are given, with the mode that each is decoded in.

    Text goes on from a whole bar, so that a song stays in time; a picture is needed for the first window only;
    references and a source are needed in all of them, and make a shorter window.
    """
    done = known
    short = bar if mode in (Mode.I2V, Mode.R2V, Mode.EDIT) else window
    if done == 0:
        done = min(chunks, short)
        yield mode, Window(start=0, given=0, chunks=done)
    while done < chunks:
        if mode in (Mode.R2V, Mode.EDIT):
            start, most = done - overlap, bar
        else:
            start, most, mode = max(0, done - overlap) // bar * bar, window, Mode.EXTEND
        end = min(chunks, start + most)
        yield mode, Window(start=start, given=done - start, chunks=end - start)
        done = end


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """Codes of a film: video [C, H, W] and audio [C, A], int64."""

    video: Tensor
    audio: Tensor

    def __getitem__(self, part: slice) -> Codes:
        return Codes(self.video[part], self.audio[part])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Order:
    """One film to decode: its prompt for the whole length, its length in chunks, its seed, and the chunks already
    known."""

    prompt: Prompt
    chunks: int
    seed: int
    known: Codes | None = None


OnChunk = Callable[[int, Codes], None]  # first chunk's number, and codes of one or more chunks in a row


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of decoding that has been done."""

    table: Layout
    slots: slice  # drawn by it
    tokens: Tensor  # int64 [B, S] of all that is known so far; it goes on to change


def chances(seed: int, table: Layout, start: int) -> np.ndarray:
    """The uniform number [S] that draws each slot of a window whose chunk 0 is the film's chunk `start`."""
    picture = table.spec.height * table.spec.width
    place = np.where(table.kind == Kind.VIDEO, table.index, picture + table.index).astype(np.int64)
    return uniforms(seed, np.maximum(table.chunk.astype(np.int64) + start, 0), place)


class Generator:
    """Decodes films with the plain trunk."""

    def __init__(
        self,
        model: Model,
        *,
        sampling: Mapping[Mode, Sampling] = SAMPLING,
        pace: Pace = Pace.WAVES,
        guidance: float | None = None,
    ) -> None:
        """`guidance` above 1 pushes away from what the model would make without text, at twice the work."""
        self.model, self.sampling, self.pace, self.guidance = model, sampling, pace, guidance
        self.steps = 0  # forward passes so far, prompts not counted
        self.watch: Callable[[int, Kind, Tensor], None] | None = None  # sees the logits of every slot; for tests

    def films(self, orders: Sequence[Order], on_chunk: OnChunk | None = None) -> list[Codes]:
        """Decodes films of equal shape together. `on_chunk` hears of the first film's chunks."""
        first = orders[0]
        known = first.known.video.shape[0] if first.known is not None else 0
        c = self.model.config
        bar = c.window - c.overlap
        done = [o.known for o in orders]
        for mode, window in windows(first.prompt.mode, first.chunks, known, c.window, c.overlap, bar):
            prompts = [within(o.prompt, mode, window, c.chunk_seconds.denominator) for o in orders]
            given = [d[window.start :] if d is not None and window.given else None for d in done]
            start = window.start + window.given

            def hear(chunk: int, codes: Codes, base: int = window.start) -> None:
                if on_chunk is not None:
                    on_chunk(base + chunk, codes)

            made = self.decode(prompts, window.chunks, given, [o.seed for o in orders], window.start, hear)
            done = [m if d is None else joined(d[:start], m[window.given :]) for d, m in zip(done, made, strict=True)]
        return [d for d in done if d is not None]

    def decode(
        self,
        prompts: Sequence[Prompt],
        chunks: int,
        given: Sequence[Codes | None],
        seeds: Sequence[int],
        start: int,
        on_chunk: OnChunk | None = None,
    ) -> list[Codes]:
        """Decodes one window of each film. All prompts share one layout; text is padded to the longest."""
        v = self.model.trunk.vocabulary
        for step in self.decoding(prompts, chunks, given, seeds, start):
            number, rest = divmod(step.slots.stop - step.table.first, step.table.spec.chunk_slots)
            if on_chunk is not None and rest == 0:
                on_chunk(number - 1, take_codes(step.tokens[:1], step.table, v, slice(number - 1, number))[0])
        return take_codes(step.tokens[: len(prompts)], step.table, v, slice(0, chunks))

    @torch.inference_mode()
    def decoding(
        self,
        prompts: Sequence[Prompt],
        chunks: int,
        given: Sequence[Codes | None],
        seeds: Sequence[int],
        start: int,
        sampling: Sampling | None = None,
    ) -> Iterator[Step]:
        """The steps of `decode`, each told of when it has been done; what asks for the next decides when that is.
        `sampling` stands in for that of the prompt's mode."""
        model, v = self.model, self.model.trunk.vocabulary
        known = 0 if given[0] is None else given[0].video.shape[0]
        specs = [p.spec(model.config, chunks, given=known) for p in prompts]
        spec = replace(specs[0], text=max(s.text for s in specs))
        table, all_rows = layout(spec), _rows(spec, v, model.device)
        guided = self.guidance is not None and self.guidance != 1.0
        asked = [*prompts, *(replace(p, guide=Guide.NONE, text=()) for p in prompts)] if guided else list(prompts)
        tokens = torch.stack([p.tokens(v, table) for p in asked]).to(model.device)
        for row, codes in enumerate([*given, *given] if guided else given):
            if codes is not None:
                place_codes(tokens[row : row + 1], table, codes, v)
        cache = Cache(model.config.trunk, len(asked), table.slots - 1, model.device, model.trunk.table.weight.dtype)
        first = table.first + known * spec.chunk_slots
        model.trunk(tokens, all_rows[: first - 1], cache)
        chance = torch.from_numpy(np.stack([chances(s, table, start) for s in seeds])).to(model.device)
        drawn = sampling or self.sampling[prompts[0].mode]
        for wave in table.steps():
            for slots in [wave] if self.pace is Pace.WAVES else [slice(s, s + 1) for s in range(wave.start, wave.stop)]:
                self._step(tokens, table, all_rows, cache, slots, chance, drawn, len(prompts) if guided else None)
                yield Step(table, slots, tokens)

    def _step(
        self,
        tokens: Tensor,
        table: Layout,
        all_rows: Rows,
        cache: Cache,
        slots: slice,
        chance: Tensor,
        sampling: Sampling,
        guided: int | None,
    ) -> None:
        trunk = self.model.trunk
        states = trunk(tokens, all_rows[slots.start - 1 : slots.stop - 1], cache)
        self.steps += 1
        kinds = table.kind[slots]
        for kind, base in ((Kind.VIDEO, trunk.vocabulary.video), (Kind.AUDIO, trunk.vocabulary.audio)):
            at = np.flatnonzero(kinds == kind)
            if not len(at):
                continue
            logits = trunk.logits(states[:, at], kind)
            if guided is not None and self.guidance is not None:
                with_text, without = logits[:guided], logits[guided:]
                logits = without + self.guidance * (with_text - without)
            if self.watch is not None:
                for i, offset in enumerate(at):
                    self.watch(slots.start + int(offset), kind, logits[:, i])
            where = torch.from_numpy(slots.start + at).to(tokens.device)
            codes = draw(logits.flatten(0, 1), chance[:, where].flatten(), sampling).view(len(logits), -1)
            tokens[: len(logits), where] = codes + base
            if guided is not None:
                tokens[guided:, where] = codes + base


def within(prompt: Prompt, mode: Mode, window: Window, per_second: int) -> Prompt:
    """The part of a film's prompt that a window needs."""
    part = slice(window.start, window.start + window.chunks)
    return replace(
        prompt,
        mode=mode,
        seconds=-(-window.chunks // per_second),
        image=prompt.image if mode == Mode.I2V else None,
        source=None if prompt.source is None else (prompt.source[0][part], prompt.source[1][part]),
    )


def joined(a: Codes, b: Codes) -> Codes:
    """Two stretches of a film, one behind the other."""
    return Codes(torch.cat([a.video, b.video]), torch.cat([a.audio, b.audio]))


@lru_cache(maxsize=64)
def _rows(spec: LayoutSpec, vocabulary: Vocabulary, device: torch.device) -> Rows:
    return rows(layout(spec), vocabulary).to(device)


def _slots(table: Layout, chunks: slice) -> tuple[np.ndarray, np.ndarray]:
    """The slots of some chunks in raster order: their video [C, H * W] and their audio [C, A]."""
    spec = table.spec
    part = slice(table.first + chunks.start * spec.chunk_slots, table.first + chunks.stop * spec.chunk_slots)
    picture = spec.height * spec.width
    place = np.where(table.kind[part] == Kind.VIDEO, table.index[part], picture + table.index[part])
    slots = part.start + np.argsort(table.chunk[part].astype(np.int64) * spec.chunk_slots + place)
    each = slots.reshape(-1, spec.chunk_slots)
    return each[:, :picture], each[:, picture:]


def place_codes(tokens: Tensor, table: Layout, codes: Codes, vocabulary: Vocabulary) -> None:
    """Writes the codes of the first chunks to their slots of `tokens` [B, S]: [C, H, W] and [C, A] for all rows, or
    [B, ...] each."""
    video, audio = _slots(table, slice(0, codes.audio.shape[-2]))
    tokens[:, video] = codes.video.flatten(-2).to(tokens.device) + vocabulary.video
    tokens[:, audio] = codes.audio.to(tokens.device) + vocabulary.audio


def take_codes(tokens: Tensor, table: Layout, vocabulary: Vocabulary, chunks: slice) -> list[Codes]:
    """The inverse of `place_codes` for some chunks of each sequence."""
    video, audio = _slots(table, chunks)
    seen = (tokens[:, video] - vocabulary.video).unflatten(2, (table.spec.height, table.spec.width))
    heard = tokens[:, audio] - vocabulary.audio
    return [Codes(a, b) for a, b in zip(seen.cpu(), heard.cpu(), strict=True)]
