"""What a film can be asked to change, what the scene is afterwards, and how to ask for it.

An edit changes exactly what it says. Place, motion, pace and phase stay, so the changed film can be compared with its
source frame by frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final, assert_never

import numpy as np

from model.world.captions import Caption, Wording, finish, language_of
from model.world.phrases import PHRASES
from model.world.scene import BACKGROUNDS, COLOURS, MATERIALS, SHAPES, Body, Look, Scene, heard, held_out, sample_look

EDITS: Final = ("recolour", "reshape", "remove", "background", "resound", "replace")
EDIT_REFERENCES: Final = 4  # most reference pictures that come with a replacement
LAST_BODY: Final = 0.3  # how readily the only body is removed, against 1 for any other edit


@dataclass(frozen=True, slots=True)
class Recolour:
    """A body, or the face where `body` is None, takes another colour."""

    kind: ClassVar[str] = "recolour"
    body: int | None
    colour: str


@dataclass(frozen=True, slots=True)
class Reshape:
    """A body takes another shape."""

    kind: ClassVar[str] = "reshape"
    body: int
    shape: str


@dataclass(frozen=True, slots=True)
class Remove:
    """A body is gone, and so is its sound."""

    kind: ClassVar[str] = "remove"
    body: int


@dataclass(frozen=True, slots=True)
class Background:
    """The background takes another colour."""

    kind: ClassVar[str] = "background"
    background: str


@dataclass(frozen=True, slots=True)
class Resound:
    """Everything is of another material; the picture stays as it is."""

    kind: ClassVar[str] = "resound"
    material: str


@dataclass(frozen=True, slots=True)
class Replace:
    """A body makes way for what reference picture number `reference` shows: its shape and its look."""

    kind: ClassVar[str] = "replace"
    body: int
    reference: int  # 1..EDIT_REFERENCES
    look: Look
    shape: str


Edit = Recolour | Reshape | Remove | Background | Resound | Replace


def possible(scene: Scene) -> tuple[str, ...]:
    """The kinds of edit that can change something in a scene."""
    fits = {
        "recolour": scene.face is not None or bool(scene.bodies),
        "reshape": bool(scene.bodies),
        "remove": bool(scene.bodies),
        "background": True,
        "resound": any(map(heard, scene.bodies)),
        "replace": bool(scene.bodies),
    }
    return tuple(kind for kind in EDITS if fits[kind])


def sample_edit(rng: np.random.Generator, scene: Scene, kind: str | None = None, *, held: bool | None = False) -> Edit:
    """An edit that changes something and leaves the bodies of a scene apart in colour and shape.

    `held` False never makes one of the triples that are held out from training; any other value does not care.
    """
    if kind is None:
        kinds = possible(scene)
        weights = np.array([LAST_BODY if k == "remove" and len(scene.bodies) == 1 else 1.0 for k in kinds])
        kind = kinds[int(np.searchsorted(weights.cumsum() / weights.sum(), rng.random(), side="right"))]
    elif kind not in possible(scene):
        raise ValueError(f"no {kind} can change this scene")
    for _ in range(10_000):
        edit = _draw(rng, scene, kind)
        made = edit.body if isinstance(edit, Recolour | Reshape) else None
        if held is not False or made is None or not held_out(apply(edit, scene).bodies[made]):
            return edit
    raise AssertionError("chance never made an edit of the wanted kind")


def _draw(rng: np.random.Generator, scene: Scene, kind: str) -> Edit:
    def one_of(options: tuple[str, ...], *taken: object) -> str:
        free = [option for option in options if option not in taken]
        return free[int(rng.integers(len(free)))]

    if kind == "background":
        return Background(one_of(tuple(BACKGROUNDS), scene.background))
    if kind == "resound":
        sounding = {body.material for body in scene.bodies if heard(body)}
        return Resound(one_of(MATERIALS, *(sounding if len(sounding) == 1 else ())))
    if scene.face is not None:
        return Recolour(None, one_of(tuple(COLOURS), scene.face.colour))
    place = int(rng.integers(len(scene.bodies)))
    if kind == "recolour":
        return Recolour(place, one_of(tuple(COLOURS), *(body.skin for body in scene.bodies)))
    if kind == "reshape":
        return Reshape(place, one_of(SHAPES, *(body.shape for body in scene.bodies)))
    if kind == "remove":
        return Remove(place)
    others = (body.shape for body in scene.bodies if body is not scene.bodies[place])
    reference = 1 + int(rng.integers(1 + int(rng.integers(EDIT_REFERENCES))))
    return Replace(place, reference, sample_look(rng), one_of(SHAPES, *others))


def apply(edit: Edit, scene: Scene) -> Scene:
    """The scene after an edit."""
    match edit:
        case Recolour(body=place, colour=colour):
            if scene.face is not None:
                return replace(scene, face=replace(scene.face, colour=colour))
            assert place is not None
            return _with(scene, place, replace(scene.bodies[place], skin=colour))
        case Reshape(body=place, shape=shape):
            return _with(scene, place, replace(scene.bodies[place], shape=shape))
        case Remove(body=place):
            return _with(scene, place)
        case Background(background=background):
            return replace(scene, background=background)
        case Resound(material=material):
            return replace(scene, bodies=tuple(replace(body, material=material) for body in scene.bodies))
        case Replace(body=place, look=look, shape=shape):
            return _with(scene, place, replace(scene.bodies[place], skin=look, shape=shape))
        case _:
            assert_never(edit)


def _with(scene: Scene, place: int, *instead: Body) -> Scene:
    return replace(scene, bodies=scene.bodies[:place] + instead + scene.bodies[place + 1 :])


def edit_caption(edit: Edit, scene: Scene, rng: np.random.Generator, language: str | None = None) -> Caption:
    """One way to ask for an edit of a scene."""
    language = language_of(rng, language)
    phrases = PHRASES[language]
    wording = Wording(phrases, rng)
    if isinstance(edit, Reshape):
        wording.noun(edit.shape)
        wording.put("new", wording.say((phrases.into,)))
    if isinstance(edit, Recolour | Reshape | Remove | Replace):
        wording.noun("face" if edit.body is None else scene.bodies[edit.body].shape)
    match edit:
        case Recolour(colour=colour):
            wording.word("colour", phrases.colours[colour])
        case Remove(body=place):
            skin = scene.bodies[place].skin
            if isinstance(skin, str):
                wording.word("colour", phrases.colours[skin])
        case Background(background=background):
            wording.word("background", phrases.backgrounds[background])
        case Resound(material=material):
            wording.word("material", phrases.materials[material])
        case Replace(reference=reference):
            wording.put("name", f"[{reference}]")
        case Reshape():
            pass
        case _:
            assert_never(edit)
    return Caption(finish(rng, phrases, wording.say(phrases.edits[edit.kind])), language, frozenset())
