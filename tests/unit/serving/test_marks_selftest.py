"""The weekly canary of the marks: when it is made, what it says in the log, and what readiness hears of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest

from model.media import read_film
from policies.errors import Broken
from policies.log.entry import Canary, Stamp, encode
from serving.errors import BadMedia
from serving.media.marks.c2pa import Inspected, Standing
from serving.media.marks.certificate import development
from serving.media.marks.detect import detect
from serving.media.marks.marker import CellMarker
from serving.media.marks.selftest import AGAIN, FIRST, WEEK, Outcome, SelfTest, drawn
from serving.media.marks.sighting import Sighting, sight

KEY, JOB, START = b"k" * 32, "0a" * 16, 1_795_276_800_000
REGION = "own-eu/eu-par-1"


class Clock:
    """Stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class Pen:
    """Keeps entries; `away` makes it fail."""

    def __init__(self) -> None:
        self.entries: list[Canary] = []
        self.away = False

    async def commit(self, entry) -> None:
        if self.away:
            raise Broken("the log is away")
        self.entries.append(entry)


class Reader:
    """Reads in this process, with a key that may be wrong, or sees what it is told."""

    most = 1 << 30

    def __init__(self, key=KEY, says=None) -> None:
        self.key, self.says = key, says

    async def sight(self, body: bytes) -> Sighting:
        if self.says is not None:
            raise self.says
        return sight(read_film(body, fps=Fraction(8), rate=8_000), body, key=self.key, anchors="")


@pytest.fixture(scope="module")
def credential(tmp_path_factory):
    return development(tmp_path_factory.mktemp("marks"), "eu-par", datetime.now(UTC))


@pytest.fixture
def marker(credential):
    return CellMarker(
        key=KEY, credential=credential, fetch=lambda _: b"", origin="op.example/x", cell="eu-par", jurisdiction="EU"
    )


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def made(marker, clock, tmp_path):
    def test(reader=None, pen=None):
        return SelfTest(
            marker, reader or Reader(), pen or Pen(), region=REGION, folder=tmp_path, now=clock, new_id=lambda: JOB
        )

    return test


def canary(verdict):
    return Canary(ten=f"t-{'0' * 16}", req=f"r-{JOB}", cls="public", region=REGION, dec=verdict, rules=())


def test_a_film_that_is_known_again_is_denied_to_pass_for_nobodys(made):
    pen = Pen()
    test = made(pen=pen)

    outcome = asyncio.run(test.turn())

    assert (outcome, test.missing) == (Outcome(START, True), "")
    assert pen.entries == [canary("deny")]


def test_the_log_takes_the_entry():
    stamp = Stamp(ts=START, id="0" * 32, salt="0" * 32, w=f"w-{'0' * 16}", n=0)

    assert b'"t":"canary"' in encode(canary("deny"), stamp)


def test_a_film_that_slips_through_is_logged_and_keeps_the_cell_from_being_ready(made):
    pen = Pen()
    test = made(Reader(key=b"another key of 32 bytes, surely."), pen)

    asyncio.run(test.turn())

    assert pen.entries == [canary("allow")]
    assert test.missing == "the marks: the self-test did not find the watermark of a film as it is delivered"


def test_a_detector_that_cannot_read_is_a_failure_too(made):
    test = made(Reader(says=BadMedia("body", "This cannot be read.")))

    assert not asyncio.run(test.turn()).found


def test_a_manifest_that_does_not_hold_is_a_failure_too(made):
    class Doubting(Reader):
        async def sight(self, body):
            return replace(await super().sight(body), manifest=Inspected(standing=Standing.INVALID))

    assert asyncio.run(made(Doubting()).turn()).why == "the manifest of a film as it is delivered"


def test_a_detector_that_sees_marks_everywhere_is_a_failure_too(made, marker):
    class Dreaming(Reader):
        async def sight(self, body):
            seen = await super().sight(body)
            return seen if seen.mark else replace(seen, mark=detect(marker.watermark(drawn(1), "0" * 12), KEY))

    assert asyncio.run(made(Dreaming()).turn()).why == "that an unmarked film is unmarked"


def test_a_test_that_cannot_be_logged_counts_for_nothing(made):
    pen = Pen()
    pen.away = True
    test = made(pen=pen)

    with pytest.raises(Broken):
        asyncio.run(test.turn())

    assert test.last is None


def test_a_test_is_due_once_a_week_and_sooner_after_a_failure(made, clock):
    test = made()
    due = []
    for last, later in (
        (None, FIRST - 1), (None, FIRST), (Outcome(START, True), WEEK - 1), (Outcome(START, True), WEEK),
        (Outcome(START, False, "x"), AGAIN - 1), (Outcome(START, False, "x"), AGAIN),
    ):  # fmt: skip
        test.last, clock.now = last, START + later
        due.append(test.due)

    assert due == [False, True] * 3


def test_a_restart_remembers_the_last_test(made, clock, tmp_path):
    asyncio.run(made().turn())
    clock.now += WEEK - 1

    again = made()

    assert (again.last, again.due) == (Outcome(START, True), False)


def test_what_is_kept_and_cannot_be_read_is_no_test(made, tmp_path):
    (tmp_path / "selftest.json").write_text("[]")

    assert made().last is None


def test_each_test_has_a_film_of_its_own():
    assert not np.array_equal(drawn(1).frames, drawn(2).frames)
