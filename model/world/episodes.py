"""What training and evaluation draw: a scene, what it is called, and what it is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from model.clip import Mode, Picture, Size
from model.world.captions import Caption, caption
from model.world.edits import EDIT_REFERENCES, Edit, Replace, apply, edit_caption, possible, sample_edit
from model.world.render import reference
from model.world.scene import SHAPES, Look, Scene, sample_bodies, sample_face, sample_look

KINDS: Final = ("one", "two", "face")
SHARES: Final[dict[Mode, tuple[float, float, float]]] = {  # of one body, two bodies, a face
    Mode.T2V: (0.45, 0.20, 0.35),
    Mode.I2V: (0.55, 0.20, 0.25),
    Mode.EXTEND: (0.55, 0.20, 0.25),
    Mode.EDIT: (0.50, 0.35, 0.15),
    Mode.R2V: (0.80, 0.20, 0.0),
}
REFERENCES: Final = 9
FEW: Final = 0.6  # share of the episodes with references that have three of them or fewer
APART: Final = 0.09  # of the colour wheel, between looks of one pattern


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """One thing to learn from, or to be asked."""

    mode: Mode
    scene: Scene  # what the film shows
    caption: Caption
    references: tuple[Picture, ...] = ()  # called [1], [2], ... in the caption
    source: Scene | None = None  # edit: what the given film shows
    edit: Edit | None = None
    named: tuple[int, ...] = ()  # the numbers of the references that the film must show, in the order of its bodies


def sample_episode(
    rng: np.random.Generator,
    mode: Mode,
    size: Size,
    *,
    held: bool | None = False,
    kind: str | None = None,
    change: str | None = None,
    language: str | None = None,
) -> Episode:
    """An episode of a mode.

    `held` False draws what training may see, True only scenes (for an edit, sources) that training never shows, None
    both; looks are never held out. `kind` forces "one" body, "two" or a "face", `change` forces the kind of an edit.
    """
    if mode is Mode.R2V:
        return _with_references(rng, size, kind, language)
    if mode is Mode.EDIT:
        return _edited(rng, size, held, kind, change, language)
    scene = _scene(rng, mode, size, held, kind)
    return Episode(mode=mode, scene=scene, caption=caption(scene, rng, language))


def _kind(rng: np.random.Generator, mode: Mode, kind: str | None) -> str:
    if kind is None:
        one, two, _ = SHARES[mode]
        drawn = rng.random()
        return "one" if drawn < one else "two" if drawn < one + two else "face"
    if kind not in KINDS or SHARES[mode][KINDS.index(kind)] == 0:
        raise ValueError(f"{mode} has no scenes of the kind {kind!r}")
    return kind


def _scene(rng: np.random.Generator, mode: Mode, size: Size, held: bool | None, kind: str | None) -> Scene:
    kind = _kind(rng, mode, kind)
    if kind == "face":
        return sample_face(rng, size, held=held)
    return sample_bodies(rng, size, 1 if kind == "one" else 2, held=held)


def _edited(
    rng: np.random.Generator, size: Size, held: bool | None, kind: str | None, change: str | None, language: str | None
) -> Episode:
    if kind == "face" and change not in (None, "recolour", "background"):
        raise ValueError(f"no {change} can change a face")
    source = _scene(rng, Mode.EDIT, size, held, kind)
    while change is not None and change not in possible(source):
        source = _scene(rng, Mode.EDIT, size, held, kind)
    edit = sample_edit(rng, source, change, held=held)
    pictures: tuple[Picture, ...] = ()
    if isinstance(edit, Replace):
        count = int(rng.integers(edit.reference, EDIT_REFERENCES + 1))
        pictures = _pictures(rng, count, {edit.reference: (edit.look, edit.shape)})
    return Episode(
        mode=Mode.EDIT,
        scene=apply(edit, source),
        caption=edit_caption(edit, source, rng, language),
        references=pictures,
        source=source,
        edit=edit,
        named=(edit.reference,) if isinstance(edit, Replace) else (),
    )


def _with_references(rng: np.random.Generator, size: Size, kind: str | None, language: str | None) -> Episode:
    bodies = 1 if _kind(rng, Mode.R2V, kind) == "one" else 2
    few = rng.random() < FEW
    count = int(rng.integers(bodies, 4) if few else rng.integers(4, REFERENCES + 1))
    named = tuple(int(k) + 1 for k in rng.permutation(count)[:bodies])
    looks: list[Look] = []
    for _ in range(bodies):
        looks.append(_another(rng, looks))
    scene = sample_bodies(rng, size, bodies, held=None, looks=tuple(looks))
    shown = {k: (look, body.shape) for k, look, body in zip(named, looks, scene.bodies, strict=True)}
    return Episode(
        mode=Mode.R2V,
        scene=scene,
        caption=caption(scene, rng, language, dict(enumerate(named))),
        references=_pictures(rng, count, shown),
        named=named,
    )


def _pictures(rng: np.random.Generator, count: int, shown: dict[int, tuple[Look, str]]) -> tuple[Picture, ...]:
    """Reference pictures 1 … `count`: those that are shown, and others that differ from them and from each other."""
    looks = [look for look, _ in shown.values()]
    pictures = []
    for k in range(1, count + 1):
        if k in shown:
            look, shape = shown[k]
        else:
            look, shape = _another(rng, looks), SHAPES[int(rng.integers(len(SHAPES)))]
            looks.append(look)
        pictures.append(reference(look, shape))
    return tuple(pictures)


def _another(rng: np.random.Generator, looks: list[Look]) -> Look:
    while True:
        look = sample_look(rng)
        if not any(same(look, other) for other in looks):
            return look


def same(one: Look, other: Look) -> bool:
    """True for looks that a viewer might take for each other."""
    apart = abs(one.hue - other.hue)
    return one.pattern == other.pattern and min(apart, 1.0 - apart) < APART
