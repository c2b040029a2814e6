from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.clip import Mode, Size
from model.world.captions import LANGUAGES
from model.world.edits import (
    EDITS,
    Background,
    Edit,
    Recolour,
    Remove,
    Replace,
    Reshape,
    Resound,
    apply,
    edit_caption,
    possible,
    sample_edit,
)
from model.world.episodes import sample_episode
from model.world.render import reference, render
from model.world.scene import CROSSING, Body, Face, Look, Scene, held_out, sample_bodies, sample_face
from model.world.sound import sound

SIZE = Size(64, 64)
ROUND = max(CROSSING.values())  # frames within which every body that is heard touches something
CIRCLE = Body(
    shape="circle", size="big", skin="green", material="wood", motion="bounce", pace="slowly", x=20, y=20, phase=3
)
CROSS = Body(shape="cross", size="small", skin="blue", material="metal", motion="still", pace="slowly", x=48, y=20)
TWO = Scene(size=SIZE, background="black", bodies=(CIRCLE, CROSS))
ONE = replace(TWO, bodies=(CIRCLE,))
FACE = Scene(size=SIZE, background="grey", face=Face(colour="red", notes=("C", "E"), x=32, y=32))
LOOK = Look("striped", 0.4)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("edit", "source", "expected"),
    [
        (Recolour(0, "red"), TWO, replace(TWO, bodies=(replace(CIRCLE, skin="red"), CROSS))),
        (Recolour(None, "blue"), FACE, replace(FACE, face=Face(colour="blue", notes=("C", "E"), x=32, y=32))),
        (Reshape(1, "ring"), TWO, replace(TWO, bodies=(CIRCLE, replace(CROSS, shape="ring")))),
        (Remove(0), TWO, replace(TWO, bodies=(CROSS,))),
        (Remove(0), ONE, replace(ONE, bodies=())),
        (Background("navy"), TWO, replace(TWO, background="navy")),
        (Resound("rubber"), TWO, replace(TWO, bodies=tuple(replace(b, material="rubber") for b in TWO.bodies))),
        (Replace(1, 3, LOOK, "ring"), TWO, replace(TWO, bodies=(CIRCLE, replace(CROSS, shape="ring", skin=LOOK)))),
    ],
)
def test_an_edit_changes_what_it_says_and_nothing_else(edit: Edit, source: Scene, expected: Scene) -> None:
    assert apply(edit, source) == expected


def test_a_sound_edit_keeps_the_picture_and_a_paint_edit_keeps_the_sound() -> None:
    np.testing.assert_array_equal(render(apply(Resound("metal"), ONE), 8), render(ONE, 8))
    np.testing.assert_array_equal(sound(apply(Recolour(0, "red"), ONE), ROUND), sound(ONE, ROUND))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (TWO, EDITS),
        (FACE, ("recolour", "background")),
        (replace(TWO, bodies=(CROSS,)), ("recolour", "reshape", "remove", "background", "replace")),
        (replace(TWO, bodies=()), ("background",)),
    ],
)
def test_only_edits_that_can_change_something_are_possible(source: Scene, expected: tuple[str, ...]) -> None:
    assert possible(source) == expected


@pytest.mark.parametrize("kind", EDITS)
def test_a_drawn_edit_changes_the_film(kind: str) -> None:
    draws = rng()
    for _ in range(60):
        episode = sample_episode(draws, Mode.EDIT, SIZE, change=kind)
        assert episode.edit is not None
        assert episode.source is not None
        assert (episode.edit.kind, episode.scene) == (kind, apply(episode.edit, episode.source))
        heard_same = np.array_equal(sound(episode.scene, ROUND), sound(episode.source, ROUND))
        seen_same = np.array_equal(render(episode.scene, 4), render(episode.source, 4))
        assert (heard_same, seen_same) == (False, True) if kind == "resound" else not seen_same


def test_an_edit_leaves_two_bodies_apart_in_colour_and_shape() -> None:
    draws = rng()
    for _ in range(300):
        one, *others = apply(sample_edit(draws, TWO), TWO).bodies
        assert all(one.shape != other.shape and one.skin != other.skin for other in others)


def test_an_edit_can_always_be_drawn_and_never_makes_a_held_out_body() -> None:
    draws = rng()
    for _ in range(300):
        source = sample_bodies(draws, SIZE, 1, held=None)
        for kind in possible(source):
            after = apply(sample_edit(draws, source, kind), source)
            assert not any(map(held_out, after.bodies)) or any(map(held_out, source.bodies))


def test_an_edit_that_cannot_change_the_scene_is_refused() -> None:
    with pytest.raises(ValueError, match="no reshape"):
        sample_edit(rng(), sample_face(rng(), SIZE), "reshape")
    with pytest.raises(ValueError, match="no resound"):
        sample_episode(rng(), Mode.EDIT, SIZE, kind="face", change="resound")


def test_the_only_body_is_removed_less_often_than_one_of_two() -> None:
    draws = rng()
    one, two = (sum(sample_edit(draws, s).kind == "remove" for _ in range(500)) for s in (ONE, TWO))

    assert one < two


def test_a_replacement_comes_with_one_to_four_references_and_wears_the_one_it_names() -> None:
    draws = rng()
    counts = set()
    for _ in range(200):
        episode = sample_episode(draws, Mode.EDIT, SIZE, change="replace")
        edit = episode.edit
        assert isinstance(edit, Replace)
        assert f"[{edit.reference}]" in episode.caption.text
        assert episode.named == (edit.reference,)
        np.testing.assert_array_equal(reference(edit.look, edit.shape), episode.references[edit.reference - 1])
        counts.add(len(episode.references))
    assert counts == {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("language", "edit", "source", "sentence"),
    [
        ("en", Recolour(0, "red"), TWO, "make the circle red"),
        ("en", Recolour(None, "blue"), FACE, "make the face blue"),
        ("en", Reshape(1, "ring"), TWO, "turn the cross into a ring"),
        ("en", Remove(1), TWO, "remove the blue cross"),
        ("en", Background("navy"), TWO, "make the background navy"),
        ("en", Resound("metal"), TWO, "make it sound like metal"),
        ("en", Replace(0, 2, LOOK, "ring"), TWO, "replace the circle with [2]"),
        ("ja", Recolour(0, "red"), TWO, "円を赤にして"),
        ("ja", Reshape(1, "ring"), TWO, "十字を輪に変えて"),
        ("ja", Remove(1), TWO, "青い十字を消して"),
        ("ja", Background("navy"), TWO, "背景を紺色にして"),
        ("ja", Resound("metal"), TWO, "金属の音にして"),
        ("ja", Replace(0, 2, LOOK, "ring"), TWO, "円を[2]に置き換えて"),
        ("de", Recolour(0, "orange"), TWO, "mach den Kreis orange"),
        ("de", Recolour(None, "blue"), FACE, "mach das Gesicht blau"),
        ("de", Reshape(1, "ring"), TWO, "verwandle das Kreuz in einen Ring"),
        ("de", Remove(0), TWO, "entferne den grünen Kreis"),
        ("de", Remove(1), TWO, "entferne das blaue Kreuz"),
        ("de", Background("black"), FACE, "mach den Hintergrund schwarz"),
        ("de", Resound("metal"), TWO, "lass es wie Metall klingen"),
        ("de", Replace(0, 2, LOOK, "ring"), TWO, "tausche den Kreis gegen [2] aus"),
        ("fr", Recolour(1, "green"), TWO, "rends la croix verte"),
        ("fr", Recolour(1, "green"), TWO, "peins la croix en vert"),
        ("fr", Reshape(1, "ring"), TWO, "transforme la croix en anneau"),
        ("fr", Remove(1), TWO, "enlève la croix bleue"),
        ("fr", Remove(0), apply(Reshape(0, "ring"), TWO), "enlève l'anneau vert"),
        ("fr", Background("navy"), TWO, "rends le fond bleu marine"),
        ("fr", Resound("rubber"), TWO, "fais que ça sonne comme du caoutchouc"),
        ("fr", Replace(0, 1, LOOK, "cross"), apply(Reshape(0, "ring"), TWO), "mets [1] à la place de l'anneau"),
    ],
)
def test_an_edit_can_be_asked_for_plainly(language: str, edit: Edit, source: Scene, sentence: str) -> None:
    draws = rng()

    assert sentence in {edit_caption(edit, source, draws, language).text for _ in range(100)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_edit_has_more_than_one_phrasing(language: str) -> None:
    draws = rng()
    for edit in (Recolour(0, "red"), Reshape(0, "ring"), Remove(0), Background("navy"), Resound("metal")):
        said = {edit_caption(edit, ONE, draws, language).text.rstrip(".。") for _ in range(60)}
        assert len(said) >= 2


def test_a_worn_look_is_removed_by_its_shape_alone() -> None:
    worn = apply(Replace(0, 1, LOOK, "ring"), ONE)
    draws = rng()

    said = {edit_caption(Remove(0), worn, draws, "en").text.rstrip(".") for _ in range(40)}

    assert said == {"remove the ring", "take the ring away"}
