"""OpenAI's requests become wishes, in whatever encoding and with whatever extensions they come."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.clip import Mode, Size
from serving.dialects.forms import tree
from serving.dialects.media import File
from serving.dialects.names import NAMES
from serving.dialects.openai_videos.read import Attempt, read, read_edit, read_extend, read_remix
from serving.errors import BadField, BadMedia, BadType, CellError, Missing, UnknownModel
from serving.wish import Audio, Given, Role, Wish, fingerprint

JOB = "0123456789abcdef0123456789abcdef"
URL = "https://assets.example/a.png"
DATA = "data:image/png;base64,AAAA"


def test_only_a_prompt_gives_the_vendors_defaults():
    assert read({"prompt": "a ball"}) == Wish(
        dialect="openai", model="sora-2", mode=Mode.T2V, prompt="a ball", size=Size(720, 1280), seconds=4, seed=None
    )


def test_a_form_and_json_give_the_same_wish():
    form = [("prompt", "[Image 1] runs"), ("seconds", "8"), ("size", "1280x720"), ("seed", "7"), ("audio", "false")]
    form += [("media[][type]", "reference_image"), ("media[][type]", "reference_image")]
    form += [("media[][url]", URL), ("media[][url]", DATA), ("metadata[n]", "1"), ("metadata[m]", "2")]
    media = [{"type": "reference_image", "url": URL}, {"type": "reference_image", "url": DATA}]
    body = {"prompt": "[Image 1] runs", "seconds": 8, "size": "1280x720", "seed": 7, "audio": False, "media": media}

    wish = read(tree(form))

    assert wish == read({**body, "metadata": {"n": 1, "m": "2"}})
    assert wish == read({**body, "media": json.dumps(media), "metadata": '{"n": "1", "m": "2"}'})
    assert (wish.mode, wish.said, wish.audio, wish.seconds) == (Mode.R2V, "[1] runs", Audio.NONE, 8)


@pytest.mark.parametrize("seconds", ["8", 8, 8.0, "8.0", " 8 "])
def test_seconds_come_as_text_or_as_numbers(seconds):
    assert read({"prompt": "x", "seconds": seconds}).seconds == 8


@pytest.mark.parametrize(
    ("extra", "size"),
    [
        ({"size": "1792x1024"}, Size(1792, 1024)),
        ({"size": "64*64"}, Size(64, 64)),
        ({"width": 640, "height": "480"}, Size(640, 480)),
        ({"resolution": "1080p"}, Size(1920, 1080)),
        ({"aspect_ratio": "1:1"}, Size(960, 960)),
        ({"resolution": "480P", "ratio": "9:16"}, Size(480, 832)),
        ({"extra_body": {"size": "64x64"}}, Size(64, 64)),
        ({"extra_params": '{"size": "64x64"}'}, Size(64, 64)),
    ],
)
def test_a_size_has_many_spellings(extra, size):
    assert read({"prompt": "x", **extra}).size == size


@pytest.mark.parametrize(
    ("extra", "mode", "given"),
    [
        (
            {"input_reference": File("a", b"1")},
            Mode.I2V,
            Given(role=Role.FIRST_FRAME, field="input_reference", body=b"1"),
        ),
        (
            {"input_reference": [File("a", b"1")]},
            Mode.I2V,
            Given(role=Role.FIRST_FRAME, field="input_reference[0]", body=b"1"),
        ),
        (
            {"input_reference": {"image_url": URL}},
            Mode.I2V,
            Given(role=Role.FIRST_FRAME, field="input_reference[image_url]", url=URL),
        ),
        (
            {"input_reference": {"file_id": "file-1"}},
            Mode.I2V,
            Given(role=Role.FIRST_FRAME, field="input_reference[file_id]", file="file-1"),
        ),
        (
            {"image_reference": json.dumps({"image_url": DATA})},
            Mode.I2V,
            Given(role=Role.FIRST_FRAME, field="image_reference[image_url]", body=b"\0\0\0"),
        ),
        ({"reference_images": [URL]}, Mode.R2V, Given(role=Role.REFERENCE, field="reference_images[0]", url=URL)),
        (
            {"input_references": [{"type": "image_url", "image_url": {"url": URL}}]},
            Mode.R2V,
            Given(role=Role.REFERENCE, field="input_references[0][image_url]", url=URL),
        ),
        ({"video": {"id": f"video_{JOB}"}}, Mode.EDIT, Given(role=Role.SOURCE, field="video[id]", job=JOB)),
        (
            {"media": [{"type": "first_clip", "url": URL}]},
            Mode.EXTEND,
            Given(role=Role.SOURCE, field="media[0].url", url=URL),
        ),
    ],
)
def test_what_is_given_decides_the_mode(extra, mode, given):
    wish = read({"prompt": "x", **extra})

    assert (wish.mode, wish.given) == (mode, (given,))


def test_several_pictures_are_references_in_the_clients_order():
    form: list[tuple[str, str | File]] = [
        ("prompt", "x"),
        ("input_reference[]", File("a", b"1")),
        ("input_reference[]", File("b", b"2")),
    ]

    assert [(each.role, each.body) for each in read(tree(form)).given] == [
        (Role.REFERENCE, b"1"),
        (Role.REFERENCE, b"2"),
    ]


def test_a_model_that_takes_references_takes_one_picture_as_a_reference():
    wish = read({"prompt": "x", "model": "happyhorse-1.1-r2v", "input_reference": URL})

    assert (wish.mode, wish.given[0].role) == (Mode.R2V, Role.REFERENCE)


def test_an_edit_follows_its_film_and_an_extension_adds_to_it():
    video = {"prompt": "x", "video": {"id": f"video_{JOB}"}}

    edit, extend = read_edit(video, model="pony"), read_extend({**video, "seconds": "6"}, model="pony")

    assert (edit.mode, edit.model, edit.size, edit.seconds, edit.more) == (Mode.EDIT, "pony", None, None, None)
    assert (extend.mode, extend.seconds, extend.more) == (Mode.EXTEND, None, 6)


def test_a_remix_keeps_the_model_of_its_source_even_one_that_only_reads_text():
    wish = read_remix({"prompt": "green"}, JOB, "happyhorse-1.1-t2v")

    assert (wish.mode, wish.model, wish.given[0].job) == (Mode.EDIT, "happyhorse-1.1-t2v", JOB)


@pytest.mark.parametrize(
    ("body", "error", "field"),
    [
        ({}, Missing, "prompt"),
        ({"prompt": "  "}, Missing, "prompt"),
        ({"prompt": 7}, BadType, "prompt"),
        ({"prompt": "x" * 5_001}, BadField, "prompt"),
        ({"prompt": "\ud800"}, BadField, "prompt"),
        ({"prompt": "x\0"}, BadField, "prompt"),
        ({"prompt": "x", "seconds": "16"}, BadField, "seconds"),
        ({"prompt": "x", "seconds": "4.5"}, BadField, "seconds"),
        ({"prompt": "x", "seconds": [4]}, BadType, "seconds"),
        ({"prompt": "x", "seconds": True}, BadType, "seconds"),
        ({"prompt": "x", "size": "big"}, BadField, "size"),
        ({"prompt": "x", "width": 64}, Missing, "height"),
        ({"prompt": "x", "seed": -1}, BadField, "seed"),
        ({"prompt": "x", "seed": 2**31}, BadField, "seed"),
        ({"prompt": "x", "audio": "perhaps"}, BadField, "audio"),
        ({"prompt": "x", "model": "happyhorse-1.1-i2v"}, Missing, "input_reference"),
        ({"prompt": "x", "model": "happyhorse-1.1-t2v", "input_reference": URL}, BadField, "input_reference"),
        ({"prompt": "x", "input_reference": "ftp://x"}, BadMedia, "input_reference"),
        ({"prompt": "x", "input_reference": File("a", b"")}, BadMedia, "input_reference"),
        ({"prompt": "x", "input_reference": "data:image/png;base64,?"}, BadMedia, "input_reference"),
        ({"prompt": "x", "input_reference": {"image_url": URL, "file_id": "f"}}, BadField, "input_reference"),
        ({"prompt": "x", "last_frame": URL}, BadField, "last_frame"),
        ({"prompt": "x", "audio_url": URL}, BadField, "audio_url"),
        ({"prompt": "x", "characters": [{"id": "char_1"}]}, BadField, "characters"),
        ({"prompt": "x", "media": [{"type": "last_frame", "url": URL}]}, BadField, "media[0].type"),
        ({"prompt": "x", "media": "[{"}, BadField, "media"),
        ({"prompt": "x", "video": {"id": "video_1"}}, BadMedia, "video[id]"),
        ({"prompt": "x", "metadata": "words"}, BadType, "metadata"),
        ({"prompt": "x", "reference_images": [URL] * 10}, BadField, "reference_images"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(body, error, field):
    with pytest.raises(BadField) as refused:
        read(body)

    assert (type(refused.value), refused.value.field) == (error, field)


def test_an_unknown_model_is_not_guessed():
    with pytest.raises(UnknownModel, match="list of models"):
        read({"prompt": "x", "model": "sora-3"})


def test_what_means_nothing_here_is_named_rather_than_lost():
    assert read({"prompt": "x", "guidance_scale": "5.5", "negative_prompt": "y"}).ignored == (
        *("guidance_scale", "negative_prompt"),
    )


def test_a_name_that_is_no_text_is_made_plain():
    assert read({"prompt": "x", "\ud800": 1, "a\x00\nb": 2}).ignored == ("a\ufffd\ufffdb", "\ufffd")


def kept(wish: Wish) -> bytes:
    """A wish as a database takes it: all its text is UTF-8."""
    return json.dumps(asdict(wish), default=repr, ensure_ascii=False).encode()


def test_the_same_request_has_the_same_print_whatever_attempt_it_is():
    body = {"prompt": "x", "input_reference": File("a", b"1")}
    first, second = read(body), read(body, Attempt(key="k", retried=True))

    assert fingerprint(first) == fingerprint(second)
    assert fingerprint(first) != fingerprint(read({**body, "input_reference": File("a", b"2")}))
    assert fingerprint(first) != fingerprint(read({**body, "seed": 1}))


LETTERS = st.characters() | st.just("\ud800")  # JSON can spell half a character
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(LETTERS, max_size=20)
    | st.just(File("a", b"x"))
    | st.sampled_from([URL, DATA, "8", "64x64", f"video_{JOB}", "first_frame", "video", "[]", "{}", "[1]"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "url", "id", "image_url", "file_id", "\ud800"]), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMED = [
    *("prompt", "model", "seconds", "size", "seed", "input_reference", "media", "reference_images", "metadata", "user"),
    *("input_references", "video", "image_reference", "extra_body", "extra_params", "audio", "width", "height"),
    *("num_frames", "fps", "ratio", "resolution", "watermark", "characters", "audio_setting", "video_reference"),
]


@given(
    st.dictionaries(st.sampled_from(NAMED) | st.text(LETTERS, max_size=5), VALUES, max_size=6),
    st.sampled_from(sorted(NAMES)),
)
def test_whatever_comes_is_a_wish_or_a_refusal(body, model):
    for reader in (read, read_edit, read_extend):
        for asked in (body, {"prompt": "x", "model": model, **body}):
            try:
                wish = reader(asked)
            except CellError:
                continue
            fingerprint(wish)
            assert kept(wish)


@given(
    st.lists(
        st.tuples(
            st.text("ab[]", max_size=8) | st.sampled_from(["m[][t]", "m[][u]", "m[k]", "m[]"]), st.text(max_size=3)
        )
    )
)
def test_whatever_a_forms_parts_are_called_they_are_a_tree_or_a_refusal(parts):
    with suppress(BadField):
        assert isinstance(tree(parts), dict)


def test_objects_in_a_list_pair_their_parts_by_order():
    parts = [("m[][t]", "1"), ("m[][t]", "2"), ("m[][u]", "a"), ("m[][u]", "b"), ("m[][k][d]", "x"), ("l[]", "y")]

    assert tree(parts) == {"m": [{"t": "1", "u": "a", "k": {"d": "x"}}, {"t": "2", "u": "b"}], "l": ["y"]}
