"""Work beside decoding: in order, in a line that never grows long, and a fault is heard where the pieces come from."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.darkroom import Darkroom


@settings(max_examples=20)
@given(st.lists(st.integers(), max_size=40), st.integers(1, 5))
def test_every_piece_is_worked_on_in_order_before_one_leaves(pieces, most):
    done: list[int] = []

    with Darkroom(done.append, most) as room:
        for piece in pieces:
            room.put(piece)

    assert done == pieces


def test_work_is_done_in_another_thread():
    names = set()

    with Darkroom[int](lambda _: names.add(threading.current_thread().name)) as room:
        room.put(1)

    assert names == {"darkroom"}


def test_who_puts_waits_while_the_line_is_full():
    go, put = threading.Event(), 0

    def fill() -> None:
        nonlocal put
        with Darkroom[int](lambda _: go.wait(10), most=2) as room:
            for number in range(6):
                room.put(number)
                put += 1

    filling = threading.Thread(target=fill)
    filling.start()
    filling.join(0.3)
    stuck = put
    go.set()
    filling.join(10)

    assert stuck <= 3  # one in work, two in the line
    assert put == 6


def test_a_fault_of_the_work_reaches_whoever_puts_the_next_piece():
    def fail(_: int) -> None:
        raise ValueError("no light")

    with pytest.raises(ValueError, match="no light"), Darkroom(fail, most=1) as room:  # noqa: PT012 - the second put
        for number in range(100):
            room.put(number)


def test_a_fault_of_the_last_piece_is_heard_too():
    def fail(_: int) -> None:
        raise ValueError("no light")

    with pytest.raises(ValueError, match="no light"), Darkroom(fail) as room:
        room.put(1)


def test_when_decoding_fails_what_stands_in_line_is_left_and_the_thread_ends():
    begun, go, done = threading.Event(), threading.Event(), []

    def work(piece: int) -> None:
        begun.set()
        go.wait(10)
        done.append(piece)

    with pytest.raises(KeyError), Darkroom(work) as room:  # noqa: PT012 - the body is what fails
        for number in range(3):
            room.put(number)
        begun.wait(10)
        threading.Timer(0.1, go.set).start()
        raise KeyError

    assert done == [0]
    assert not [each for each in threading.enumerate() if each.name == "darkroom"]
