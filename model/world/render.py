"""From a scene to pixels, exactly and without any state: frame `f` of a scene is the same whoever asks.

Edges are anti-aliased: a pixel's cover is half minus its signed distance to the shape, clipped to [0, 1]. A body that
slides out of the frame comes in again on the other side.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.clip import Frames, Picture
from model.world.scene import (
    BACKGROUNDS,
    BAR,
    BEAT,
    COLOURS,
    CROSSING,
    FACE_RADIUS,
    HEIGHT,
    PERIOD,
    REFERENCE_SIDE,
    SPEED,
    Body,
    Face,
    Look,
    Scene,
    heard,
)

Field = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Contact:
    """A body touches the floor or a wall, at the very beginning of a frame."""

    frame: int
    body: int  # its place in `Scene.bodies`
    material: str


def centre(body: Body, scene: Scene, frame: NDArray[np.int64]) -> tuple[Field, Field]:
    """Centre of a body, in pixels, at each of the given frames."""
    x, y = np.full(frame.shape, body.x, np.float32), np.full(frame.shape, body.y, np.float32)
    step = (SPEED[body.pace] * frame).astype(np.float32)
    if body.motion == "left":
        x = (x - step) % scene.size.width
    elif body.motion == "right":
        x = (x + step) % scene.size.width
    elif body.motion == "up":
        y = (y - step) % scene.size.height
    elif body.motion == "down":
        y = (y + step) % scene.size.height
    elif body.motion == "bounce":
        part = ((frame + body.phase) % PERIOD[body.pace]) / PERIOD[body.pace]
        arc = 1.0 - (2.0 * part - 1.0) ** 2
        y = (scene.size.height - body.radius - HEIGHT[body.pace] * arc).astype(np.float32)
    elif body.motion == "sideways":
        crossing = CROSSING[body.pace]
        part = np.abs(((frame + body.phase) % (2 * crossing)) / crossing - 1.0)  # 1 left wall … 0 right wall
        x = (body.radius + (scene.size.width - 2 * body.radius) * (1.0 - part)).astype(np.float32)
    return x, y


def contacts(scene: Scene, frames: int) -> list[Contact]:
    """Every contact within the first `frames` frames, in order of time."""
    found = []
    for i, body in enumerate(scene.bodies):
        if heard(body):
            every = PERIOD[body.pace] if body.motion == "bounce" else CROSSING[body.pace]
            found += [Contact(f, i, body.material) for f in range(frames) if (f + body.phase) % every == 0]
    return sorted(found, key=lambda c: (c.frame, c.body))


def openness(face: Face, frame: NDArray[np.int64]) -> Field:
    """How far the mouth is open at each frame, 0..1: three frames of a beat that has a note, closed on the fourth."""
    beat = (frame % BAR) // BEAT
    return ((beat < len(face.notes)) & (frame % BEAT < BEAT - 1)).astype(np.float32)


def distance(shape: str, radius: float, dx: Field, dy: Field) -> Field:
    """Signed distance in pixels to the edge of a shape around the origin; negative inside.

    Areas differ by shape on purpose; a triangle stands on its base; a cross has arms of a third of its width.
    """
    if shape == "circle":
        return np.hypot(dx, dy) - radius
    if shape == "ring":
        return np.abs(np.hypot(dx, dy) - radius * 0.72) - radius * 0.28
    if shape == "square":
        return np.maximum(np.abs(dx), np.abs(dy)) - radius * 0.92
    if shape == "triangle":
        slope = np.float32(2.0 / np.sqrt(5.0))  # sides run from (0, -r) to (±r, r)
        return np.maximum(np.abs(dx) * slope - (dy + radius) * slope / 2, dy - radius)
    if shape == "cross":
        arm = radius * 0.34
        across = np.maximum(np.abs(dx) - radius, np.abs(dy) - arm)
        along = np.maximum(np.abs(dx) - arm, np.abs(dy) - radius)
        return np.minimum(across, along)
    raise ValueError(shape)


def cover(shape: str, radius: float, dx: Field, dy: Field) -> Field:
    """Share of each pixel that the shape covers."""
    return np.clip(0.5 - distance(shape, radius, dx, dy), 0.0, 1.0)


def hues(look: Look) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The two colours of a look, RGB 0..255."""
    main = np.array(colorsys.hsv_to_rgb(look.hue, 0.85, 0.95), np.float32) * 255
    if look.pattern == "split":
        other = np.array(colorsys.hsv_to_rgb((look.hue + 0.5) % 1.0, 0.85, 0.95), np.float32) * 255
    else:
        other = np.full(3, 250, np.float32)
    return main, other


def skin(kind: str | Look, dx: Field, dy: Field) -> Field:
    """Colour of each pixel of a body's surface, RGB 0..255, in the body's own coordinates: [..., 3]."""
    if isinstance(kind, str):
        return np.broadcast_to(np.array(COLOURS[kind], np.float32), (*dx.shape, 3))
    main, other = hues(kind)
    if kind.pattern == "striped":
        second = np.clip(0.5 + 1.5 * np.sin(dx * (2 * np.pi / 8)), 0, 1)
    elif kind.pattern == "dotted":
        ux, uy = (dx + 4) % 8 - 4, (dy + 4) % 8 - 4
        second = np.clip(0.5 - (np.hypot(ux, uy) - 2.2), 0, 1)
    elif kind.pattern == "split":
        second = np.clip(0.5 - dx, 0, 1)
    else:
        second = np.zeros_like(dx)
    return main + (other - main) * second[..., None].astype(np.float32)


def render(scene: Scene, frames: int, start: int = 0) -> Frames:
    """Frames `start` … `start + frames - 1` of a scene: uint8 [frames, height, width, 3]."""
    width, height = scene.size.width, scene.size.height
    frame = np.arange(start, start + frames)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    out = np.empty((frames, height, width, 3), np.float32)
    out[:] = np.array(BACKGROUNDS[scene.background], np.float32)
    for body in scene.bodies:
        cx, cy = centre(body, scene, frame)
        dx, dy = xs[None] - cx[:, None, None], ys[None] - cy[:, None, None]
        if body.motion in ("left", "right"):
            dx = (dx + width / 2) % width - width / 2
        elif body.motion in ("up", "down"):
            dy = (dy + height / 2) % height - height / 2
        alpha = cover(body.shape, body.radius, dx, dy)[..., None]
        out += alpha * (skin(body.skin, dx, dy) - out)
    if scene.face is not None:
        _draw_face(out, scene.face, frame, xs, ys)
    return np.rint(out).astype(np.uint8)


def _draw_face(out: Field, face: Face, frame: NDArray[np.int64], xs: Field, ys: Field) -> None:
    dx, dy = xs - face.x, ys - face.y
    dark = np.array((20, 20, 20), np.float32)
    out += cover("circle", FACE_RADIUS, dx, dy)[None, ..., None] * (np.array(COLOURS[face.colour], np.float32) - out)
    eyes = np.maximum(cover("circle", 3, dx - 8, dy + 6), cover("circle", 3, dx + 8, dy + 6))
    out += eyes[None, ..., None] * (dark - out)
    tall = 1.0 + 6.0 * openness(face, frame)[:, None, None]  # half the mouth's height, pixels
    reach = (np.hypot(dx[None] / 8.0, (dy[None] - 9) / tall) - 1.0) * np.minimum(8.0, tall)
    out += np.clip(0.5 - reach, 0, 1)[..., None] * (dark - out)


def reference(look: Look, shape: str) -> Picture:
    """The picture that shows a look: a big body of the given shape on black, 32 pixels square."""
    side = REFERENCE_SIDE
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32) + np.float32(0.5 - side / 2)
    alpha = cover(shape, 12, xs, ys)[..., None]
    picture = np.array(BACKGROUNDS["black"], np.float32)
    return np.rint(picture + alpha * (skin(look, xs, ys) - picture)).astype(np.uint8)
