"""What the detector makes of the readings of one film."""

from __future__ import annotations

import numpy as np

from serving.media.marks.detect import READINGS, Readings
from serving.media.marks.payload import CHIPS, chips_of, read_many

KEY = b"k" * 32
PID = "0123456789ab"


def noisy(rng, level):
    return (chips_of(KEY, PID) + rng.normal(0, level, CHIPS)).astype(np.float32)


def junk(rng):
    return rng.normal(0, 1, CHIPS).astype(np.float32)


def found(said):
    return said.found(read_many(KEY, said.rows))


def test_a_loud_sound_does_not_drown_the_picture():
    rng = np.random.default_rng(1)

    said = found(Readings([noisy(rng, 0.3)], [1e6 * junk(rng)]))

    assert said is not None
    assert (said.pid, said.sound) == (PID, 0)


def test_what_is_silent_has_the_pictures_readings_alone():
    assert len(Readings([np.ones(CHIPS, np.float32)] * 2, ()).rows) == 2


def test_as_many_readings_are_tried_as_the_bound_of_false_alarms_counts():
    ones = np.ones(CHIPS, np.float32)

    assert len(Readings([ones] * 2, [ones] * 4).rows) == READINGS == 6
