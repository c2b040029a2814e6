"""A cell on Ray and its database lose every kind of process again and again while 200 films are asked for.

Studios, gateways, the recorder and Postgres are killed, and are frozen for longer than a lease; some freezes outlast
Ray's own patience too, so that a part is replaced while it sleeps, and wakes as a ghost.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from serving.demo.cells import DemoCell, free_ports
from serving.home import Site
from serving.jobs.sql.store import open_store
from tests.acceptance.ray_cell import on_ray, processes, until
from tests.chaos.harm import Harm
from tests.chaos.promises import Client, check_kept, check_log, ended
from tests.postgres import Server
from tests.tiny import with_tiny_model

pytestmark = on_ray

FILMS = 200
LEASE_S = 9.0
FREEZES_S = (1.2 * LEASE_S, 3.0 * LEASE_S)  # Ray replaces a gateway or a recorder that has said nothing for 20 s
PATIENCE_S = 2_700  # for the whole of it on a busy machine
STOP_S = 300  # for the cell to end in good order
WAITING = 12  # films in the queue, so that they are asked for as they are made, and harm is done all along
EACH = 3  # times of each harm, at the least
SITE, NEIGHBOUR = Site(cell="eu-lys", country="FR", city="Lyon"), Site(cell="jp-tyo", country="JP", city="Tokyo")
PARTS = ("studio", "gateway", "recorder")
ENGINE = """[engine]
replicas = 2
most_replicas = 2
cpus = 0.5
"""
SETTINGS = f"""
[ray]
gateways = 2

[database]
url = "{{url}}"

[jobs]
lease = {LEASE_S}
heartbeat = 2
attempts = 1000

[limits]
queue = 1000
queue_per_tenant = {WAITING}

[sla]
on = false
"""


@pytest.fixture
def cell(mortal: Server, tmp_path: Path) -> Iterator[DemoCell]:
    """Two studios and two gateways of a cell on the mortal server, with short leases and no end of attempts."""
    made = DemoCell(SITE, tmp_path / "eu", free_ports(), runtime="ray")
    made.make(NEIGHBOUR)
    with_tiny_model(made.folder, SETTINGS.format(url=mortal.address()))
    file = made.folder / "cell.toml"
    file.write_text(file.read_text("utf-8").replace("[engine]\n", ENGINE), "utf-8")
    made.start()
    try:
        made.wait(PATIENCE_S)
        yield made
    finally:
        if made.process is not None:
            made.process.terminate()
            made.process.wait(STOP_S)


def pids(part: str) -> list[int]:
    """The processes of a part that there are now."""
    return sorted(processes(f"ray::ServeReplica:{SITE.cell}:{part}", f"ray::SERVE_REPLICA::{SITE.cell}#{part}#"))


def one_of(part: str, rng: random.Random) -> int:
    """A process of a part by lot, once there is one."""
    until(lambda: bool(pids(part)), f"there is no {part} any more", PATIENCE_S)
    return rng.choice(pids(part))


def kill(part: str, rng: random.Random) -> None:
    with suppress(ProcessLookupError):  # it has just been replaced
        os.kill(one_of(part, rng), signal.SIGKILL)


def freeze(part: str, rng: random.Random) -> None:
    """For longer than a lease: what it was making is somebody else's when it wakes, if it does."""
    found = one_of(part, rng)
    with suppress(ProcessLookupError):
        os.kill(found, signal.SIGSTOP)
        time.sleep(rng.uniform(*FREEZES_S))
        os.kill(found, signal.SIGCONT)


def crash(server: Server) -> None:
    server.kill()
    server.start()


def harms(server: Server, rng: random.Random) -> dict[str, Callable[[], None]]:
    """By name, what is done to a cell on Ray."""
    killed: dict[str, Callable[[], None]] = {f"{part} killed": partial(kill, part, rng) for part in PARTS}
    frozen: dict[str, Callable[[], None]] = {f"{part} frozen": partial(freeze, part, rng) for part in PARTS}
    database: dict[str, Callable[[], None]] = {
        "database killed": partial(crash, server),
        "database frozen": lambda: server.freeze(rng.uniform(*FREEZES_S)),
    }
    return killed | frozen | database


def test_parts_of_a_cell_on_ray_die_often_and_no_film_is_lost_billed_twice_or_finished_by_a_ghost(cell, mortal):
    end = time.monotonic() + PATIENCE_S
    client, rng = Client(cell, FILMS, end), random.Random(7)
    harm = Harm(client, harms(mortal, rng), rng, each=EACH, most=12)
    client.start()
    harm.until_enough()

    with closing(open_store(mortal.address(), migrated=False)) as store:
        ended(cell, store, FILMS, end)
        cell.wait(end - time.monotonic())  # a gateway may be being replaced just now
        check_kept(cell, store, client)
    print(dict(harm.done), f"{client.again} requests repeated")
    assert stopped(cell) == 0
    check_log(cell)
    assert [pids(part) for part in PARTS] == [[], [], []]  # nobody outlives the cell, ghosts included


def stopped(cell: DemoCell) -> int:
    """How a cell has ended that was told to."""
    process, cell.process = cell.process, None
    assert process is not None
    process.terminate()
    return process.wait(STOP_S)
