"""The benchmark of the marks: what it keeps, counts and bounds."""

from __future__ import annotations

import pytest

from benchmarks.marks import Kept, outlived
from benchmarks.marks_alarms import bound


@pytest.mark.parametrize(("alarms", "pieces", "rate"), [(0, 30_000, 9.985e-5), (0, 1, 0.95), (1, 20, 0.2161)])
def test_a_rate_is_bounded_as_clopper_and_pearson_bound_it(alarms, pieces, rate):
    assert bound(alarms, pieces) == pytest.approx(rate, rel=1e-3)


def test_a_run_goes_on_from_what_others_have_kept(tmp_path):
    one, other = Kept(tmp_path / "kept"), Kept(tmp_path / "kept")
    one.add("pieces", 0, {"alarms": 1})
    other.add("pieces", 1, {"alarms": 0})

    done = Kept(tmp_path / "kept").done("pieces")

    assert {number: line["alarms"] for number, line in done.items()} == {0: 1, 1: 0}


def test_without_a_file_what_is_done_is_still_told():
    lines = Kept(None)
    lines.add("films", 3, {"read": {}})

    assert [*lines.done("films")] == [3]


def test_a_mark_counts_once_whichever_way_it_was_found():
    both = {"sounding": True, "read": {"a": {"picture": 0.9, "sound": 0.8, "both": 0.9}}}
    together = {"sounding": True, "read": {"a": {"picture": 0.0, "sound": 0.0, "both": 0.75}}}
    lost, wrong = ({"sounding": False, "read": {"a": {"wrong": is_wrong}}} for is_wrong in (False, True))

    (row,) = outlived([both, together, lost, wrong])

    assert (row.films, row.found, row.picture, row.sounding, row.sound, row.wrong) == (4, 2, 1, 2, 1, 1)
