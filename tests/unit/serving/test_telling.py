"""A cell tells clients of an end only when it was told to, only those it may call, and signs as its file says."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from serving.errors import BadField, Refused
from serving.jobs.memory import MemoryStore
from serving.jobs.webhooks import key_of
from serving.settings import CellSettings
from serving.telling import courier, vet

CELL = {
    "name": "eu-par",
    "jurisdiction": "EU",
    "provider": "own-eu",
    "region": "eu-par-1",
    "origin": "http://127.0.0.1:8000",
}
DRAWN = bytes(range(32))


def settings(folder: Path, **webhooks: object) -> CellSettings:
    return CellSettings.model_validate({"cell": CELL, "folders": {"state": folder}, "webhooks": webhooks})


def made(told: CellSettings):
    return courier(told, MemoryStore(lambda: 0), lambda size: DRAWN[:size])


def test_a_cell_that_was_not_told_to_tells_nobody(tmp_path):
    assert (made(settings(tmp_path)), vet(settings(tmp_path))) == (None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_drawn_once_for_its_owner_alone_and_receivers_can_take_it_as_it_is(tmp_path):
    told = settings(tmp_path, on=True, hosts=["hooks.example"])

    first, again = made(told), made(told)

    file = tmp_path / "webhook"
    assert key_of(file.read_text()) == DRAWN
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first._secret("t-1") == again._secret("t-2") == file.read_text()


def test_a_secret_of_the_operators_own_is_taken_and_one_that_is_none_is_refused(tmp_path):
    file = tmp_path / "own"
    file.write_text("whsec_" + base64.b64encode(bytes(32)).decode() + "\n")
    file.chmod(0o600)
    told = settings(tmp_path, on=True, hosts=["hooks.example"], secret=file)

    assert key_of(made(told)._secret("t-1")) == bytes(32)
    file.write_text("not a secret")
    with pytest.raises(Refused, match="whsec_"):
        made(told)


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("https://hooks.example/in", True),
        ("https://elsewhere.example/in", False),
        ("http://hooks.example/in", False),
        ("https://hooks.example:8443/in", False),
    ],
)
def test_an_address_is_judged_when_a_film_is_asked_for(tmp_path, address, fine):
    judge = vet(settings(tmp_path, on=True, hosts=["hooks.example"]))
    assert judge is not None

    if fine:
        judge(address)
    else:
        with pytest.raises(BadField):
            judge(address)
