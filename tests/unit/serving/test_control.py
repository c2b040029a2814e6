"""Every change of a tenant or a key comes into the control log, in order, and is known again if it is told twice."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from policies.constraints import Constraints, DataClass, Wish, narrow
from policies.errors import PolicyError
from policies.log.export import lines
from policies.log.reader import Log, open_source
from policies.log.trust import parse_trust
from policies.log.verify import verify
from policies.tenants.folder import open_books
from policies.tenants.registrar import Registrar
from policies.tenants.tenant import Instant
from serving.control import ControlLog, own_control
from serving.home import SETTINGS, Site, make_home, own_key, today
from serving.settings import CellSettings
from serving.settings_file import load

NOW = Instant(1_800_000_000_000)  # milliseconds since 1970
CEILING = Constraints(
    home="EU", allowed_jurisdictions=frozenset({"EU", "JP"}), allowed_classes=frozenset({DataClass.PERSONAL})
)
LOWER = narrow(CEILING, Wish(allowed_jurisdictions=frozenset({"EU"})))
CHANGES = ["tenant.constraints", "key.rotate", "tenant.constraints", "key.rotate", "tenant.constraints"]


@pytest.fixture
def settings(tmp_path: Path) -> CellSettings:
    site = Site(cell="eu-par", country="FR", city="Paris")
    make_home(tmp_path, site, [], port=8000, model="pony", signing=own_key(tmp_path), day=today())
    return load(tmp_path / SETTINGS)


@pytest.fixture
def books(settings) -> Iterator[Registrar]:
    found = open_books(settings.policies.tenants.parent, secrets.token_bytes)
    yield found
    found.store.close()


@pytest.fixture
def control(settings, books) -> Iterator[ControlLog]:
    found = ControlLog(books.store, lambda: own_control(settings, lambda: NOW))
    yield found
    found.close()


def five_changes(books: Registrar) -> str:
    """A tenant that is added, constrained and closed, with a key that is made and revoked; the tenant's id."""
    tenant = books.add_tenant("Acme", CEILING, "standard", NOW)
    key = books.add_key(tenant.id, "ci", Wish(), NOW).key
    books.constrain(tenant.id, LOWER, NOW)
    books.revoke(key.id, NOW)
    books.close(tenant.id, NOW)
    return str(tenant.id)


def told(settings: CellSettings) -> list[dict[str, Any]]:
    """The entries about tenants, after a verification that found nothing."""
    home = settings.log.folder / "control"
    report = verify(home / "2027h1", parse_trust((home / "2027h1.trust").read_bytes()))
    assert [finding.code for finding in report.findings] == []
    return [dict(line.entry) for line in lines(Log(open_source(home / "2027h1"))) if "ten" in line.entry]


def test_every_change_is_in_the_log_in_its_order_with_ids_and_digests_alone(settings, books, control):
    tenant = five_changes(books)
    waiting = books.store.notices(100)

    assert control.turn() == len(CHANGES)

    entries = told(settings)
    assert [entry["t"] for entry in entries] == CHANGES
    assert [(e["id"], e.get("old"), e.get("new")) for e in entries] == [(n.id, n.old, n.new) for n in waiting]
    assert {entry["ten"] for entry in entries} == {tenant}
    assert "Acme" not in json.dumps(entries)
    assert books.store.notices(100) == []
    assert control.turn() == 0


def test_the_bounds_that_an_entry_names_are_in_the_archive(settings, books, control):
    books.add_tenant("Acme", CEILING, "standard", NOW)

    control.turn()

    texts = [path.read_bytes() for path in (settings.log.folder / "control").rglob("*") if path.is_file()]
    assert CEILING.canonical() in texts


def test_a_cell_whose_tenants_never_change_begins_no_control_log(settings, control):
    assert control.turn() == 0
    assert not (settings.log.folder / "control").exists()


def test_a_change_that_is_told_again_after_a_crash_is_known_by_its_id(settings, books, control, monkeypatch):
    books.add_tenant("Acme", CEILING, "standard", NOW)
    with monkeypatch.context() as broken:
        broken.setattr(type(books.store), "writing", lifted)
        with pytest.raises(OSError, match="crash"):
            control.turn()

    assert control.turn() == 1

    first, second = told(settings)
    assert first["id"] == second["id"]
    assert {**first, "salt": "", "n": 0} == {**second, "salt": "", "n": 0}


def lifted(*_: object) -> Any:
    raise OSError("crash before the notices were dropped")


def test_what_the_log_does_not_take_waits_and_is_told_when_it_can_be(settings, books):
    def begin() -> Any:
        if away:
            raise PolicyError("The disk is full.")
        return own_control(settings, lambda: NOW)

    five_changes(books)
    control, away = ControlLog(books.store, begin), True
    with pytest.raises(PolicyError):
        control.turn()
    assert len(books.store.notices(100)) == len(CHANGES)
    away = False

    assert control.turn() == len(CHANGES)
    assert [entry["t"] for entry in told(settings)] == CHANGES
    control.close()
