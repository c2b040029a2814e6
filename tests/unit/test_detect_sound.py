"""What the detectors hear in synthesised films, clean and spoilt, against what the scenes sound."""

from __future__ import annotations

import numpy as np
import pytest

from model.clip import Size, Sound
from model.detect.sound import edit_distance, envelope, material, materials, notes, onsets, silent
from model.world.render import contacts
from model.world.scene import FPS, MATERIALS, NOTES, Scene, sample_bodies, sample_face
from model.world.sound import RATE, knock, note, sound

FRAMES = 32
NEAR = 0.030  # seconds


def spoilt(wave: Sound, rng: np.random.Generator) -> Sound:
    """Softer or louder, dull, and over a hiss."""
    dull = np.convolve(wave, (0.15, 0.7, 0.15), "same")
    return (dull * rng.uniform(0.7, 1.1) + rng.normal(0, 0.006, len(wave))).astype(np.float32)


def scenes(count: int) -> list[Scene]:
    rng = np.random.default_rng(3)
    return [sample_bodies(rng, Size(64, 64), 1 + i % 2, held=None) for i in range(count)]


def heard(scene: Scene, bad: bool, rng: np.random.Generator) -> Sound:
    wave = sound(scene, FRAMES)
    return spoilt(wave, rng) if bad else wave


quality = pytest.mark.parametrize("bad", [False, True], ids=["clean", "spoilt"])


@quality
def test_onsets_are_the_contacts_and_silence_is_silent(bad: bool) -> None:
    rng = np.random.default_rng(0)
    right = []
    for scene in scenes(200):
        wave = heard(scene, bad, rng)
        times = np.array(sorted({c.frame / FPS for c in contacts(scene, FRAMES)}))
        found = np.array(onsets(wave, RATE))
        right.append(len(found) == len(times) and bool((np.abs(found - times) < NEAR).all()))
        right.append(silent(wave, RATE) == (len(times) == 0))

    assert np.mean(right) >= 0.99


@quality
def test_materials_are_told_by_their_spectrum_also_together(bad: bool) -> None:
    rng = np.random.default_rng(0)
    right = []
    for scene in scenes(200):
        wave = heard(scene, bad, rng)
        for frame in {c.frame for c in contacts(scene, FRAMES)}:
            truth = {c.material for c in contacts(scene, FRAMES) if c.frame == frame}
            right.append(materials(wave, RATE, frame / FPS) == truth)
            right.append(material(wave, RATE, frame / FPS) in truth)

    assert np.mean(right) >= 0.98


@quality
def test_notes_and_rests_are_written_down(bad: bool) -> None:
    rng = np.random.default_rng(1)
    right = []
    for _ in range(120):
        scene = sample_face(rng, Size(64, 64), held=None)
        assert scene.face is not None
        bar = [*scene.face.notes, *[None] * (4 - len(scene.face.notes))]
        wave = heard(scene, bad, rng)
        right.append(notes(wave, RATE) == bar + bar)
        right.append(len(onsets(wave, RATE)) == 2 * len(scene.face.notes))

    assert np.mean(right) >= 0.98


@pytest.mark.parametrize("name", NOTES)
def test_every_note_is_heard_as_itself(name: str) -> None:
    assert notes(np.pad(note(name), (0, 1000)), RATE) == [name]


@pytest.mark.parametrize("first", MATERIALS)
@pytest.mark.parametrize("second", MATERIALS)
def test_a_knock_is_heard_while_another_still_rings(first: str, second: str) -> None:
    wave = np.zeros(8000, np.float32)
    wave[2000:5600] += knock(first)
    wave[3000:6600] += knock(second)

    assert np.abs(np.array(onsets(wave, RATE)) - (0.25, 0.375)).max() < NEAR
    assert materials(wave, RATE, 0.375) == {second}


def test_hiss_and_nothing_are_silent() -> None:
    hiss = np.random.default_rng(0).normal(0, 0.006, 16_000).astype(np.float32)

    for wave in (hiss, np.zeros(16_000, np.float32)):
        assert silent(wave, RATE)
        assert onsets(wave, RATE) == []
        assert notes(wave, RATE) == [None] * 4


def test_the_envelope_has_a_value_a_frame() -> None:
    wave = np.zeros(4000, np.float32)
    wave[1000:2000] = 0.5

    assert envelope(wave, RATE).tolist() == [0, 0.5, 0, 0]


@pytest.mark.parametrize(
    ("one", "other", "distance"), [("", "", 0), ("CDE", "CDE", 0), ("CDE", "CE", 1), ("CDE", "DEC", 2), ("", "AB", 2)]
)
def test_edit_distance_counts_the_fewest_changes(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == edit_distance(other, one) == distance
