"""The toy world's vocabulary: what can stand in a scene, and how a scene is drawn from chance.

Time is made of frames at 8 a second, and everything that can be heard happens exactly on a frame: bounces have
periods of whole frames, and a note lasts one beat of four frames. A bar has four beats and a song repeats its bar, so
that a film may go on for as long as it likes. Positions are whole pixels from the top left corner.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from model.clip import Size

COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "red": (220, 30, 30),
    "orange": (245, 140, 20),
    "yellow": (245, 230, 40),
    "green": (40, 170, 50),
    "cyan": (50, 220, 225),
    "blue": (50, 90, 240),
    "magenta": (225, 50, 210),
    "white": (245, 245, 245),
}
BACKGROUNDS: Final[dict[str, tuple[int, int, int]]] = {
    "black": (8, 8, 8),
    "grey": (110, 110, 110),
    "navy": (14, 20, 84),
    "brown": (92, 54, 24),
}
SHAPES: Final = ("circle", "square", "triangle", "cross", "ring")
RADII: Final[dict[str, int]] = {"small": 8, "big": 12}  # pixels from the centre to the edge
MOTIONS: Final = ("still", "left", "right", "up", "down", "bounce", "sideways")
PACES: Final = ("slowly", "quickly")
MATERIALS: Final = ("wood", "metal", "rubber")
NOTES: Final = ("C", "D", "E", "F", "G", "A", "B")
PATTERNS: Final = ("plain", "striped", "dotted", "split")

FPS: Final = 8
BEAT: Final = 4  # frames
BAR: Final = 16  # frames
SPEED: Final[dict[str, int]] = {"slowly": 1, "quickly": 2}  # pixels a frame, for slides
PERIOD: Final[dict[str, int]] = {"slowly": 16, "quickly": 8}  # frames from floor to floor
HEIGHT: Final[dict[str, int]] = {"slowly": 24, "quickly": 12}  # pixels of a bounce
CROSSING: Final[dict[str, int]] = {"slowly": 32, "quickly": 16}  # frames from wall to wall
GRID: Final = 8  # pixels between the places where a body may start
STRESS: Final = 2  # frames; contacts fall on half beats
FACE_RADIUS: Final = 20
REFERENCE_SIDE: Final = 32  # pixels of a square reference picture


@dataclass(frozen=True, slots=True)
class Look:
    """A surface that only a reference picture can name: a pattern and hues from the colour wheel, in [0, 1)."""

    pattern: str
    hue: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One moving thing. `x`, `y` is its centre at frame 0 for slides and stillness; bounces use `phase`."""

    shape: str
    size: str
    skin: str | Look
    material: str
    motion: str
    pace: str
    x: int
    y: int
    phase: int = 0  # frames already gone by at frame 0 in a bounce

    @property
    def radius(self) -> int:
        return RADII[self.size]


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A disc with eyes and a mouth that is open while a note sounds."""

    colour: str
    notes: tuple[str, ...]  # at most four, one a beat, then rests until the bar is over
    x: int
    y: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that a film of the toy world shows and sounds."""

    size: Size
    background: str
    bodies: tuple[Body, ...] = ()
    face: Face | None = None


def held_out(body: Body) -> bool:
    """True for one in ten of the (colour, shape, motion) triples: training never shows them."""
    return isinstance(body.skin, str) and _tenth(f"{body.skin}/{body.shape}/{body.motion}")


def held_out_notes(notes: tuple[str, ...]) -> bool:
    """True for one in ten of the note lines: training never sings them."""
    return _tenth("/".join(notes))


def _tenth(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % 10 == 0


def heard(body: Body) -> bool:
    """True when the body touches something again and again."""
    return body.motion in ("bounce", "sideways")


def _on_grid(rng: np.random.Generator, low: int, high: int) -> int:
    places = np.arange(-(-low // GRID) * GRID, high + 1, GRID)
    return int(rng.choice(places)) if len(places) else (low + high) // 2


def _choose(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _body(rng: np.random.Generator, size: Size, motion: str, half: int | None, skin: str | Look | None = None) -> Body:
    """A body with the given motion, in the given half (0 or 1, left/right or top/bottom) or anywhere."""
    name = _choose(rng, tuple(RADII))
    r = RADII[name]
    x0, x1, y0, y1 = r, size.width - r, r, size.height - r
    if half is not None and motion in ("left", "right", "sideways"):
        y0, y1 = (r, size.height // 2 - r) if half == 0 else (size.height // 2 + r, size.height - r)
    elif half is not None:
        x0, x1 = (r, size.width // 2 - r) if half == 0 else (size.width // 2 + r, size.width - r)
    pace = _choose(rng, PACES)
    cycle = PERIOD[pace] if motion == "bounce" else 2 * CROSSING[pace]
    return Body(
        shape=_choose(rng, SHAPES),
        size=name,
        skin=_choose(rng, tuple(COLOURS)) if skin is None else skin,
        material=_choose(rng, MATERIALS),
        motion=motion,
        pace=pace,
        x=_on_grid(rng, x0, x1),
        y=_on_grid(rng, y0, y1),
        phase=STRESS * int(rng.integers(cycle // STRESS)) if motion in ("bounce", "sideways") else 0,
    )


_ACROSS: Final = ("left", "right", "sideways", "still")
_ALONG: Final = ("up", "down", "bounce", "still")


def sample_bodies(
    rng: np.random.Generator, size: Size, count: int, *, held: bool | None = False, looks: tuple[Look, ...] = ()
) -> Scene:
    """A scene of `count` (1 or 2) bodies that never overlap.

    `held` False draws only triples that training may see, True only scenes whose first body is held out, None both.
    The first bodies wear `looks` where given.
    """
    for _ in range(10_000):
        if count == 1:
            motions = [_choose(rng, MOTIONS)]
            bodies = [_body(rng, size, motions[0], None, looks[0] if looks else None)]
        else:
            options = (_ACROSS, _ALONG)[int(rng.integers(2))]
            motions = [_choose(rng, options), _choose(rng, options)]
            across = options is _ACROSS
            first = int(rng.integers(2))
            bodies = [
                _in_half(rng, size, motion, first ^ i, across, looks[i] if i < len(looks) else None)
                for i, motion in enumerate(motions)
            ]
            if bodies[0].shape == bodies[1].shape or bodies[0].skin == bodies[1].skin:
                continue  # an edit must be able to name each of them
        if held is None or (held_out(bodies[0]) if held else not any(map(held_out, bodies))):
            return Scene(size=size, background=_choose(rng, tuple(BACKGROUNDS)), bodies=tuple(bodies))
    raise AssertionError("chance never made a scene of the wanted kind")


def _in_half(rng: np.random.Generator, size: Size, motion: str, half: int, across: bool, look: Look | None) -> Body:
    body = _body(rng, size, motion, half, look)
    if motion == "still" and across:  # stillness takes the halves of its neighbour
        r = body.radius
        y0, y1 = (r, size.height // 2 - r) if half == 0 else (size.height // 2 + r, size.height - r)
        return replace(body, x=_on_grid(rng, r, size.width - r), y=_on_grid(rng, y0, y1))
    return body


def sample_face(rng: np.random.Generator, size: Size, *, held: bool | None = False) -> Scene:
    """A scene of one singing face."""
    while True:
        notes = tuple(_choose(rng, NOTES) for _ in range(int(rng.integers(2, 5))))
        if held is None or held_out_notes(notes) is held:
            break
    r = FACE_RADIUS
    face = Face(
        colour=_choose(rng, tuple(COLOURS)),
        notes=notes,
        x=_on_grid(rng, r, size.width - r),
        y=_on_grid(rng, r, size.height - r),
    )
    return Scene(size=size, background=_choose(rng, tuple(BACKGROUNDS)), face=face)


def sample_look(rng: np.random.Generator) -> Look:
    """A look from the colour wheel."""
    return Look(_choose(rng, PATTERNS), float(rng.random()))
