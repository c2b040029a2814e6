"""What a watermark carries: an id, a check and a code, scrambled by a key."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.media.marks.detect import LIKE
from serving.media.marks.payload import CHIPS, _coded, _decoded, chips_of, pid_of, read_chips, read_many

KEY, OTHER = b"k" * 32, b"o" * 32
ids = st.binary(min_size=6, max_size=6).map(bytes.hex)


@given(pid=ids, key=st.binary(min_size=1, max_size=64))
def test_an_id_is_read_as_it_was_written(pid, key):
    read = read_chips(key, chips_of(key, pid))

    assert read is not None
    assert read.pid == pid
    assert read.likeness == pytest.approx(1)


@given(pid=ids, size=st.floats(1e-3, 1e3))
def test_how_strong_a_mark_is_does_not_matter(pid, size):
    read = read_chips(KEY, chips_of(KEY, pid) * np.float32(size))

    assert read is not None
    assert read.pid == pid


@given(pid=ids, wrong=st.sets(st.integers(0, CHIPS - 1), max_size=5))
def test_five_wrong_chips_of_128_are_put_right(pid, wrong):
    chips = chips_of(KEY, pid)
    chips[sorted(wrong)] *= -1

    read = read_chips(KEY, chips)

    assert read is not None
    assert read.pid == pid


def test_noise_of_two_thirds_of_the_mark_is_put_right():
    rng = np.random.default_rng(0)
    pids = [rng.bytes(6).hex() for _ in range(50)]
    heard = np.stack([chips_of(KEY, pid) for pid in pids]) + rng.normal(0, 0.67, (50, CHIPS))

    read = read_many(KEY, heard.astype(np.float32))

    assert [each and each.pid for each in read] == pids


@given(pid=ids)
def test_another_key_reads_nothing_like_a_mark(pid):
    read = read_chips(OTHER, chips_of(KEY, pid))

    assert read is None or read.likeness < 0.78


def test_noise_alone_is_next_to_nothing_like_a_mark():
    noise = np.random.default_rng(1).normal(0, 1, (500, CHIPS)).astype(np.float32)

    assert [read for read in read_many(KEY, noise) if read is not None and read.likeness > 0.72] == []


@given(pid=ids, seed=st.integers(0, 2**32 - 1))
def test_a_word_laid_over_a_reading_changes_what_is_read_by_that_word_alone(pid, seed):
    """So a key that scrambles makes every word as likely as any other, which bounds false alarms for any film."""
    noise = np.random.default_rng(seed).normal(0, 1, (1, CHIPS)).astype(np.float32)
    word = np.unpackbits(np.frombuffer(bytes.fromhex(pid) + b"\x5a\xc3", np.uint8))

    over = _decoded(noise * (1 - 2 * _coded(word)).astype(np.float32))

    assert np.array_equal(over ^ word, _decoded(noise))


def test_one_reading_of_chance_in_200_is_like_what_it_claims_to_be():
    noise = np.random.default_rng(2).normal(0, 1, (4_000, CHIPS)).astype(np.float32)

    words = np.stack([1 - 2 * _coded(word) for word in _decoded(noise)])

    likeness = (words * noise).sum(1) / np.linalg.norm(noise, axis=1) / CHIPS**0.5
    assert (likeness >= LIKE).mean() < 0.01  # 0.0047 and four standard deviations


def test_silence_reads_as_nothing():
    assert read_chips(KEY, np.zeros(CHIPS, np.float32)) is None


@given(jobs=st.lists(st.uuids().map(lambda job: job.hex), min_size=2, max_size=20, unique=True))
def test_jobs_have_ids_of_their_own_that_only_the_key_tells(jobs):
    pids = [pid_of(KEY, job) for job in jobs]

    assert len(set(pids)) == len(jobs)
    assert all(len(pid) == 12 for pid in pids)
    assert not set(pids) & {pid_of(OTHER, job) for job in jobs}


@pytest.mark.parametrize("wrong", ["", "00", "00" * 7])
def test_an_id_of_another_length_is_a_mistake(wrong):
    with pytest.raises(ValueError, match="12 hexadecimal"):
        chips_of(KEY, wrong)
