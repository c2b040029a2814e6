"""What the model on vLLM is told of each row of a step, beside its token: the inbox.

vLLM knows a request as a line of token ids; the trunk wants the codes of a slot's parents, its kind, its place and its
time. All of that follows from the layout and the row's position, and the codes from the table of token ids that the
runner keeps, so nothing here has a state of its own: chunked prefill, preemption and prefix caching change nothing.

Row p computes slot p + 1 once the prompt is over (model/trunk.py). Pure: numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.config import ModelConfig
from model.draws import Sampling
from model.engines.walk import Cut
from model.generate import Pace, chances
from model.layout import NONE, Kind, LayoutSpec, layout
from model.trunk import ROLES, rows
from model.vocabulary import Vocabulary

# Columns of the inbox.
IDS: Final = slice(0, ROLES)  # tokens of the parents by role, -1 where there is none; slots in a page
MARK: Final = ROLES  # control token added to a reference's slots, or -1
KIND: Final = ROLES + 1
PLACES: Final = slice(ROLES + 2, ROLES + 5)  # rows of the table of places
CLOCK: Final = slice(ROLES + 5, ROLES + 8)  # t, y, x
COLUMNS: Final = ROLES + 8

_Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """All rows of one layout, as the inbox wants them. Shared by every request of that layout."""

    columns: _Ints  # [R, COLUMNS], with slots in IDS
    kind: NDArray[np.int8]  # [S] a Kind
    ends: _Ints  # [S] the slot behind the wave that a slot belongs to; for the prompt the slot behind itself


@lru_cache(maxsize=64)
def page(spec: LayoutSpec, config: ModelConfig) -> Page:
    """The page of a layout; chunks that are given make no difference."""
    table = layout(replace(spec, given=0))
    every = rows(table, Vocabulary(config))
    grid = config.trunk.grid + 1
    columns = np.empty((table.slots - 1, COLUMNS), np.int32)
    columns[:, IDS] = every.gather.numpy()
    columns[:, MARK] = every.mark.numpy()
    columns[:, KIND] = every.kind.numpy()
    columns[:, PLACES] = every.place.numpy() + np.array([0, grid, 2 * grid])
    columns[:, CLOCK] = every.clock.numpy()  # whole numbers, all of them
    ends = np.arange(1, table.slots + 1, dtype=np.int32)
    waves = table.wave[table.first :]
    ends[table.first :] = table.first + np.searchsorted(waves, waves, side="right")
    return Page(columns, table.kind, ends)


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One request: its page, and what its codes are drawn by."""

    page: Page
    chance: NDArray[np.float64]  # [S]
    sampling: Sampling
    ends: _Ints  # [S] the slot behind those that may be drawn together with a slot

    def rest(self, slot: int) -> int:
        """Further slots that can be drawn in the same step as a slot."""
        return int(self.ends[slot]) - slot - 1 if slot < len(self.ends) else 0


def order_of(cut: Cut, pace: Pace) -> dict[str, Any]:
    """A cut as plain values, for `SamplingParams.extra_args`; tokens travel as the request's prompt."""
    spec = {name: getattr(cut.spec, name) for name in LayoutSpec.__dataclass_fields__ if name != "given"}
    return {
        "layout": spec | {"references": [list(size) for size in cut.spec.references]},
        "seed": cut.seed,
        "start": cut.start,
        "temperature": cut.sampling.temperature,
        "floor": cut.sampling.floor,
        "keep": cut.sampling.keep,
        "pace": pace.value,
    }


def take_of(order: dict[str, Any], config: ModelConfig) -> Take:
    """The inverse of `order_of`, in whatever process the model runs."""
    raw = order["layout"]
    spec = LayoutSpec(**raw | {"references": tuple((int(h), int(w)) for h, w in raw["references"])})
    shared = page(spec, config)
    slots = np.arange(1, len(shared.ends) + 1, dtype=np.int32)
    return Take(
        page=shared,
        chance=chances(order["seed"], layout(spec), order["start"]),
        sampling=Sampling(temperature=order["temperature"], floor=order["floor"], keep=order["keep"]),
        ends=shared.ends if order["pace"] == Pace.WAVES else slots,
    )


def fill(inbox: _Ints, takes: Sequence[Take], starts: _Ints, counts: _Ints, known: NDArray[Any]) -> None:
    """Writes the rows of a step to `inbox` [T, COLUMNS].

    `takes[i]` has rows `starts[i]` to `starts[i] + counts[i] - 1` in it, and its tokens stand in `known[i]`. Rows
    behind the last one of a layout, which a scheduler may pad with, repeat it.
    """
    at = 0
    for take, start, count in zip(takes, starts.tolist(), counts.tolist(), strict=True):
        part = take.page.columns[start : start + count]
        inbox[at : at + len(part)] = part
        inbox[at + len(part) : at + count] = take.page.columns[-1]
        at += count
    slots = inbox[:at, IDS]
    owner = np.repeat(np.arange(len(takes)), counts)[:, None]
    inbox[:at, IDS] = np.where(slots >= 0, known[owner, np.maximum(slots, 0)], NONE)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Rows of logits that are drawn alike."""

    kind: Kind  # VIDEO or AUDIO
    sampling: Sampling
    where: NDArray[np.int64]  # [3, N] row, owner and place, in one piece, so that a device is sent it once
    chance: NDArray[np.float64]  # [N]

    @property
    def rows(self) -> NDArray[np.int64]:
        """[N] of the logits."""
        return self.where[0]

    @property
    def owner(self) -> NDArray[np.int64]:
        """[N] the request."""
        return self.where[1]

    @property
    def place(self) -> NDArray[np.int64]:
        """[N] among the tokens that the request is given by this step."""
        return self.where[2]


def groups(takes: Sequence[Take], slots: _Ints, counts: _Ints) -> list[Group]:
    """What to draw from the logits of a step.

    Request i has `counts[i]` rows of logits, the first of which computes slot `slots[i]`. Rows behind its wave have
    not seen all of their parents and are left alone, and so is a prompt that is not yet over.
    """
    parts = [
        (take, slice(slot, slot + min(count, take.rest(slot) + 1)))
        for take, slot, count in zip(takes, slots.tolist(), counts.tolist(), strict=True)
    ]
    kinds = [take.page.kind[part] for take, part in parts]
    chance = np.concatenate([take.chance[part] for take, part in parts])
    ready = np.array([len(each) for each in kinds])
    owner = np.repeat(np.arange(len(takes)), ready)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(ready) - ready, ready)
    where = np.stack([np.repeat(np.cumsum(counts) - counts, ready) + place, owner, place])
    manners = {sampling: number for number, sampling in enumerate(dict.fromkeys(take.sampling for take in takes))}
    manner = np.array([manners[take.sampling] for take in takes])[owner]
    kind = np.concatenate(kinds)
    return [
        Group(kind=each, sampling=sampling, where=where.take(at, 1), chance=chance[at])
        for sampling, number in manners.items()
        for each in (Kind.VIDEO, Kind.AUDIO)
        if len(at := np.flatnonzero((kind == each) & (manner == number)))
    ]
