"""What the detectors see in rendered films, sharp and spoilt, against what the scenes hold."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from model.clip import Film, Frames, Size
from model.detect.motion import turns
from model.detect.picture import Track, background, bodies, face
from model.detect.regions import label
from model.world.render import contacts, hues, openness, reference, render
from model.world.scene import (
    BACKGROUNDS,
    COLOURS,
    FPS,
    MOTIONS,
    PACES,
    PATTERNS,
    RADII,
    SHAPES,
    Body,
    Look,
    Scene,
    sample_bodies,
    sample_face,
)

SQUARE, WIDE, TALL = Size(64, 64), Size(80, 48), Size(48, 80)
FRAMES = 16
CLIPS = 80


def film(frames: Frames) -> Film:
    return Film(frames=frames, fps=Fraction(FPS), sound=np.zeros(len(frames) * 1000, np.float32), rate=8000)


def spoilt(frames: Frames, rng: np.random.Generator) -> Frames:
    """Blurred, noisy, tinted, flickering, and with a ghost of the frame before."""
    sigma = rng.uniform(0.7, 1.0)
    weights = np.exp(-0.5 * (np.arange(-3, 4) / sigma) ** 2)
    out = frames.astype(np.float32)
    for axis in (1, 2):
        padded = np.pad(out, [(3, 3) if a == axis else (0, 0) for a in range(4)], mode="edge")
        cut = [np.take(padded, np.arange(k, k + out.shape[axis]), axis) for k in range(7)]
        out = sum((w * c for w, c in zip(weights / weights.sum(), cut, strict=True)), np.zeros_like(out))
    out = 0.88 * out + 0.12 * np.concatenate((out[:1], out[:-1]))
    out += rng.normal(0, 6, out.shape) + rng.normal(0, 3, (len(out), 1, 1, 3)) + rng.normal(0, 6, 3)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


@cache
def watched(size: Size, bad: bool) -> list[tuple[Scene, str, list[Track]]]:
    """Scenes, and what is seen in their films."""
    rng = np.random.default_rng(5)
    out = []
    for i in range(CLIPS):
        scene = sample_bodies(rng, size, 1 + i % 2, held=None)
        frames = spoilt(render(scene, FRAMES), rng) if bad else render(scene, FRAMES)
        out.append((scene, background(film(frames)), bodies(film(frames))))
    return out


def found(scene: Scene, tracks: list[Track]) -> list[tuple[Body, Track | None, list[int]]]:
    """Each body, the track of its colour, and the frames of its contacts."""
    by_colour = {track.colour: track for track in tracks}
    touches = [[c.frame for c in contacts(scene, FRAMES) if c.body == i] for i in range(len(scene.bodies))]
    return [
        (b, by_colour.get(b.skin if isinstance(b.skin, str) else ""), t)
        for b, t in zip(scene.bodies, touches, strict=True)
    ]


every = pytest.mark.parametrize(
    ("size", "bad"),
    [(s, b) for s in (SQUARE, WIDE, TALL) for b in (False, True)],
    ids=lambda v: str(v) if isinstance(v, Size) else ("spoilt" if v else "sharp"),
)


@every
def test_the_background_and_every_body_are_seen_in_their_colours(size: Size, bad: bool) -> None:
    right = [(ground, {t.colour for t in tracks}) == (scene.background, {b.skin for b in scene.bodies})
             for scene, ground, tracks in watched(size, bad)]  # fmt: skip

    assert np.mean(right) >= 0.99


@every
def test_shape_and_size_are_told_by_template(size: Size, bad: bool) -> None:
    right = [
        t is not None and (t.shape, t.size) == (b.shape, b.size)
        for scene, _, tracks in watched(size, bad)
        for b, t, _ in found(scene, tracks)
    ]

    assert np.mean(right) >= 0.98


@every
def test_motion_pace_and_contacts_are_seen(size: Size, bad: bool) -> None:
    right = []
    for scene, _, tracks in watched(size, bad):
        for body, track, touches in found(scene, tracks):
            turns_in_view = any(0 < f < FRAMES - 1 for f in touches)
            if size != SQUARE and body.motion == "sideways" and not turns_in_view:
                continue  # in these sizes the very same pictures can be a slide
            pace = body.pace if body.motion != "still" else "slowly"
            right.append(
                track is not None and (track.motion, track.pace, track.contacts) == (body.motion, pace, touches)
            )

    assert np.mean(right) >= 0.98


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("motion", MOTIONS)
def test_every_shape_is_known_in_every_motion(shape: str, motion: str) -> None:
    rng = np.random.default_rng([SHAPES.index(shape), MOTIONS.index(motion)])
    size, pace = tuple(RADII)[int(rng.integers(2))], PACES[int(rng.integers(2))]
    colour, ground = tuple(COLOURS)[int(rng.integers(8))], tuple(BACKGROUNDS)[int(rng.integers(4))]
    body = Body(shape=shape, size=size, skin=colour, material="wood", motion=motion, pace=pace, x=32, y=24, phase=5)
    scene = Scene(size=SQUARE, background=ground, bodies=(body,))

    for frames in (render(scene, FRAMES), spoilt(render(scene, FRAMES), rng)):
        (track,) = bodies(film(frames))
        assert (track.shape, track.size, track.colour, track.motion) == (shape, size, colour, motion)


def test_two_bodies_of_one_colour_are_two() -> None:
    scene = next(s for s in scenes_of_two() if {b.motion for b in s.bodies} == {"left", "still"})
    twins = replace(scene, bodies=tuple(replace(b, skin="red") for b in scene.bodies))

    seen = bodies(film(render(twins, FRAMES)))

    assert sorted((t.colour, t.shape) for t in seen) == sorted(("red", b.shape) for b in twins.bodies)


def scenes_of_two() -> list[Scene]:
    rng = np.random.default_rng(1)
    return [sample_bodies(rng, SQUARE, 2, held=None) for _ in range(60)]


def test_a_body_that_leaves_on_one_side_stays_one_body() -> None:
    body = Body(shape="ring", size="big", skin="cyan", material="wood", motion="left", pace="quickly", x=12, y=32)
    scene = Scene(size=SQUARE, background="navy", bodies=(body,))

    (track,) = bodies(film(render(scene, FRAMES)))

    away = (track.centres[:, 0] - (12 - 2 * np.arange(FRAMES)) + 32) % 64 - 32
    assert np.abs(away).max() < 0.6


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_body_in_any_look_is_one_body_whose_picture_is_its_reference(pattern: str) -> None:
    look = Look(pattern, 0.37)
    body = Body(shape="square", size="big", skin=look, material="wood", motion="right", pace="slowly", x=20, y=32)
    scene = Scene(size=SQUARE, background="black", bodies=(body,))

    (track,) = bodies(film(render(scene, FRAMES)), plain=False)

    assert (track.shape, track.size, track.motion) == ("square", "big", "right")
    away = np.abs(track.picture.astype(float) - reference(look, "square"))
    assert away.mean() < 12
    assert np.abs(track.rgb - hues(look)[0]).sum() < 330


def test_specks_and_nothing_are_no_bodies() -> None:
    frames = np.full((FRAMES, 64, 64, 3), BACKGROUNDS["brown"], np.uint8)
    assert bodies(film(frames)) == []

    frames[:, 10:14, 10:14] = COLOURS["white"]
    assert bodies(film(frames)) == []


def test_noise_is_looked_at_without_complaint() -> None:
    rng = np.random.default_rng(0)
    for frames in (rng.integers(0, 256, (FRAMES, 64, 64, 3)), rng.integers(0, 256, (1, 48, 80, 3)) // 4 + 100):
        noise = film(frames.astype(np.uint8))
        assert background(noise) in BACKGROUNDS
        assert len(bodies(noise)) <= 2
        assert face(noise) is None


def test_a_single_frame_shows_what_stands_in_it() -> None:
    scene = scenes_of_two()[3]

    seen = bodies(film(render(scene, 1)))

    assert {(t.colour, t.shape) for t in seen} == {(b.skin, b.shape) for b in scene.bodies}


def test_an_irregular_bounce_touches_where_it_turns() -> None:
    y = np.array([30, 44, 52, 44, 36, 30, 28, 30, 34, 40, 46, 52, 47, 40, 34, 30], np.float32)

    assert turns(np.stack((np.full(16, 32, np.float32), y), -1), SQUARE, "bounce", "big") == [2, 11]


def test_every_region_has_its_own_number_also_across_the_edge() -> None:
    classes = np.zeros((2, 6, 6), np.uint8)
    classes[0, 1, :2] = classes[0, 1, 5] = classes[0, 2, 5] = 1  # one region over the edge
    classes[0, 4, 2], classes[0, 4, 3] = 1, 2  # neighbours of two classes
    classes[1, 0, 0] = classes[1, 5, 0] = 1

    regions = label(classes)

    assert regions.max() == 4
    assert len({int(regions[0, 1, 0]), int(regions[0, 1, 5]), int(regions[0, 2, 5])}) == 1
    assert regions[1, 0, 0] == regions[1, 5, 0]
    assert ((regions == 0) == (classes == 0)).all()


@every
def test_faces_are_found_in_colour_and_time_and_bodies_are_not_faces(size: Size, bad: bool) -> None:
    rng = np.random.default_rng(7)
    right = []
    for _ in range(25):
        scene = sample_face(rng, size, held=None)
        assert scene.face is not None
        frames = spoilt(render(scene, FRAMES), rng) if bad else render(scene, FRAMES)
        seen = face(film(frames))
        wide = openness(scene.face, np.arange(FRAMES)) > 0.5
        right.append(seen is not None and seen.colour == scene.face.colour and bool((seen.open == wide).all()))
        right.append(bodies(film(frames)) == [])
    right += [face(film(render(s, FRAMES))) is None for s, _, _ in watched(size, bad)[:25]]

    assert np.mean(right) >= 0.99
