"""DashScope's requests become wishes, whichever of its three clients wrote them."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.clip import Mode, Size
from serving.dialects.dashscope.read import read
from serving.dialects.names import NAMES
from serving.errors import BadField, BadMedia, BadType, CellError, Missing, UnknownModel
from serving.wish import Audio, Given, Role, Wish, fingerprint

URL = "https://assets.example/a.png"
OSS = "oss://dashscope-instant/t1/2026-11-21/9f/b.png"
HORSE = "happyhorse-1.1"


def body(model, inputs=None, **parameters):
    return {"model": model, "input": {"prompt": "x"} if inputs is None else inputs, "parameters": parameters}


def test_a_happyhorse_of_words_has_the_vendors_defaults():
    assert read(body(f"{HORSE}-t2v")) == Wish(
        dialect="dashscope",
        model=f"{HORSE}-t2v",
        mode=Mode.T2V,
        prompt="x",
        size=Size(1920, 1080),
        seconds=5,
        seed=None,
        watermark=True,
    )


def test_the_noise_of_the_older_clients_is_no_field():
    noisy = {"prompt": "x", "extend_prompt": True, "function": "video-synthesis"}

    assert read(body(f"{HORSE}-t2v", noisy)) == read({"model": f"{HORSE}-t2v", "input": {"prompt": "x"}})


def test_a_name_that_is_no_text_is_made_plain():
    assert read(body(f"{HORSE}-t2v", {"prompt": "x", "\ud800": 1})).ignored == ("\ufffd",)


@pytest.mark.parametrize("alias", ["img_url", "first_frame_url", "head_frame"])
@pytest.mark.parametrize("model", [f"{HORSE}-i2v", "wan2.6-i2v", "wan2.5-i2v-preview", "wan2.7-i2v"])
def test_every_old_name_of_a_first_frame_is_one(alias, model):
    wish = read(body(model, {alias: OSS}))

    assert (wish.mode, wish.size, wish.tier) == (Mode.I2V, None, 1080)
    assert wish.given == (Given(role=Role.FIRST_FRAME, field=f"input.{alias}", url=OSS),)
    assert wish.said  # a picture may come without words


def test_a_key_of_an_upload_may_have_spaces_and_an_address_may_not():
    spaced = "oss://dashscope-instant/t1/2026-11-21/9f/my picture.png"

    assert read(body(f"{HORSE}-i2v", {"img_url": spaced})).given[0].url == spaced
    with pytest.raises(BadMedia):
        read(body(f"{HORSE}-i2v", {"img_url": "https://a.example/my picture.png"}))


def test_media_keep_the_order_of_the_client_and_pictures_are_named_in_the_models_way():
    media = [{"type": "reference_image", "url": url} for url in (URL, OSS)]
    wish = read(body(f"{HORSE}-r2v", {"prompt": "[Image 1] and character2 dance, Image 3 not", "media": media}))

    assert [each.url for each in wish.given] == [URL, OSS]
    assert (wish.mode, wish.said) == (Mode.R2V, "[1] and [2] dance, Image 3 not")


def test_old_reference_lists_are_references():
    wish = read(body("wan2.6-r2v", {"prompt": "character1 runs", "reference_urls": [URL, OSS]}, size="1280*720"))

    assert [(each.role, each.url) for each in wish.given] == [(Role.REFERENCE, URL), (Role.REFERENCE, OSS)]
    assert (wish.size, wish.said) == (Size(1280, 720), "[1] runs")


def test_an_edit_follows_its_film_and_may_keep_its_sound():
    media = [{"type": "video", "url": URL}, {"type": "reference_image", "url": OSS}]
    wish = read(body("happyhorse-1.0-video-edit", {"prompt": "x", "media": media}, audio_setting="origin"))

    assert (wish.mode, wish.size, wish.tier, wish.seconds, wish.audio) == (Mode.EDIT, None, None, None, Audio.ORIGIN)
    assert [each.role for each in wish.given] == [Role.SOURCE, Role.REFERENCE]


def test_a_first_clip_is_continued():
    wish = read(body("wan2.7-i2v", {"prompt": "x", "media": [{"type": "first_clip", "url": URL}]}, duration=10))

    assert (wish.mode, wish.seconds) == (Mode.EXTEND, 10)


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({"resolution": "720P", "ratio": "9:16"}, Size(720, 1280)),
        ({"resolution": "720p"}, Size(1280, 720)),
        ({"ratio": "1:1"}, Size(1440, 1440)),
        ({"size": "832*480"}, Size(832, 480)),
        ({"size": "64x64", "resolution": "720P"}, Size(64, 64)),
    ],
)
def test_sizes_come_as_pixels_or_as_resolution_and_ratio(parameters, size):
    assert read(body(f"{HORSE}-t2v", **parameters)).size == size


@pytest.mark.parametrize("where", ["input", "parameters"])
def test_some_fields_count_at_either_level(where):
    asked = body("wan2.6-t2v")
    asked[where] = {**asked[where], "seed": 7, "audio": False}

    assert (read(asked).seed, read(asked).audio) == (7, Audio.NONE)


@pytest.mark.parametrize(
    ("model", "prompt", "most"),
    [(f"{HORSE}-t2v", "a", 5_000), (f"{HORSE}-t2v", "马", 2_500), ("wan2.6-t2v", "a", 1_500)],
)
def test_long_prompts_are_cut_for_the_model_and_whole_for_the_client(model, prompt, most):
    wish = read(body(model, {"prompt": prompt * 6_000}))

    assert (len(wish.prompt), wish.said) == (6_000, prompt * most)


@pytest.mark.parametrize(
    ("asked", "error", "field"),
    [
        ({}, Missing, "model"),
        ({"model": 7}, BadType, "model"),
        (body(f"{HORSE}-t2v", {}), Missing, "input.prompt"),
        (body(f"{HORSE}-t2v", {"prompt": None}), Missing, "input.prompt"),
        ({"model": f"{HORSE}-t2v", "input": "x"}, BadType, "input"),
        ({"model": f"{HORSE}-t2v", "input": {"prompt": "x"}, "parameters": [1]}, BadType, "parameters"),
        (body(f"{HORSE}-t2v", duration=2), BadField, "parameters.duration"),
        (body(f"{HORSE}-t2v", duration=16), BadField, "parameters.duration"),
        (body("wan2.5-t2v-preview", duration=7), BadField, "parameters.duration"),
        (body(f"{HORSE}-t2v", resolution="4K"), BadField, "parameters.resolution"),
        (body(f"{HORSE}-t2v", ratio="2:1"), BadField, "parameters.ratio"),
        (body(f"{HORSE}-t2v", size="1*1"), BadField, "parameters.size"),
        (body(f"{HORSE}-t2v", seed="many"), BadField, "parameters.seed"),
        (body(f"{HORSE}-i2v"), Missing, "input.media"),
        (body("wan2.7-i2v"), Missing, "input.media"),
        (body(f"{HORSE}-r2v"), Missing, "input.media"),
        (body("happyhorse-1.0-video-edit"), Missing, "input.media"),
        (body(f"{HORSE}-t2v", {"prompt": "x", "img_url": URL}), BadField, "input.img_url"),
        (body(f"{HORSE}-i2v", {"img_url": "C:/a.png"}), BadMedia, "input.img_url"),
        (body("wan2.6-t2v", {"prompt": "x", "audio_url": URL}), BadField, "input.audio_url"),
        (body("wan2.7-i2v", {"media": [{"type": "last_frame", "url": URL}]}), BadField, "input.media[0].type"),
        (body("wan2.7-i2v", {"media": [{"type": "first_frame"}]}), Missing, "input.media[0].url"),
        (body("wan2.7-i2v", {"media": ["x"]}), BadType, "input.media[0]"),
        (body("wan2.6-r2v", {"prompt": "x", "reference_urls": [URL] * 6}), BadField, "input.reference_urls[5]"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(asked, error, field):
    with pytest.raises(BadField) as refused:
        read(asked)

    assert (type(refused.value), refused.value.field) == (error, field)


def test_a_model_that_nobody_has_is_unknown():
    with pytest.raises(UnknownModel):
        read(body("wan9.9-t2v"))


LETTERS = st.characters() | st.just("\ud800")  # JSON can spell half a character
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(LETTERS, max_size=20)
    | st.sampled_from([URL, OSS, "64*64", "720P"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "url", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
INNER = st.dictionaries(
    st.sampled_from(
        [
            "prompt",
            "media",
            "img_url",
            "reference_urls",
            "video_url",
            "seed",
            "size",
            "duration",
            "ratio",
            "audio",
            "watermark",
            "\ud800",
        ]
    ),
    VALUES,
    max_size=5,
)


@given(st.sampled_from(sorted(NAMES)), INNER | VALUES, INNER | VALUES)
def test_whatever_comes_is_a_wish_or_a_refusal(model, inputs, parameters):
    try:
        wish = read({"model": model, "input": inputs, "parameters": parameters})
    except CellError:
        return
    fingerprint(wish)
    assert json.dumps(asdict(wish), default=repr, ensure_ascii=False).encode()  # as a database takes it
