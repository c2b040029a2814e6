"""From a clip to a film: checks what is asked for, encodes what is given, decodes, renders and fits to size.

A size that is not the model's own is made in the nearest of its sizes by shape, then scaled and cropped to exactly
what was asked for. A length beyond one window is made window by window.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import torch
from torch import Tensor

from model.checkpoint import Model
from model.clip import Clip, Film, Frames, Mode, Size, Sound
from model.config import ModelConfig
from model.darkroom import Darkroom
from model.errors import BadLength, BadPrompt, BadRequest, BadSize
from model.generate import Codes, Generator, Order
from model.media.fit import fit, fit_picture
from model.prompt import Prompt, text_ids
from model.render import Development, Renderer
from model.vocabulary import MOST_TEXT, Guide

__all__ = [
    "LEAST_SIDE",
    "MOST_CHARACTERS",
    "MOST_SIDE",
    "Maker",
    "OnChunk",
    "Ready",
    "Renderer",
    "check",
    "named",
    "native",
]

MOST_CHARACTERS: Final = 5_000  # of a prompt
LEAST_SIDE: Final = 32  # pixels
MOST_SIDE: Final = 2_208  # pixels: 21:9 at the area of 1080p
_NAMED: Final = re.compile(r"\[(\d{1,9})\]")

OnChunk = Callable[[int, int], None]  # chunks done, chunks in all
OnFrames = Callable[[Frames], None]


def check(clip: Clip, config: ModelConfig) -> None:
    """Raises the Refused that says what is wrong with a clip, or returns."""
    if not clip.prompt.strip():
        raise BadPrompt("The prompt is empty. Say what the film should show, for example 'a red circle bounces'.")
    if len(clip.prompt) > MOST_CHARACTERS:
        raise BadPrompt(f"The prompt has {len(clip.prompt):,} characters. Shorten it to {MOST_CHARACTERS:,} at most.")
    if not 1 <= clip.seconds <= config.most_seconds:
        raise BadLength(f"{clip.seconds} s cannot be made. Ask for 1 to {config.most_seconds} whole seconds.")
    sides = (clip.size.width, clip.size.height)
    if not all(LEAST_SIDE <= side <= MOST_SIDE and side % 2 == 0 for side in sides):
        raise BadSize(f"{clip.size} cannot be made. Ask for even sides from {LEAST_SIDE} to {MOST_SIDE} pixels.")
    if not 0 <= clip.seed < 2**63:
        raise BadRequest(f"The seed {clip.seed} is out of range. Use a whole number from 0 to 2^63 - 1.")
    if len(clip.references) > config.most_references:
        raise BadRequest(f"{len(clip.references)} references were given. At most {config.most_references} can be used.")
    for k in named(clip.prompt):
        if not 1 <= k <= len(clip.references):
            raise BadRequest(
                f"The prompt names [{k}], but {len(clip.references)} references were given. "
                "Give a picture for each number, counted from [1], or leave the number out."
            )
    if (clip.image is not None) != (clip.mode is Mode.I2V):
        raise BadRequest("A first image goes with image-to-video, and image-to-video needs one.")
    if (clip.source is not None) != (clip.mode in (Mode.EDIT, Mode.EXTEND)):
        raise BadRequest("A film to start from goes with editing and extending, and both need one.")
    if clip.references and clip.mode not in (Mode.R2V, Mode.EDIT):
        raise BadRequest(f"References do not go with {clip.mode}. Leave out the references, the image or the film.")
    if clip.mode is Mode.R2V and not clip.references:
        raise BadRequest("Reference-to-video needs at least one reference picture. Give one, or ask for text-to-video.")
    extended = clip.source if clip.mode is Mode.EXTEND else None
    if extended is not None and extended.seconds >= config.most_seconds:
        raise BadLength(f"The film already lasts {extended.seconds:.1f} s, the most that can be made. Cut it first.")
    if extended is not None and clip.seconds <= extended.seconds:
        raise BadLength(
            f"The film already lasts {extended.seconds:.1f} s. Ask for a whole length above that, "
            f"up to {config.most_seconds} s."
        )


def named(prompt: str) -> list[int]:
    """The numbers of the references that a prompt names, in whatever form Unicode has for them."""
    return [int(k) for k in _NAMED.findall(unicodedata.normalize("NFKC", prompt))]


NEAR: Final = 0.05  # difference of the logarithms of two shapes that cropping hides: 832x480 is nearly 16:9


def native(size: Size, config: ModelConfig) -> Size:
    """The model's own size that is nearest in shape, and of those that are near enough, in area."""

    def apart(own: Size) -> tuple[float, float]:
        shape = abs(math.log(own.width / own.height) - math.log(size.width / size.height))
        area = abs(math.log(own.width * own.height) - math.log(size.width * size.height))
        return (shape if shape > NEAR else 0.0), area

    return min(config.sizes, key=apart)


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A clip, checked and encoded."""

    clip: Clip
    order: Order
    frames: int  # of the film in the end
    remarks: tuple[str, ...]  # what the caller should know


@dataclass(frozen=True, slots=True, eq=False)
class Developed:
    """A film whose frames were handed out while it was made."""

    ready: Ready
    sound: Sound
    busy: float  # seconds that rendering and what was done with the frames took, beside decoding


class Maker:
    """Makes films with one generator."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.model: Model = generator.model

    @torch.inference_mode()
    def ready(self, clip: Clip) -> Ready:
        """Checks and encodes a clip; raises Refused."""
        c = self.model.config
        check(clip, c)
        size = native(clip.size, c)
        text, cut = text_ids(clip.prompt, self.model.tokenizer, self.model.trunk.vocabulary)
        remarks = [f"Only the first {MOST_TEXT} tokens of the prompt are used."] if cut else []
        if clip.mode is Mode.R2V and not named(clip.prompt):
            remarks.append("The prompt names no reference. Name each as [1], [2], … to have it in the film.")
        frames = clip.seconds * c.video.fps
        source = known = None
        if clip.source is not None:
            start = self._encode(clip.source, size, whole=clip.mode is Mode.EDIT)
            if clip.mode is Mode.EDIT:
                source = (start.video, start.audio)
                frames = min(len(clip.source.frames), c.most_seconds * c.video.fps)
            else:
                known = start
        chunks = -(-frames // c.video.frames)
        prompt = Prompt(
            mode=clip.mode,
            size=size,
            seconds=clip.seconds,
            guide=Guide.PLAIN,
            text=tuple(text),
            references=tuple(self._still(r, Size(c.reference_side, c.reference_side)) for r in clip.references),
            image=None if clip.image is None else self._still(clip.image, size),
            source=source,
        )
        return Ready(clip, Order(prompt=prompt, chunks=chunks, seed=clip.seed, known=known), frames, tuple(remarks))

    def make(self, clip: Clip, on_chunk: OnChunk | None = None) -> tuple[Film, Ready]:
        """Makes one film; `on_chunk` is told of each chunk when it has been decoded."""
        c, frames = self.model.config, list[Frames]()
        made = self.develop(clip, frames.append, on_chunk)
        fps, rate = Fraction(c.video.fps), c.audio.rate
        return Film(frames=np.concatenate(frames), fps=fps, sound=made.sound, rate=rate), made.ready

    def develop(self, clip: Clip, on_frames: OnFrames, on_chunk: OnChunk | None = None) -> Developed:
        """Makes one film and keeps its sound alone: `on_frames` is given the finished frames of each chunk, in order
        and in another thread, while the next chunk is decoded. What it raises ends the film."""
        ready = self.ready(clip)
        film = Development(self.model, clip.size, ready.frames)
        known, chunks = ready.order.known, ready.order.chunks
        given = [] if known is None else [known[n : n + 1] for n in range(len(known.video))]
        done = len(given)
        with Darkroom[Codes](lambda codes: on_frames(film.add(codes))) as room:
            for codes in given:
                room.put(codes)

            def hear(_: int, codes: Codes) -> None:
                nonlocal done
                room.put(codes)
                done += 1
                if on_chunk is not None:
                    on_chunk(done, chunks)

            self.generator.films([ready.order], hear)
        return Developed(ready, film.sound(), room.busy)

    def make_many(self, clips: Sequence[Clip]) -> list[Film]:
        """Makes films together where their shapes allow it; each is the film that it would be alone."""
        readies = [self.ready(clip) for clip in clips]
        shapes: dict[object, list[int]] = {}
        for i, ready in enumerate(readies):
            p, known = ready.order.prompt, ready.order.known
            references = tuple(r.shape for r in p.references)
            padded = p.spec(self.model.config, 1).text
            key = (p.mode, p.size, ready.order.chunks, references, padded, None if known is None else len(known.video))
            shapes.setdefault(key, []).append(i)
        films: dict[int, Film] = {}
        for places in shapes.values():
            codes = self.generator.films([readies[i].order for i in places])
            for i, made in zip(places, codes, strict=True):
                renderer = Renderer(self.model)
                renderer.add(made)
                films[i] = self.finish(readies[i], *renderer.all())
        return [films[i] for i in range(len(clips))]

    def finish(self, ready: Ready, frames: Frames, sound: Sound) -> Film:
        """Cuts and scales rendered frames to what was asked for."""
        c = self.model.config
        frames = frames[: ready.frames]
        samples = int(len(frames) * Fraction(c.audio.rate, c.video.fps))
        out = frames if ready.order.prompt.size == ready.clip.size else fit(frames, ready.clip.size)
        return Film(frames=out, fps=Fraction(c.video.fps), sound=sound[:samples], rate=c.audio.rate)

    @torch.inference_mode()
    def codes(self, film: Film) -> Codes:
        """Codes of a film at the model's own size and rates; a last chunk that is short is filled up."""
        return self._encode(film, film.size, whole=True)

    def _still(self, picture: np.ndarray, size: Size) -> Tensor:
        fitted = torch.from_numpy(np.ascontiguousarray(fit_picture(picture, size)))
        return self.model.video.encode_still(fitted[None].to(self.model.device))[0].cpu()

    def _encode(self, film: Film, size: Size, *, whole: bool) -> Codes:
        """Codes of a film at the model's own rates; the last chunk is filled up (`whole`) or left out when it is
        short."""
        c = self.model.config
        if film.fps != c.video.fps or film.rate != c.audio.rate:
            raise BadRequest(f"The film must come at {c.video.fps} frames and {c.audio.rate} samples a second.")
        frames = film.frames[: c.most_seconds * c.video.fps]
        chunks = -(-len(frames) // c.video.frames) if whole else len(frames) // c.video.frames
        if chunks == 0:
            raise BadLength(f"The film is too short. Give one of at least {float(c.chunk_seconds):g} s.")
        wanted = chunks * c.video.frames
        frames = fit(frames[:wanted], size)
        frames = np.concatenate([frames, np.repeat(frames[-1:], wanted - len(frames), 0)])
        sound = np.zeros(chunks * c.audio_codes * c.audio.hop, np.float32)
        sound[: min(len(sound), len(film.sound))] = film.sound[: len(sound)]
        device = self.model.device
        video = self.model.video.encode(torch.from_numpy(frames)[None].to(device))[0].cpu()
        audio = self.model.audio.encode(torch.from_numpy(sound)[None].to(device))[0].cpu()
        return Codes(video, audio.unflatten(0, (chunks, -1)))
