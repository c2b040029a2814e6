"""What a class of service promises, whether it was kept, and how an hour went."""

from __future__ import annotations

import json
import random
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from policies.clip_facts import ClipFacts, Mode, Resolution
from policies.errors import Malformed, PolicyError, Refused
from policies.log.entry import SlaWindow, Stamp, encode
from policies.promises import Kept, Promise, Run, Timing, kept, promise, seat
from policies.sla import MILLION, Availability, Rejection, load_sla, parse_sla
from policies.sla_windows import HOUR_MS, Bucket, Outcome, Window, availability, merge, percentile, tally

SLA = load_sla()
BOUNDS = SLA.bounds_ms
STANDARD = SLA.by_name("standard")
PROMISE = Promise(service="standard", percentile=95, queue_wait_ms=1_000, video_ms=60_000)
NOW = 1_800_000_000_000
TENANT, REGION = "t-0123456789abcdef", "scaleway/fr-par"

clips = st.builds(
    ClipFacts,
    mode=st.sampled_from(Mode),
    resolution=st.sampled_from(Resolution),
    output_ms=st.integers(1, 60_000),
    input_ms=st.integers(0, 60_000),
)
services = st.sampled_from(SLA.services)
times = st.integers(0, 2 * BOUNDS[-1])


def film(video_ms=5_000, waited_ms=0, at=NOW, tenant=TENANT, region=REGION):
    timing = Timing(waited_ms=waited_ms, video_ms=video_ms)
    return Outcome(tenant=tenant, region=region, at=at, promise=PROMISE, timing=timing)


def failure(at=NOW):
    return Outcome(tenant=TENANT, region=REGION, at=at, promise=PROMISE)


def rejection(reason, at=NOW):
    return Outcome(tenant=TENANT, region=REGION, at=at, rejection=reason)


outcomes = st.lists(
    st.one_of(
        st.builds(
            film,
            times,
            times,
            st.integers(NOW, NOW + 3 * HOUR_MS),
            st.sampled_from([TENANT, "t-0000000000000002"]),
            st.sampled_from([REGION, "iij/jp-tyo"]),
        ),
        st.builds(failure, st.integers(NOW, NOW + 3 * HOUR_MS)),
        st.builds(rejection, st.sampled_from(Rejection), st.integers(NOW, NOW + 3 * HOUR_MS)),
    ),
    max_size=30,
)


def whole(found):
    """All these outcomes as one window."""
    windows = tally(found, BOUNDS).values()
    total = Window(count=0, ok=0, kept=0, histogram=(0,) * (len(BOUNDS) + 1))
    for window in windows:
        total = merge(total, window)
    return total


# Promises


@given(services, clips, st.integers(0, 10_000))
def test_a_longer_clip_is_never_promised_earlier(service, clip, more):
    longer = ClipFacts(
        mode=clip.mode, resolution=clip.resolution, output_ms=clip.output_ms + more, input_ms=clip.input_ms
    )

    assert promise(service, clip).video_ms <= promise(service, longer).video_ms


@given(clips)
def test_a_dearer_class_promises_no_more_time_and_no_less_availability(clip):
    batch, standard, priority = (SLA.by_name(name) for name in ("batch", "standard", "priority"))

    for slow, fast in ((batch, standard), (standard, priority)):
        assert promise(fast, clip).video_ms <= promise(slow, clip).video_ms
        assert fast.queue_wait_ms <= slow.queue_wait_ms
        assert fast.availability.inside >= slow.availability.inside


def test_a_promise_counts_the_wait_the_start_and_each_second_that_has_begun():
    clip = ClipFacts(mode=Mode.EDIT, resolution=Resolution.P720, output_ms=5_001, input_ms=4_000)

    assert promise(STANDARD, clip).video_ms == 300_000 + 20_000 + 10 * 18_000


def test_exactly_on_time_is_in_time():
    assert kept(PROMISE, Timing(waited_ms=1_000, video_ms=60_000)) == Kept(wait=True, video=True)
    assert kept(PROMISE, Timing(waited_ms=1_001, video_ms=60_000)) == Kept(wait=False, video=True)
    assert kept(PROMISE, Timing(waited_ms=1_000, video_ms=60_001)) == Kept(wait=True, video=False)


def test_whether_a_promise_was_kept_has_two_answers():
    with pytest.raises(TypeError):
        bool(Kept(wait=True, video=False))


# Never spill over


regions = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(regions, st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 3_000)))
def test_a_request_waits_or_is_refused_and_never_goes_where_it_may_not(eligible, waits):
    found = seat(eligible, waits, PROMISE)

    if isinstance(found, Run):
        assert found.region in eligible
        assert found.wait_ms == min(waits[each] for each in eligible if each in waits) <= PROMISE.queue_wait_ms
    else:
        assert (found is Rejection.NO_COMPLIANT_REGION) == (set(eligible).isdisjoint(waits))


def test_an_idle_region_outside_the_boundary_does_not_help():
    assert seat(["eu"], {"us": 0}, PROMISE) is Rejection.NO_COMPLIANT_REGION
    assert seat(["eu"], {"us": 0, "eu": 1_001}, PROMISE) is Rejection.QUEUE_FULL
    assert seat(["eu"], {"us": 0, "eu": 1_000}, PROMISE) == Run("eu", 1_000)


# Hours


@given(outcomes)
def test_windows_account_for_every_request(found):
    for window in tally(found, BOUNDS).values():
        failed = window.count - window.ok - sum(window.rejections.values())
        assert failed >= 0
        assert window.ok == sum(window.histogram) >= window.kept
    assert whole(found).count == len(found)


@given(outcomes, st.randoms(use_true_random=False))
def test_the_order_of_requests_does_not_matter(found, chance):
    shuffled = list(found)
    chance.shuffle(shuffled)

    assert tally(shuffled, BOUNDS) == tally(found, BOUNDS)


@given(outcomes, st.integers(0, 30))
def test_windows_add_up(found, cut):
    assert merge(whole(found[:cut]), whole(found[cut:])) == whole(found)


@given(st.lists(times, min_size=1, max_size=60), st.integers(1, 100))
def test_a_percentile_of_the_histogram_holds_the_true_one(taken, percent):
    exact = sorted(taken)[-(-len(taken) * percent // 100) - 1]

    bucket = percentile(whole([film(each) for each in taken]), percent, BOUNDS)

    assert bucket is not None
    assert bucket.low < exact or exact == bucket.low == 0
    assert bucket.high is None or exact <= bucket.high


@given(st.lists(times, min_size=1, max_size=30))
def test_percentiles_rise(taken):
    window = whole([film(each) for each in taken])

    lows = [bucket.low for percent in (1, 50, 95, 99, 100) if (bucket := percentile(window, percent, BOUNDS))]
    assert (len(lows), lows) == (5, sorted(lows))


def test_an_hour_without_films_has_no_percentile():
    assert percentile(whole([failure()]), 95, BOUNDS) is None


def test_a_time_on_a_bound_belongs_below_it_and_beyond_the_last_there_is_no_end():
    assert percentile(whole([film(BOUNDS[3])]), 50, BOUNDS) == Bucket(BOUNDS[2], BOUNDS[3])
    assert percentile(whole([film(BOUNDS[-1] + 1)]), 50, BOUNDS) == Bucket(BOUNDS[-1], None)


def test_an_hour_ends_where_the_next_begins():
    hour = NOW // HOUR_MS
    start = hour * HOUR_MS

    found = tally([film(at=start), film(at=start + HOUR_MS - 1), film(at=start + HOUR_MS)], BOUNDS)

    assert {place.hour: window.count for place, window in found.items()} == {
        start // HOUR_MS: 2,
        start // HOUR_MS + 1: 1,
    }


def test_a_clock_that_jumps_back_only_fills_an_earlier_hour():
    found = tally([film(at=NOW), film(at=NOW - 5 * HOUR_MS), film(at=NOW)], BOUNDS)

    assert sorted(window.count for window in found.values()) == [1, 2]


def test_windows_of_different_buckets_are_not_added():
    one, other = (next(iter(tally([film()], bounds).values())) for bounds in ((1,), (1, 2)))

    with pytest.raises(Refused, match="different buckets"):
        merge(one, other)


def test_a_rejected_request_has_no_film():
    with pytest.raises(Refused):
        Outcome(
            tenant=TENANT,
            region=REGION,
            at=NOW,
            promise=PROMISE,
            timing=Timing(waited_ms=0, video_ms=0),
            rejection=Rejection.QUEUE_FULL,
        )


@given(outcomes)
def test_a_window_is_an_entry_that_the_log_takes(found):
    stamp = Stamp(ts=NOW, id="0" * 32, salt="1" * 32, w="w-0123456789abcdef", n=0)

    for place, window in tally(found, BOUNDS).items():
        assert json.loads(encode(SlaWindow(**window.entry(place)), stamp))["count"] == window.count


# Availability and credits


@given(outcomes)
def test_availability_in_total_is_never_above_that_inside_the_boundary(found):
    reached = availability(whole(found))

    assert 0 <= reached.total <= reached.inside <= MILLION


@given(outcomes, st.sampled_from([Rejection.RATE_LIMITED, Rejection.TOO_LONG]))
def test_a_mistake_of_the_client_changes_no_availability(found, reason):
    assert availability(whole([*found, rejection(reason)])) == availability(whole(found))


@given(outcomes)
def test_a_boundary_without_capacity_shows_in_total_and_not_inside(found):
    assume(any(each.timing for each in found))
    before, after = (availability(whole(each)) for each in (found, [*found, rejection(Rejection.NO_COMPLIANT_REGION)]))

    assert (after.inside, after.total < before.total) == (before.inside, True)


@given(outcomes, st.sampled_from([Rejection.QUEUE_FULL, Rejection.UNAVAILABLE, None]))
def test_what_is_our_fault_shows_in_both(found, reason):
    assume(any(each.timing for each in found))
    worse = [*found, failure() if reason is None else rejection(reason)]
    before, after = availability(whole(found)), availability(whole(worse))

    assert after.inside < before.inside
    assert after.total < before.total


def test_where_nothing_was_asked_nothing_failed():
    assert availability(whole([])) == Availability(inside=MILLION, total=MILLION)


@given(services, st.integers(0, MILLION), st.integers(0, MILLION))
def test_worse_availability_never_gives_less_back(service, one, other):
    low, high = sorted((one, other))

    assert service.credit(low) >= service.credit(high)
    assert service.credit(service.availability.inside) == 0


def test_credits_begin_just_below_their_mark():
    assert [STANDARD.credit(inside) for inside in (995_000, 994_999, 989_999, 949_999)] == [0, 10, 25, 50]


# The document


def changed(**fields):
    return json.dumps({**SLA.model_dump(mode="json", by_alias=True), **fields}).encode()


def service(**fields):
    return [{**STANDARD.model_dump(mode="json"), **fields}]


def test_the_document_is_read_back():
    assert parse_sla(changed()) == SLA


def test_a_digest_depends_on_every_promise():
    assert parse_sla(changed(services=service(percentile=94))).digest != SLA.digest


def test_a_class_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(Refused, match="batch, standard, priority"):
        SLA.by_name("gold")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'{"v": 1, "v": 2}', "twice"),
        (changed(v="equerry.sla/2"), "v"),
        (changed(bounds_ms=[2, 1]), "rise"),
        (changed(bounds_ms=[1, 1]), "rise"),
        (changed(bounds_ms=[]), "bounds_ms"),
        (changed(services=[]), "services"),
        (changed(services=service() * 2), "twice"),
        (changed(services=service(percentile=100)), "percentile"),
        (changed(services=service(queue_wait_ms=0.5)), "queue_wait_ms"),
        (changed(services=service(video=[])), "video"),
        (changed(services=service(video=STANDARD.model_dump(mode="json")["video"][:2])), "needs each of"),
        (changed(services=service(availability={"inside": 1, "total": 2})), "cannot be higher"),
        (changed(services=service(credits=[{"below": 999_999, "percent": 1}])), "although the promise is kept"),
        (changed(services=service(credits=[{"below": 1, "percent": 101}])), "percent"),
        (changed(extra=1), "extra"),
    ],
)
def test_a_document_that_does_not_hold_is_refused_at_the_field_that_is_wrong(text, words):
    with pytest.raises(Malformed, match=words):
        parse_sla(text)


@given(st.binary(max_size=400))
def test_no_bytes_make_the_parser_crash(text):
    with pytest.raises(PolicyError):
        parse_sla(text)


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_no_altered_byte_makes_the_parser_crash(place, chance: random.Random):
    text = bytearray(changed())
    text[place % len(text)] = chance.randrange(256)

    with suppress(Malformed):
        parse_sla(bytes(text))
