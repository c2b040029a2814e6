"""Entries that go from one process to another are the same entries, and nothing else gets through."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import Malformed
from policies.log import wire
from policies.log.entry import MOST_ENTRY, Pad, encode
from tests.unit.policies.test_entry import EXAMPLES, STAMP


@pytest.mark.parametrize("entry", EXAMPLES, ids=lambda entry: entry.KIND)
def test_an_entry_that_went_over_the_wire_is_written_with_the_very_same_bytes(entry):
    assert encode(wire.hear(wire.tell(entry)), STAMP) == encode(entry, STAMP)


@given(st.binary(max_size=200))
def test_what_is_no_entry_is_malformed(data):
    with pytest.raises(Malformed):
        wire.hear(data)


@pytest.mark.parametrize("more", [{"ts": 1}, {"said": "a free text"}, {"t": "nobody"}, {"t": None}])
def test_a_field_that_the_kind_does_not_have_is_malformed(more):
    data = json.dumps(json.loads(wire.tell(Pad())) | more).encode()

    with pytest.raises(Malformed):
        wire.hear(data)


def test_more_than_an_entry_may_have_is_malformed_before_it_is_read():
    with pytest.raises(Malformed, match="16,384"):
        wire.hear(b" " * MOST_ENTRY + wire.tell(Pad()))


@pytest.mark.parametrize("told", [{}, {"index": "one", "leaf": "", "head": ""}, {"index": "1", "leaf": "zz"}])
def test_what_is_no_receipt_is_malformed(told):
    with pytest.raises(Malformed):
        wire.receive(told)
