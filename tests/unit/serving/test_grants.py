"""A grant is what the gate has found out about a caller, as text in an address that this cell alone can write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.constraints import Constraints
from serving.desk import Caller
from serving.dialects.grants import Grant, Hmac
from serving.errors import Forbidden

SIGNER = Hmac([b"a key of this test, 32 bytes long."])
DEMANDS = Constraints.model_validate({"home": "EU", "allowed_jurisdictions": ["EU"], "allowed_classes": ["personal"]})
CALLER = Caller(tenant="t-1", key="k-1", data_class="personal", decision="", subject="EU", demands=DEMANDS)
GRANT = Grant(caller=CALLER, folder="dashscope-instant/t-1/2026-11-21/0a", most=1 << 20, expires=1_000)


def test_a_grant_comes_back_as_it_was_given_but_for_what_has_decided_already():
    assert Grant.read(GRANT.token(SIGNER), SIGNER, 999) == replace(GRANT, caller=replace(CALLER, demands=None))


@pytest.mark.parametrize("now", [1_000, 1_001])
def test_a_grant_ends(now):
    with pytest.raises(Forbidden, match="time of this upload is over"):
        Grant.read(GRANT.token(SIGNER), SIGNER, now)


@pytest.mark.parametrize("place", [0, 10, -1])
def test_a_grant_that_was_changed_is_none(place):
    token = GRANT.token(SIGNER)
    letter = "A" if token[place] != "A" else "B"
    changed = token[:place] + letter + token[place:][1:]

    with pytest.raises(Forbidden, match="not granted here"):
        Grant.read(changed, SIGNER, 0)


def test_another_cells_grant_is_none():
    with pytest.raises(Forbidden):
        Grant.read(GRANT.token(Hmac([b"another key, of 32 bytes at least"])), SIGNER, 0)
