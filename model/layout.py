"""The one table that training, generation, masks, positions, costs and tests all read.

What would surprise you:

* A decoded slot's row never embeds its own code. It embeds the codes of its parents, and all parents lie in earlier
  waves, so a whole wave can be computed at once under ordinary causal attention. A prompt slot's row embeds the slot
  itself. In an engine that draws token i + 1 at position i, position i computes slot i + 1: its input is made of the
  parents of slot i + 1, and slot `first` is computed at position `begin`.
* A chunk is one video latent and exactly the audio of its time, woven together in the order of its waves. The picture's
  waves are the sites of equal x + y. In chunk 0 they are the sites of equal x + 2y: slots of one wave are drawn without
  knowing of each other, and there no chunk before says where a body begins, so two parts of it must not begin at once.
* The clock ticks once per audio code. Picture and sound read the same clock, so they are in step by arithmetic.

The sequence, from the front (a marker and `begin` are control slots):

    controls | text | marker, reference 1 | ... | marker, image | marker, source clip | begin | chunk 0 | chunk 1 | ...

Everything up to and including `begin` is the prompt: wave -1, chunk -1, no parents. Places on the clock:

    controls -2048...   text -2000...   reference k -(k + 1)A   image -A   begin -1   chunk c and its source cA

Text position i has the same time whatever else is there, and the limits below keep it earlier than every reference.
Slots that have no place in the picture stand beside it: row and column -2 for sound, -4 for text and controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

PARENTS = ("left", "above", "before", "source")  # columns of Layout.parents
NONE = -1  # in parents: there is no such slot; in wave and chunk: the slot is part of the prompt

CONTROL_CLOCK, TEXT_CLOCK = -2048, -2000  # ticks: the time of the first control and of the first text token
BESIDE_SOUND, BESIDE_TEXT = -2, -4  # row and column of slots that have no place in the picture

FIRST_SLOPE = 2  # waves of chunk 0 are the sites of equal x + 2y; later chunks have the one before to go by

MOST_CONTROLS = TEXT_CLOCK - CONTROL_CLOCK
MOST_TEXT = 512  # tokens
MOST_AUDIO = 128  # codes a chunk
MOST_REFERENCES = 9
MOST_ROWS = 1024  # latent rows, or columns, of a picture
MOST_CHUNKS = 4096
MOST_SLOTS = 2**24

assert TEXT_CLOCK + MOST_TEXT <= -MOST_AUDIO * (MOST_REFERENCES + 1), "text would meet a reference on the clock"


class Kind(IntEnum):
    """What a slot holds."""

    TEXT = 0
    CONTROL = 1
    REFERENCE = 2
    IMAGE = 3
    SOURCE_VIDEO = 4
    SOURCE_AUDIO = 5
    VIDEO = 6
    AUDIO = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutSpec:
    """The numbers that a layout follows from. Refused with a ValueError when they make no sense."""

    text: int  # text tokens
    controls: int  # control tokens in front of the text
    height: int  # latent rows, H
    width: int  # latent columns, W
    chunks: int  # in this window
    audio: int  # audio codes a chunk, A
    references: tuple[tuple[int, int], ...] = ()  # latent (rows, columns) of each reference picture
    image: bool = False  # a given first frame: one block of H x W before chunk 0
    source: bool = False  # a given clip to edit: as many slots as the chunks, before chunk 0
    given: int = 0  # chunks 0..given-1 are known before decoding starts; they stand at their ordinary places

    def __post_init__(self) -> None:
        _within("text tokens", self.text, 0, MOST_TEXT)
        _within("control tokens", self.controls, 0, MOST_CONTROLS)
        _within("latent rows", self.height, 1, MOST_ROWS)
        _within("latent columns", self.width, 1, MOST_ROWS)
        _within("chunks", self.chunks, 1, MOST_CHUNKS)
        _within("audio codes a chunk", self.audio, 1, MOST_AUDIO)
        _within("given chunks", self.given, 0, self.chunks)
        _within("references", len(self.references), 0, MOST_REFERENCES)
        for rows, columns in self.references:
            _within("rows in a reference", rows, 1, MOST_ROWS)
            _within("columns in a reference", columns, 1, MOST_ROWS)
        _within("slots", self.slots, 1, MOST_SLOTS)

    def depth(self, chunk: int) -> int:
        """Waves in a chunk, D."""
        return self.width + self.slope(chunk) * (self.height - 1)

    def slope(self, chunk: int) -> int:
        """A chunk's waves are the sites of equal x + slope * y; in a picture one site wide no wave is left empty."""
        return 1 if chunk else min(FIRST_SLOPE, self.width)

    def waves_before(self, chunk: int) -> int:
        """Waves of all chunks before this one."""
        return self.depth(0) + (chunk - 1) * self.depth(1) if chunk else 0

    @property
    def chunk_slots(self) -> int:
        """Slots in a chunk."""
        return self.height * self.width + self.audio

    @property
    def prompt(self) -> int:
        """Slots up to and including `begin`."""
        references = sum(1 + rows * columns for rows, columns in self.references)
        image = (1 + self.height * self.width) * self.image
        source = (1 + self.chunks * self.chunk_slots) * self.source
        return self.controls + self.text + references + image + source + 1

    @property
    def slots(self) -> int:
        """Slots in the whole sequence."""
        return self.prompt + self.chunks * self.chunk_slots


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """One row per slot, in the order of the sequence. The arrays are read-only, since layouts are shared."""

    # S slots
    spec: LayoutSpec
    kind: NDArray[np.int8]  # [S] a Kind
    t: NDArray[np.int32]  # [S] ticks, one per audio code
    y: NDArray[np.int32]  # [S] latent row
    x: NDArray[np.int32]  # [S] latent column
    chunk: NDArray[np.int16]  # [S] -1 in the prompt
    wave: NDArray[np.int32]  # [S] counted over all chunks, given ones too; -1 in the prompt
    index: NDArray[np.int32]  # [S] place in its picture (raster) or chunk's sound; nth text; nth control
    reference: NDArray[np.int8]  # [S] k for the slots of reference k = 1, 2, ... and its marker, else 0
    parents: NDArray[np.int32]  # [S, 4] slots in the order of PARENTS; -1 where there is none

    @property
    def slots(self) -> int:
        """Length of the sequence."""
        return self.spec.slots

    @property
    def begin(self) -> int:
        """The control slot that ends the prompt."""
        return self.spec.prompt - 1

    @property
    def first(self) -> int:
        """The first slot of chunk 0."""
        return self.spec.prompt

    @property
    def waves(self) -> int:
        """Steps that decoding takes."""
        return self.spec.waves_before(self.spec.chunks) - self.spec.waves_before(self.spec.given)

    def steps(self) -> tuple[slice, ...]:
        """The slots of each wave that must be decoded, in order."""
        start = self.spec.waves_before(self.spec.given)
        edges = np.searchsorted(self.wave, np.arange(start, start + self.waves + 1)).tolist()
        return tuple(slice(low, high) for low, high in pairwise(edges))


@lru_cache(maxsize=32)  # 40 bytes a slot: 15 MB for 15 s of 1080p
def layout(spec: LayoutSpec) -> Layout:
    """The table of every slot. Equal specs give the same object."""
    weaves = [_weave(spec, 0), *[_weave(spec, 1)] * (spec.chunks - 1)]
    prompt = _prompt(spec, weaves)
    decoded = _chunks(spec, weaves, Kind.VIDEO)
    kind, t, y, x, index, reference = np.concatenate([prompt, decoded], axis=1)
    number = np.arange(spec.chunks, dtype=np.int32)
    wave = np.concatenate([spec.waves_before(c) + weave.wave for c, weave in enumerate(weaves)])
    before = len(prompt[0])
    return Layout(
        spec=spec,
        kind=_frozen(kind, np.int8),
        t=_frozen(t, np.int32),
        y=_frozen(y, np.int32),
        x=_frozen(x, np.int32),
        chunk=_frozen(_after(before, np.repeat(number, spec.chunk_slots)), np.int16),
        wave=_frozen(_after(before, wave), np.int32),
        index=_frozen(index, np.int32),
        reference=_frozen(reference, np.int8),
        parents=_frozen(_parents(spec, weaves), np.int32),
    )


# Below: P slots of a chunk, N slots of a block, int32 throughout.

_Ints = NDArray[np.int32]
_COLUMNS = 6  # of a block: kind, t, y, x, index, reference


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Weave:
    """One chunk: picture and sound in the order of their waves. All chunks but the first are alike."""

    sound: NDArray[np.bool_]  # [P]
    index: _Ints  # [P]
    wave: _Ints  # [P] 0..D-1
    video_at: _Ints  # [H, W] place in the chunk of a picture's slot
    audio_at: _Ints  # [A] place in the chunk of a sound's slot


def _weave(spec: LayoutSpec, chunk: int) -> _Weave:
    picture = spec.height * spec.width
    y, x = np.divmod(np.arange(picture, dtype=np.int32), spec.width)
    j = np.arange(spec.audio, dtype=np.int32)
    sound = np.repeat([False, True], [picture, spec.audio])
    wave = np.concatenate([spec.slope(chunk) * y + x, _audio_wave(spec, chunk)])
    order = np.lexsort((np.concatenate([y, j]), sound, wave))
    place = np.empty(spec.chunk_slots, dtype=np.int32)
    place[order] = np.arange(spec.chunk_slots, dtype=np.int32)
    return _Weave(
        sound=sound[order],
        index=np.concatenate([np.arange(picture, dtype=np.int32), j])[order],
        wave=wave[order],
        video_at=place[:picture].reshape(spec.height, spec.width),
        audio_at=place[picture:],
    )


def _audio_wave(spec: LayoutSpec, chunk: int) -> _Ints:
    """Sound is spread evenly over the waves of its chunk; the last code belongs to the last wave."""
    ends = np.arange(1, spec.audio + 1, dtype=np.int32) * spec.depth(chunk)
    return -(-ends // spec.audio) - 1


def _prompt(spec: LayoutSpec, weaves: list[_Weave]) -> _Ints:
    beat = spec.audio  # ticks a chunk
    blocks = [
        _beside(Kind.CONTROL, CONTROL_CLOCK + np.arange(spec.controls)),
        _beside(Kind.TEXT, TEXT_CLOCK + np.arange(spec.text)),
    ]
    for k, (rows, columns) in enumerate(spec.references, start=1):
        time = -beat * (k + 1)
        blocks += [_beside(Kind.CONTROL, time, k), _picture(Kind.REFERENCE, time, rows, columns, k)]
    if spec.image:
        blocks += [_beside(Kind.CONTROL, -beat), _picture(Kind.IMAGE, -beat, spec.height, spec.width)]
    if spec.source:
        blocks += [_beside(Kind.CONTROL, 0), _chunks(spec, weaves, Kind.SOURCE_VIDEO)]
    blocks.append(_beside(Kind.CONTROL, -1))
    prompt = np.concatenate(blocks, axis=1)
    controls = prompt[0] == Kind.CONTROL
    prompt[4, controls] = np.arange(controls.sum())  # markers and `begin` are counted on from the controls
    return prompt


def _beside(kind: Kind, time: NDArray[Any] | int, reference: int = 0) -> _Ints:
    """Slots that have no place in the picture."""
    t = np.atleast_1d(time)
    return _block(kind, t, BESIDE_TEXT, BESIDE_TEXT, np.arange(len(t)), reference)


def _picture(kind: Kind, time: int, rows: int, columns: int, reference: int = 0) -> _Ints:
    raster = np.arange(rows * columns)
    return _block(kind, time, raster // columns, raster % columns, raster, reference)


def _chunks(spec: LayoutSpec, weaves: list[_Weave], video: Kind) -> _Ints:
    """All chunks of a clip, be it the target or the source; the kind of sound follows the kind of video."""
    sound, index = (np.concatenate(column) for column in zip(*((w.sound, w.index) for w in weaves), strict=True))
    start = np.repeat(np.arange(spec.chunks) * spec.audio, spec.chunk_slots)
    return _block(
        video + sound,
        start + np.where(sound, index, 0),
        np.where(sound, BESIDE_SOUND, index // spec.width),
        np.where(sound, BESIDE_SOUND, index % spec.width),
        index,
    )


def _block(kind: Any, t: Any, y: Any, x: Any, index: NDArray[Any], reference: int = 0) -> _Ints:
    block = np.empty((_COLUMNS, len(index)), dtype=np.int32)
    for column, values in zip(block, (kind, t, y, x, index, reference), strict=True):
        column[:] = values
    return block


def _parents(spec: LayoutSpec, weaves: list[_Weave]) -> _Ints:
    """Parents of the whole sequence [S, 4], chunk by chunk: told from where the chunk starts, then moved along."""
    parents = np.full((spec.slots, len(PARENTS)), NONE, dtype=np.int32)
    here = np.arange(spec.chunk_slots, dtype=np.int32)
    end = spec.prompt - 1  # where the last block of the prompt ends
    clip = end - spec.chunks * spec.chunk_slots  # where the source begins, if there is one
    shared = {id(weave): (_left(spec, weave, c), _above(weave)) for c, weave in enumerate(weaves[:2])}
    for c, weave in enumerate(weaves):
        start = spec.prompt + c * spec.chunk_slots
        chunk = parents[start : start + spec.chunk_slots]
        left, above = shared[id(weave)]
        chunk[left >= 0, 0] = start + left[left >= 0]
        chunk[above >= 0, 1] = start + above[above >= 0]
        if c:
            before, last = start - spec.chunk_slots, weaves[c - 1]
            chunk[(left < 0) & weave.sound, 0] = before + last.audio_at[-1]
            chunk[:, 2] = before + _places(last, weave)
        if spec.source:
            chunk[:, 3] = clip + c * spec.chunk_slots + here
    if spec.image:
        still, picture = (clip - 1 if spec.source else end) - spec.height * spec.width, ~weaves[0].sound
        parents[spec.prompt : spec.prompt + spec.chunk_slots][picture, 2] = still + weaves[0].index[picture]
    return parents


def _places(there: _Weave, here: _Weave) -> _Ints:
    """For each slot of one chunk the place of the same site, or of the same code of sound, in another [P]."""
    return np.where(
        here.sound,
        there.audio_at[np.where(here.sound, here.index, 0)],
        there.video_at.ravel()[np.where(here.sound, 0, here.index)],
    )


def _left(spec: LayoutSpec, weave: _Weave, chunk: int) -> _Ints:
    """For each slot of a chunk the one to its left, or for sound the latest in an earlier wave; -1 if outside."""
    left = np.full(spec.chunk_slots, NONE, dtype=np.int32)
    left[weave.video_at[:, 1:]] = weave.video_at[:, :-1]
    wave = _audio_wave(spec, chunk)
    earlier = np.searchsorted(wave, wave) - 1
    left[weave.audio_at] = np.where(earlier >= 0, weave.audio_at[earlier], NONE)
    return left


def _above(weave: _Weave) -> _Ints:
    above = np.full(len(weave.sound), NONE, dtype=np.int32)
    above[weave.video_at[1:]] = weave.video_at[:-1]
    return above


def _after(prompt: int, decoded: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([np.full(prompt, NONE, dtype=decoded.dtype), decoded])


def _frozen(values: NDArray[Any], dtype: type[np.signedinteger[Any]]) -> NDArray[Any]:
    array = np.array(values, dtype=dtype, order="C")
    array.setflags(write=False)
    return array


def _within(what: str, value: int, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"A layout has {least} to {most} {what}, not {value!r}.")
