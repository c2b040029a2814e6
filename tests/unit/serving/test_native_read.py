"""The native API's requests become wishes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.clip import Mode, Size
from serving.dialects.native.read import read
from serving.errors import BadField, BadType, CellError, Missing
from serving.wish import Given, Role, fingerprint

URL = "https://assets.example/a.png"
JOB = "0123456789abcdef0123456789abcdef"


def test_only_a_prompt_is_enough():
    wish = read({"prompt": "a ball"}, key="k")

    assert (wish.mode, wish.size, wish.seconds, wish.idempotency_key) == (Mode.T2V, Size(1280, 720), 4, "k")


@pytest.mark.parametrize(
    ("extra", "mode", "given"),
    [
        ({"image": {"url": URL}}, Mode.I2V, Given(role=Role.FIRST_FRAME, field="image.url", url=URL)),
        (
            {"references": [{"upload": "f"}]},
            Mode.R2V,
            Given(role=Role.REFERENCE, field="references.0.upload", file="f"),
        ),
        ({"source": {"job": JOB}}, Mode.EDIT, Given(role=Role.SOURCE, field="source.job", job=JOB)),
        ({"source": {"job": JOB}, "extend": True}, Mode.EXTEND, Given(role=Role.SOURCE, field="source.job", job=JOB)),
    ],
)
def test_what_is_given_decides_the_mode(extra, mode, given):
    wish = read({"prompt": "x", **extra})

    assert (wish.mode, wish.given, wish.size) == (mode, (given,), None if mode is not Mode.R2V else Size(1280, 720))


@pytest.mark.parametrize(
    ("body", "error", "field"),
    [
        ({}, Missing, "prompt"),
        ({"prompt": " "}, Missing, "prompt"),
        ({"prompt": 7}, BadType, "prompt"),
        ({"prompt": "x\0"}, BadField, "prompt"),
        ({"prompt": "x", "colour": "red"}, BadField, "colour"),
        ({"prompt": "x", "seconds": 16}, BadField, "seconds"),
        ({"prompt": "x", "seconds": "many"}, BadType, "seconds"),
        ({"prompt": "x", "size": "big"}, BadField, "size"),
        ({"prompt": "x", "image": {}}, BadField, "image"),
        ({"prompt": "x", "image": {"url": URL, "upload": "f"}}, BadField, "image"),
        ({"prompt": "x", "image": {"url": "data:image/png;base64,AAAA"}}, BadField, "image.url"),
        ({"prompt": "x", "source": {"job": "short"}}, BadField, "source.job"),
        ({"prompt": "x", "extend": True}, Missing, "source"),
        ({"prompt": "x", "webhook": "http://a.example/"}, BadField, "webhook"),
        ({"prompt": "x", "webhook": "https://me:pw@a.example/"}, BadField, "webhook"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(body, error, field):
    with pytest.raises(BadField) as refused:
        read(body)

    assert (type(refused.value), refused.value.field) == (error, field)


def test_a_misspelt_field_is_named_with_where_to_look():
    with pytest.raises(BadField, match=r"^sise: there is no such field\. /v1/jobs/openapi\.json lists"):
        read({"prompt": "x", "sise": "64x64"})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from([URL, JOB, "64x64"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["url", "job", "data", "upload", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)
FIELDS = [
    "prompt",
    "model",
    "size",
    "seconds",
    "seed",
    "audio",
    "image",
    "references",
    "source",
    "extend",
    "webhook",
    "metadata",
]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6))
def test_whatever_comes_is_a_wish_or_a_refusal(body):
    for asked in (body, {"prompt": "x", **body}):
        try:
            fingerprint(read(asked))
        except CellError:
            continue
