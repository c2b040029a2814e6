"""`equerry job`: what an operator sees and does."""

from __future__ import annotations

import json
import os
from contextlib import closing

import pytest
from typer.testing import CliRunner

from serving.errors import Refused, Unavailable, UnknownJob
from serving.home import Site, make_home, own_key, today
from serving.jobs.cli import app, read_id
from serving.jobs.job import Draft, State, TenantId, new_id
from serving.jobs.sql.store import open_store

TENANT = TenantId("t-1")


@pytest.fixture
def cell(tmp_path):
    """A store's address, and a job that runs in it."""
    address = f"sqlite:///{tmp_path / 'jobs.db'}"
    store = open_store(address)
    job = new_id(os.urandom(16))
    secret = '{"prompt":"a secret horse"}'
    store.submit(Draft(id=job, tenant=TENANT, order=secret, fingerprint="f", estimated_ms=1, webhook="https://me.test"))
    store.claim("studio-1")
    yield address, job, store
    store.close()


def run(*arguments: str) -> str:
    """What a command prints."""
    return CliRunner().invoke(app, arguments, catch_exceptions=False).output


@pytest.mark.parametrize("form", [["--json"], []])
@pytest.mark.parametrize("command", ["list", "show"])
def test_no_command_shows_what_was_asked_for(cell, command, form):
    address, job, _ = cell

    said = run(command, "--store", address, *([job] if command == "show" else []), *form)

    assert "running" in said
    assert "secret" not in said
    assert "me.test" not in said


def test_a_cells_folder_is_enough(tmp_path, monkeypatch):
    monkeypatch.delenv("EQUERRY_JOB_STORE", raising=False)
    site = Site(cell="eu-par", country="FR", city="Paris")
    make_home(tmp_path, site, [], port=8000, model="pony", signing=own_key(tmp_path), day=today())
    with pytest.raises(Refused, match=r"has no jobs yet.*jobs\.sqlite"):
        run("list", "--cell", str(tmp_path))
    (tmp_path / "state").mkdir()
    with closing(open_store(f"sqlite:///{tmp_path / 'state' / 'jobs.sqlite'}")) as store:
        made = store.submit(Draft(id=new_id(bytes(16)), tenant=TENANT, order="{}", fingerprint="f", estimated_ms=1)).job

    for named in (tmp_path, tmp_path / "cell.toml"):
        assert [job["id"] for job in json.loads(run("list", "--cell", str(named), "--json"))["jobs"]] == [made.id]
    assert json.loads(run("show", made.id, "--cell", str(tmp_path), "--json"))["state"] == "queued"
    assert "is cancelled" in run("cancel", f"video_{made.id}", "--cell", str(tmp_path))


def test_a_list_says_what_waits(cell):
    address, job, store = cell
    store.submit(Draft(id=new_id(os.urandom(16)), tenant=TENANT, order="{}", fingerprint="f", estimated_ms=9))

    said = json.loads(run("list", "--store", address, "--state", "running", "--json"))

    assert [j["id"] for j in said["jobs"]] == [job]
    assert (said["backlog"]["queued"], said["backlog"]["work_ms"]) == (1, 10)


def test_a_job_is_shown_with_all_its_moves(cell):
    address, job, _ = cell

    said = json.loads(run("show", "--store", address, f"video_{job}", "--json"))

    assert [move["state"] for move in said["moves"]] == ["queued", "running"]


def test_a_cancel_reaches_the_studio(cell):
    address, job, store = cell

    assert "was asked to stop" in run("cancel", "--store", address, job)
    assert list(store.cancelled("studio-1")) == [job]
    assert store.stop(job, 1).state is State.CANCELLED


def test_a_job_that_is_not_there_is_unknown(cell):
    with pytest.raises(UnknownJob):
        run("show", "--store", cell[0], "0" * 32)


@pytest.mark.parametrize("text", ["", "x", "video_12", "zz" * 16, "'; DROP TABLE jobs"])
def test_what_is_no_id_is_refused(text):
    with pytest.raises(Refused, match="32 hexadecimal"):
        read_id(text)


@pytest.mark.parametrize(
    ("columns", "heads", "told"),
    [
        ("60", ["job", "state", "done"], "A wider window also shows made, tenant, tries, studio"),
        ("100", ["job", "state", "done", "made", "tenant"], "A wider window also shows tries, studio"),
        ("140", ["job", "state", "done", "made", "tenant", "tries", "studio"], ""),
    ],
)
def test_a_jobs_id_is_whole_in_any_window(cell, monkeypatch, columns, heads, told):
    address, job, _ = cell
    monkeypatch.setenv("COLUMNS", columns)

    said = run("list", "--store", address)

    assert f" {job} " in said
    assert "\N{HORIZONTAL ELLIPSIS}" not in said
    assert said.splitlines()[1].replace("\N{BOX DRAWINGS HEAVY VERTICAL}", "").split() == heads
    assert told in said
    assert max(map(len, said.splitlines()[:4])) <= int(columns)


@pytest.mark.parametrize(
    ("address", "words"),
    [("sqlite:///nowhere.db", "There is no job store nowhere.db"), ("nowhere", "neither sqlite:///FILE nor")],
)
def test_a_store_that_is_not_there_is_refused_and_not_made(tmp_path, monkeypatch, address, words):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(Refused, match=words):
        run("list", "--store", address)

    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_no_database_is_said_to_be_none(tmp_path):
    (tmp_path / "jobs.sqlite").write_bytes(b"junk" * 2048)

    with pytest.raises(Unavailable, match="damaged, or is no database"):
        run("list", "--store", f"sqlite:///{tmp_path}/jobs.sqlite")
