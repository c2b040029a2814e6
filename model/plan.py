"""What a film will take before it is made: slots, waves, memory, the least time, and how the trunk can be shared out.

Everything follows from the model's configuration and the layout, so a model without weights has a plan as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from model.clip import Mode, Size
from model.config import ModelConfig
from model.cost import H100, Cost, Machine, Shape, cost
from model.errors import BadLength, BadRequest, BadSize
from model.generate import windows
from model.layout import Kind, Layout, LayoutSpec, layout
from model.make import native
from model.trunk import Trunk
from model.vocabulary import CONTROLS, TEXT_BLOCK, Vocabulary

RANKS: Final = (1, 2, 4, 8)
MACHINES: Final = (H100, replace(H100, count=8))
MAP_SIDE: Final = 16  # most rows and columns of a chunk that are shown
WHEEL: Final = (196, 208, 220, 118, 48, 45, 33, 99, 201)  # of a terminal's 256 colours


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """The least time on one machine, all windows together."""

    machine: Machine
    flat_seconds: float  # one slot a step
    wave_seconds: float  # one wave a step
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What one film takes."""

    config: ModelConfig
    mode: Mode
    asked: Size
    size: Size  # the model's own, in which it is made
    seconds: int
    layouts: tuple[Layout, ...]  # one a window
    parameters: int  # of the trunk, counted
    kv_bytes_per_slot: int
    kv_bytes: int  # of the largest window
    weight_bytes: int
    flops: float
    times: tuple[Time, ...]

    @property
    def slots(self) -> int:
        """Slots of the longest window, prompt included."""
        return max(each.slots for each in self.layouts)

    @property
    def decoded(self) -> int:
        """Slots that are decoded, all windows together."""
        return sum((each.spec.chunks - each.spec.given) * each.spec.chunk_slots for each in self.layouts)

    @property
    def waves(self) -> int:
        """Steps that decoding takes, all windows together."""
        return sum(each.waves for each in self.layouts)

    @property
    def chunks(self) -> int:
        """Chunks of the film."""
        return -(-self.seconds * self.config.video.fps // self.config.video.frames)


def shape_of(config: ModelConfig, bytes_per_element: int = 2) -> Shape:
    """The numbers of a model's trunk that decide its cost."""
    c = config.trunk
    return Shape(
        layers=c.layers,
        width=c.width,
        heads=c.heads,
        kv_heads=c.kv_heads,
        head_dim=c.head_dim,
        ffn=c.ffn,
        vocabulary=Vocabulary(config).size_in_all,
        bytes_per_element=bytes_per_element,
    )


def parameters(config: ModelConfig) -> int:
    """Parameters of the trunk, counted on the meta device, where a tensor has a shape and takes no memory."""
    with torch.device("meta"):
        return sum(p.numel() for p in Trunk(config).parameters())


def plan(config: ModelConfig, *, mode: Mode, size: Size, seconds: int, references: int = 0) -> Plan:
    """What a film takes; Refused for one that this model cannot make. An extension goes on from its first half."""
    if not 1 <= seconds <= config.most_seconds:
        raise BadLength(f"{seconds} s cannot be made. Ask for 1 to {config.most_seconds} whole seconds.")
    if min(size.width, size.height) < 1:
        raise BadSize(f"{size} has no pixels. Ask for a size such as {config.sizes[0]}.")
    if references and mode not in (Mode.R2V, Mode.EDIT):
        raise BadRequest(f"References do not go with {mode}. Use --mode r2v or --mode edit.")
    if not 0 <= references <= config.most_references:
        raise BadRequest(f"{references} references cannot be used. Ask for 0 to {config.most_references}.")
    own, shape, counted = native(size, config), shape_of(config), parameters(config)
    layouts = tuple(_layouts(config, mode, own, seconds, references or int(mode is Mode.R2V)))
    costs = [[cost(each, shape, machine) for each in layouts] for machine in MACHINES]
    return Plan(
        config=config,
        mode=mode,
        asked=size,
        size=own,
        seconds=seconds,
        layouts=layouts,
        parameters=counted,
        kv_bytes_per_slot=shape.kv_bytes_per_slot,
        kv_bytes=max(each.kv_bytes for each in costs[0]),
        weight_bytes=counted * shape.bytes_per_element,
        flops=sum(each.flops for each in costs[0]),
        times=tuple(_time(machine, of) for machine, of in zip(MACHINES, costs, strict=True)),
    )


def _time(machine: Machine, costs: list[Cost]) -> Time:
    return Time(
        machine=machine,
        flat_seconds=sum(each.flat_seconds for each in costs),
        wave_seconds=sum(each.wave_seconds for each in costs),
        fits=all(each.fits for each in costs),
    )


def _layouts(config: ModelConfig, mode: Mode, size: Size, seconds: int, references: int) -> Iterator[Layout]:
    chunks = -(-seconds * config.video.fps // config.video.frames)
    known = max(1, chunks // 2) if mode is Mode.EXTEND else 0
    patch, side = config.video.patch, config.reference_side // config.video.patch
    spec = LayoutSpec(
        text=TEXT_BLOCK,
        controls=CONTROLS,
        height=size.height // patch,
        width=size.width // patch,
        chunks=1,
        audio=config.audio_codes,
        references=((side, side),) * references,
    )
    for kind, window in windows(mode, chunks, known, config.window, config.overlap, config.window - config.overlap):
        yield layout(
            replace(spec, chunks=window.chunks, given=window.given, image=kind is Mode.I2V, source=kind is Mode.EDIT)
        )


def shares(config: ModelConfig) -> dict[str, dict[int, int | None]]:
    """How much of each thing that is split one of 1, 2, 4 or 8 ranks gets; None where it does not divide."""
    c = config.trunk
    whole = {
        "heads": c.heads,
        "key-value heads": c.kv_heads,
        "feed-forward": c.ffn,
        "vocabulary": Vocabulary(config).size_in_all,
    }
    return {name: {n: None if count % n else count // n for n in RANKS} for name, count in whole.items()}


def wave_map(table: Layout) -> tuple[list[list[int]], list[int]]:
    """The wave of every picture slot of a chunk, by row and column, and of every sound slot; counted from 0."""
    spec = table.spec
    one = slice(table.first, table.first + spec.chunk_slots)
    kind, index, wave = table.kind[one], table.index[one], table.wave[one] - table.wave[table.first]
    picture, sound = kind == Kind.VIDEO, kind == Kind.AUDIO
    seen = wave[picture][index[picture].argsort()].reshape(spec.height, spec.width)
    return seen.tolist(), wave[sound][index[sound].argsort()].tolist()


def as_json(plan: Plan) -> dict[str, Any]:
    """A plan for a script."""
    spec = plan.layouts[0].spec
    return {
        "model": plan.config.name,
        "mode": plan.mode.value,
        "size": str(plan.asked),
        "native_size": str(plan.size),
        "seconds": plan.seconds,
        "chunks": plan.chunks,
        "chunk_seconds": float(plan.config.chunk_seconds),
        "windows": [{"slots": t.slots, "chunks": t.spec.chunks, "given": t.spec.given} for t in plan.layouts],
        "rows": spec.height,
        "columns": spec.width,
        "audio_codes_per_chunk": spec.audio,
        "slots_per_chunk": spec.chunk_slots,
        "waves_in_first_chunk": spec.depth(0),
        "waves_per_chunk": spec.depth(1),
        "decoded_slots": plan.decoded,
        "decoded_video_slots": plan.decoded // spec.chunk_slots * spec.height * spec.width,
        "longest_sequence": plan.slots,
        "waves": plan.waves,
        "parameters": plan.parameters,
        "weight_bytes": plan.weight_bytes,
        "kv_bytes_per_slot": plan.kv_bytes_per_slot,
        "kv_bytes": plan.kv_bytes,
        "flops": plan.flops,
        "roofline": [
            {
                "machine": t.machine.name,
                "count": t.machine.count,
                "flat_seconds": t.flat_seconds,
                "wave_seconds": t.wave_seconds,
                "fits": t.fits,
            }
            for t in plan.times
        ],
        "tensor_parallel": {name: {str(n): each for n, each in of.items()} for name, of in shares(plan.config).items()},
    }


def amounts(plan: Plan) -> Iterator[tuple[str, str]]:
    """The plan's figures as a person reads them, name and value."""
    spec, count = plan.layouts[0].spec, len(plan.layouts)
    length = plan.config.chunk_seconds
    scaled = "" if plan.asked == plan.size else f", then scaled and cropped to {plan.asked}"
    yield "film", f"{plan.seconds} s at {plan.config.video.fps} frames a second, made at {plan.size}{scaled}"
    yield "chunk", f"{float(length):.3g} s: {spec.height} x {spec.width} picture codes and {spec.audio} sound codes"
    yield "chunks", f"{plan.chunks} in {count} window{'s' * (count > 1)}"
    yield "slots per chunk", f"{spec.chunk_slots:,} in {spec.depth(1):,} waves, {spec.depth(0):,} in the first chunk"
    yield "slots to decode", f"{plan.decoded:,}"
    yield "waves to decode", f"{plan.waves:,}: {plan.decoded / max(1, plan.waves):.1f} slots at once"
    yield "longest sequence", f"{plan.slots:,} slots, {plan.layouts[0].spec.prompt:,} of them prompt"
    yield "trunk", f"{plan.parameters:,} parameters, {_size(plan.weight_bytes)} in 16 bits"
    yield "keys and values", f"{plan.kv_bytes_per_slot:,} bytes a slot, {_size(plan.kv_bytes)} for the longest sequence"
    yield "operations", f"{plan.flops:.3g}"


def tables(plan: Plan) -> Group:
    """A plan for a person: its figures, the least times, the shares of ranks, and one chunk as a picture."""
    return Group(_figures(plan), "", _roofline(plan), "", _shares(plan.config), "", *_picture(plan.layouts[0]))


def _figures(plan: Plan) -> Table:
    table = Table(title=f"{plan.config.name}, {plan.mode}", title_justify="left", show_header=False, box=None)
    for name, value in amounts(plan):
        table.add_row(name, value)
    return table


def _roofline(plan: Plan) -> Table:
    table = Table(title="The least time by arithmetic, 16 bits", title_justify="left", box=None)
    for column in ("on", "one slot a step", "one wave a step", "gain", "fits"):
        table.add_column(column, justify="left" if column in ("on", "fits") else "right")
    for time in plan.times:
        flat, waves = _time_of(time.flat_seconds), _time_of(time.wave_seconds)
        gain = f"{time.flat_seconds / time.wave_seconds:.1f}x"
        table.add_row(f"{time.machine.count} {time.machine.name}", flat, waves, gain, "yes" if time.fits else "no")
    return table


def _shares(config: ModelConfig) -> Table:
    table = Table(title="What each rank holds", title_justify="left", box=None)
    for column in ("", *(f"{n} rank{'s' * (n > 1)}" for n in RANKS)):
        table.add_column(column, justify="right" if column else "left")
    for name, of in shares(config).items():
        table.add_row(name, *("does not divide" if each is None else f"{each:,}" for each in of.values()))
    return table


def _picture(table: Layout) -> Iterator[RenderableType]:
    """The wave of each slot of a chunk; the corner of a large one."""
    picture, sound = wave_map(table)
    spec = table.spec
    corner = spec.height > MAP_SIDE or spec.width > MAP_SIDE
    yield "The step of its chunk in which each picture code is decoded" + (", top left corner" if corner else "")
    for row in picture[:MAP_SIDE]:
        yield _line(row[:MAP_SIDE])
    yield "and each sound code"
    for first in range(0, len(sound), MAP_SIDE):
        yield _line(sound[first : first + MAP_SIDE])


def _line(waves: Iterable[int]) -> Text:
    """One row of the map; a narrow window shows its beginning, and never breaks it over lines."""
    line = Text("  ").join(map(_coloured, waves))
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _coloured(wave: int) -> Text:
    """A number whose colour tells neighbours apart."""
    return Text(f"{wave:3d}", style=f"color({WHEEL[wave % len(WHEEL)]})")


def _time_of(seconds: float) -> str:
    if seconds >= 100:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{seconds * 1e3:.3g} ms"


def _size(count: float) -> str:
    for unit, most in (("kB", 1e6), ("MB", 1e9), ("GB", 1e12)):
        if count < most:
            return f"{count / most * 1e3:.3g} {unit}"
    return f"{count / 1e12:.3g} TB"
