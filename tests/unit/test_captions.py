from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from model.clip import Mode, Size
from model.world.captions import LANGUAGES, Caption, caption
from model.world.episodes import Episode, same, sample_episode
from model.world.render import reference
from model.world.scene import (
    BACKGROUNDS,
    COLOURS,
    MATERIALS,
    MOTIONS,
    PACES,
    RADII,
    SHAPES,
    Body,
    Face,
    Look,
    Scene,
    held_out,
    held_out_notes,
)

SIZE = Size(64, 64)

# What a reader of each language looks for; regular expressions, in the order of the words in `scene.py`.
COLOUR_WORDS = {
    "en": "red orange yellow green cyan blue magenta white",
    "ja": "赤 オレンジ 黄色 緑 (水色|シアン) 青 マゼンタ 白",
    "de": "rot orange gelb grün (türkis|cyan) blau magenta weiß",
    "fr": "rouge orange jaune vert cyan bleu magenta blanc",
}
SHAPE_WORDS = {
    "en": "circle square triangle cross ring",
    "ja": "(円|丸) (四角|正方形) 三角 十字 (輪|リング)",
    "de": "Kreis Quadrat Dreieck Kreuz Ring",
    "fr": "cercle carré triangle croix anneau",
}
BACKGROUND_WORDS = {
    "en": "black gr[ae]y navy brown",
    "ja": "黒 灰色 紺色 茶色",
    "de": "schwarz grau marineblau braun",
    "fr": "noir gris marine (brun|marron)",
}
SIZE_WORDS = {"en": "(small|little) (big|large)", "ja": "小さ 大き", "de": "klein groß", "fr": "petit grand"}
MATERIAL_WORDS = {
    "en": "wood metal rubber",
    "ja": "木 金属 ゴム",
    "de": "Holz Metall Gummi",
    "fr": "bois métal caoutchouc",
}
PACE_WORDS = {
    "en": "slowly (quickly|fast)",
    "ja": "ゆっくり (速く|素早く)",
    "de": "langsam schnell",
    "fr": "lentement (rapidement|vite)",
}
MOTION_WORDS = {
    "en": "(still|rests|not) left right up down bounces side",
    "ja": "(止ま|じっと) 左[へに] 右[へに] 上[へに] 下[へに] ^(?!.*左右).*[弾跳] 左右に.*[弾跳]",
    "de": "(still|ruht|Platz) links rechts oben unten (hüpft|springt) (hin|Seite)",
    "fr": "(immobile|bouge|place) gauche droite haut bas (rebondit|saute) (côté|droite)",
}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def body(**changes: Any) -> Body:
    words: dict[str, Any] = {
        "shape": "circle",
        "size": "big",
        "skin": "red",
        "material": "wood",
        "motion": "bounce",
        "pace": "slowly",
        "x": 20,
        "y": 20,
    }
    return Body(**words | changes)


def scene(*bodies: Body, background: str = "black") -> Scene:
    return Scene(size=SIZE, background=background, bodies=bodies)


def sayings(of: Scene, language: str, references: dict[int, int] | None = None, n: int = 300) -> list[Caption]:
    draws = rng()
    return [caption(of, draws, language, references) for _ in range(n)]


def texts(of: Scene, language: str, references: dict[int, int] | None = None) -> set[str]:
    return {said.text for said in sayings(of, language, references)}


def says(text: str, words: dict[str, str], language: str, options: tuple[str, ...], wanted: str) -> bool:
    return re.search(words[language].split(" ")[options.index(wanted)], text) is not None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_caption_names_colour_shape_and_motion(language: str, shape: str, motion: str) -> None:
    for colour in COLOURS:
        for said in sayings(scene(body(shape=shape, skin=colour, motion=motion)), language, n=5):
            assert says(said.text, COLOUR_WORDS, language, tuple(COLOURS), colour), said
            assert says(said.text, SHAPE_WORDS, language, SHAPES, shape), said
            assert says(said.text, MOTION_WORDS, language, MOTIONS, motion), said


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_caption_says_an_optional_part_exactly_when_it_mentions_it(language: str) -> None:
    parts = (
        ("size:0", SIZE_WORDS, tuple(RADII)),
        ("material:0", MATERIAL_WORDS, MATERIALS),
        ("pace:0", PACE_WORDS, PACES),
        ("background", BACKGROUND_WORDS, tuple(BACKGROUNDS)),
    )
    for size, material, pace, background in zip(
        ("small", "big") * 2, (*MATERIALS, "wood"), PACES * 2, BACKGROUNDS, strict=True
    ):
        shown = scene(body(size=size, material=material, pace=pace), background=background)
        for said in sayings(shown, language):
            for (part, words, options), wanted in zip(parts, (size, material, pace, background), strict=True):
                heard_of = [option for option in options if says(said.text, words, language, options, option)]
                assert heard_of == ([wanted] if part in said.mentions else []), said


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_caption_sings_the_notes_of_a_face_in_order(language: str) -> None:
    shown = Scene(size=SIZE, background="navy", face=Face(colour="green", notes=("C", "E", "A"), x=32, y=32))

    assert all("C E A" in text for text in texts(shown, language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_referenced_body_goes_by_its_number_and_never_by_its_looks(language: str) -> None:
    shown = scene(body(skin=Look("striped", 0.3), shape="ring"), body(skin=Look("plain", 0.6), shape="cross", x=50))

    for said in sayings(shown, language, {0: 7, 1: 2}):
        assert re.findall(r"\[\d\]", said.text) == ["[7]", "[2]"]
        assert not re.search(SHAPE_WORDS[language].replace(" ", "|"), said.text)
        assert not {"size:0", "size:1"} & said.mentions


def test_a_look_without_a_reference_has_no_caption() -> None:
    with pytest.raises(ValueError, match="reference"):
        caption(scene(body(skin=Look("plain", 0.1))), rng())


@pytest.mark.parametrize(
    ("language", "colour", "shape", "right", "wrong"),
    [
        ("en", "orange", "ring", "an orange|a (small|little|big|large|wooden)", r"\ba orange"),
        ("de", "red", "circle", "ein (großer )?roter Kreis", "rote[ns]? "),
        ("de", "red", "square", "ein (großes )?rotes Quadrat", "rote[rn]? "),
        ("de", "white", "cross", "ein (großes )?weißes Kreuz", "weiße[rn]? "),
        ("de", "orange", "triangle", "ein (großes )?orangefarbenes Dreieck", "orangefarbene[rn]? "),
        ("de", "cyan", "ring", "ein (großer )?(türkis|cyan)farbener Ring", "farbene[ns]? "),
        ("fr", "green", "cross", "une (grande )?croix verte", "vert "),
        ("fr", "white", "cross", "une (grande )?croix blanche", "blanc "),
        ("fr", "red", "circle", "un (grand )?cercle rouge", "grande"),
        ("fr", "green", "ring", "un (grand )?anneau vert\\b", "verte"),
        ("ja", "green", "circle", "緑(色)?の(木製の)?[円丸]が", "緑い"),
        ("ja", "red", "square", "赤い(木製の)?(四角|正方形)が", "赤の"),
    ],
)
def test_the_words_agree(language: str, colour: str, shape: str, right: str, wrong: str) -> None:
    for text in texts(scene(body(skin=colour, shape=shape)), language):
        assert re.search(right, text), text
        assert not re.search(wrong, text), text


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "a big red circle made of wood bounces slowly up and down on a black background"),
        ("ja", "黒い背景で、木でできた大きな赤い円がゆっくり上下に弾む"),
        ("de", "ein großer roter Kreis aus Holz hüpft langsam auf und ab auf schwarzem Hintergrund"),
        ("de", "auf schwarzem Hintergrund hüpft ein großer roter Kreis aus Holz langsam auf und ab"),
        ("fr", "un grand cercle rouge en bois rebondit lentement de haut en bas sur fond noir"),
    ],
)
def test_the_plainest_sentence_is_among_the_phrasings(language: str, sentence: str) -> None:
    assert sentence in {said.text for said in sayings(scene(body()), language, n=3_000)}


def test_the_first_of_two_japanese_clauses_ends_in_its_linking_form() -> None:
    for text in texts(scene(body(), body(shape="square", motion="still", x=50)), "ja"):
        assert re.search("(弾み|跳ね)、", text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_caption_has_gaps_or_leftovers(language: str) -> None:
    draws = rng()
    for mode in Mode:
        for _ in range(300):
            text = sample_episode(draws, mode, SIZE, language=language).caption.text
            assert not re.search(r"[{}<>|/]|  |^ | $|None", text), text


def test_a_caption_depends_on_nothing_but_its_seed() -> None:
    assert caption(scene(body()), rng(5)) == caption(scene(body()), rng(5))


def shown(episode: Episode) -> tuple[object, ...]:
    pictures = [picture.tobytes() for picture in episode.references]
    return episode.scene, episode.caption, episode.source, episode.edit, episode.named, pictures


@pytest.mark.parametrize("mode", Mode)
def test_an_episode_depends_on_nothing_but_its_seed(mode: Mode) -> None:
    for seed in range(20):
        assert shown(sample_episode(rng(seed), mode, SIZE)) == shown(sample_episode(rng(seed), mode, SIZE))


@pytest.mark.parametrize("mode", Mode)
def test_training_never_sees_what_is_held_out(mode: Mode) -> None:
    draws = rng()
    for _ in range(1_000):
        episode = sample_episode(draws, mode, SIZE)
        for drawn in (episode.scene, episode.source):
            if drawn is not None:
                assert not any(map(held_out, drawn.bodies))
                assert drawn.face is None or not held_out_notes(drawn.face.notes)


@pytest.mark.parametrize("mode", [Mode.T2V, Mode.I2V, Mode.EXTEND, Mode.EDIT])
def test_a_held_out_episode_starts_from_what_training_never_sees(mode: Mode) -> None:
    draws = rng()
    for _ in range(100):
        episode = sample_episode(draws, mode, SIZE, held=True)
        drawn = episode.source or episode.scene
        assert held_out_notes(drawn.face.notes) if drawn.face else held_out(drawn.bodies[0])


@pytest.mark.parametrize(("kind", "bodies"), [("one", 1), ("two", 2), ("face", 0)])
def test_a_kind_of_scene_can_be_forced(kind: str, bodies: int) -> None:
    drawn = sample_episode(rng(), Mode.T2V, SIZE, kind=kind).scene

    assert (len(drawn.bodies), drawn.face is None) == (bodies, kind != "face")


def test_references_have_no_faces() -> None:
    with pytest.raises(ValueError, match="face"):
        sample_episode(rng(), Mode.R2V, SIZE, kind="face")


def test_each_body_wears_the_reference_that_its_name_calls() -> None:
    draws = rng()
    for _ in range(200):
        episode = sample_episode(draws, Mode.R2V, SIZE)
        assert re.findall(r"\[(\d)\]", episode.caption.text) == [str(k) for k in episode.named]
        for k, worn in zip(episode.named, episode.scene.bodies, strict=True):
            assert isinstance(worn.skin, Look)
            np.testing.assert_array_equal(reference(worn.skin, worn.shape), episode.references[k - 1])


def test_one_to_nine_references_come_and_few_more_often_than_many() -> None:
    draws = rng()
    counts = [len(sample_episode(draws, Mode.R2V, SIZE).references) for _ in range(1_000)]

    assert set(counts) == set(range(1, 10))
    assert 0.5 < np.mean(np.array(counts) <= 3) < 0.7


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Look("plain", 0.02), Look("plain", 0.98), True),
        (Look("plain", 0.20), Look("plain", 0.30), False),
        (Look("plain", 0.20), Look("dotted", 0.20), False),
    ],
)
def test_looks_are_the_same_when_pattern_and_hue_are_close(one: Look, other: Look, expected: bool) -> None:
    assert same(one, other) is expected
