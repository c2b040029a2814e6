"""A whole cell and its database, killed, frozen and crashed while 200 films are asked for: every promise holds.

The gateway, the studio, the log and the store are the real ones, in the real process; the database is a Postgres server
of this test's own; the model is the smallest that the engine's own classes can be.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from serving.demo.cells import DemoCell, free_ports
from serving.home import Site
from serving.jobs.sql.store import open_store
from tests.chaos.harm import Harm
from tests.chaos.promises import Client, check_ends, check_kept, check_log, ended
from tests.postgres import Server
from tests.tiny import with_tiny_model

pytestmark = pytest.mark.slow

FILMS = 200
LEASE_S = 9.0  # a studio that has to share its core keeps it, and a freeze is long enough to lose it
PATIENCE_S = 1_800  # for the whole of it on a busy machine; three minutes are usual
EACH = 3  # times of each harm, at the least
SITE, NEIGHBOUR = Site(cell="eu-par", country="FR", city="Paris"), Site(cell="jp-tyo", country="JP", city="Tokyo")
SETTINGS = f"""
[database]
url = "{{url}}"

[jobs]
lease = {LEASE_S}
heartbeat = 2
attempts = 1000

[limits]
queue = 10000
queue_per_tenant = 10000

[sla]
on = false
"""


@pytest.fixture
def cell(mortal: Server, tmp_path: Path) -> Iterator[DemoCell]:
    """A cell on the mortal server, with short leases and no end of attempts."""
    made = DemoCell(SITE, tmp_path / "eu", free_ports())
    made.make(NEIGHBOUR)
    with_tiny_model(made.folder, SETTINGS.format(url=mortal.address()))
    made.start()
    try:
        made.wait(PATIENCE_S)
        yield made
    finally:
        if made.process is not None:
            made.process.kill()
            made.process.wait()


def kill(cell: DemoCell) -> None:
    process = cell.process
    assert process is not None
    process.kill()
    process.wait()
    cell.start()
    cell.wait(PATIENCE_S)


def freeze(cell: DemoCell) -> None:
    """For longer than a lease: what it was making is somebody else's when it wakes."""
    process = cell.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.5 * LEASE_S)
    process.send_signal(signal.SIGCONT)


def crash(server: Server) -> None:
    server.kill()
    server.start()


def restart(server: Server) -> None:
    server.stop("fast")
    server.start()


def test_a_cell_and_its_database_die_often_and_no_film_is_lost_billed_twice_or_finished_by_a_ghost(cell, mortal):
    end = time.monotonic() + PATIENCE_S
    client = Client(cell, FILMS, end)
    kinds = {
        "killed": lambda: kill(cell),
        "frozen": lambda: freeze(cell),
        "database killed": lambda: crash(mortal),
        "database restarted": lambda: restart(mortal),
    }
    client.start()
    Harm(client, kinds, random.Random(5), each=EACH, most=14).until_enough()

    with closing(open_store(mortal.address(), migrated=False)) as store:
        ended(cell, store, FILMS, end)
        check_kept(cell, store, client)
        cell.stop()
        check_log(cell)
        check_ends(cell, store)
