"""Three notations of a size end in the same pixels."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.clip import Size
from serving.dialects.sizes import RATIOS, TIERS, bucket, following, ratio_of, read_size, tier_of
from serving.errors import BadField

EVEN = st.integers(16, 1104).map(lambda half: 2 * half)


@given(EVEN, EVEN, st.sampled_from("xX*×"))
def test_every_notation_of_a_size_is_read(width, height, sign):
    assert read_size(f"{width}{sign}{height}") == Size(width, height)


@pytest.mark.parametrize(
    "text", ["", "1280", "1280x", "axb", "0x0", "31x64", "65x64", "2210x64", "64x64x64", "-64x64", "٦٤x64"]
)
def test_other_texts_are_refused_with_their_field(text):
    with pytest.raises(BadField) as refused:
        read_size(text, "parameters.size")

    assert refused.value.field == "parameters.size"


@given(st.text())
def test_whatever_the_text_is_the_answer_is_a_size_or_a_refusal(text):
    with suppress(BadField):
        assert isinstance(read_size(text), Size)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("tier", TIERS)
def test_a_bucket_is_found_again_by_its_tier_and_its_ratio(tier, ratio):
    size = bucket(tier, ratio)

    assert (tier_of(size), ratio_of(size)) == (tier, ratio)
    assert read_size(str(size)) == size


def test_buckets_are_the_documented_ones():
    assert [str(bucket(tier, "16:9")) for tier in TIERS] == ["832x480", "1280x720", "1920x1080"]
    assert [str(bucket(720, ratio)) for ratio in ("9:16", "1:1", "3:4", "9:21")] == [
        *("720x1280", "960x960", "832x1104", "624x1456"),
    ]


@given(st.integers(1, 8_192), st.integers(1, 8_192), st.sampled_from([None, *TIERS]))
def test_a_film_that_follows_a_picture_always_has_a_size_that_can_be_made(width, height, tier):
    size = following(Size(width, height), tier)

    assert read_size(str(size)) == size


@given(st.integers(300, 3_000), st.integers(300, 3_000), st.sampled_from([480, 720]))
def test_a_film_that_follows_a_picture_keeps_its_shape_and_the_tiers_area(width, height, tier):
    if not 0.4 <= width / height <= 2.5:
        return
    size = following(Size(width, height), tier)

    assert size.width / size.height == pytest.approx(width / height, rel=0.02)
    assert size.width * size.height == pytest.approx(TIERS[tier], rel=0.02)
