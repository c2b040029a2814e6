"""Two regions in clusters of their own: what only a cluster can show. `make test-kind` runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.kind.world import MINUTE, ROOT, Region, missing, run, two_regions, until

WHY = missing()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(WHY), reason=f"no clusters here: {WHY}")]


@pytest.fixture(scope="module")
def regions() -> Iterator[tuple[Region, Region]]:
    with two_regions() as made:
        yield made


@pytest.fixture
def eu(regions) -> Region:
    return regions[0]


@pytest.fixture
def jp(regions) -> Region:
    return regions[1]


def test_each_cell_knows_from_its_node_where_it_is(eu, jp) -> None:
    for region in (eu, jp):
        told = region.kubectl("exec", "cell-0", "--", "cat", "/etc/equerry/cell.toml")

        assert 'source = "kubernetes"' in told
        assert httpx.get(f"{region.url}/readyz").json()["ready"]


def test_a_cell_on_a_node_of_another_region_never_becomes_ready(eu) -> None:
    node = eu.node()
    label = "topology.kubernetes.io/region"
    eu.kubectl("label", "--overwrite", "node", node, f"{label}=elsewhere")
    try:
        eu.kubectl("exec", "cell-0", "-c", "cell", "--", "kill", "-TERM", "1")  # the container starts again, in place
        until(lambda: "says elsewhere" in eu.kubectl("logs", "cell-0", "--tail=20"), "the cell refuses", 3 * MINUTE)
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{eu.url}/readyz").raise_for_status()
    finally:
        eu.kubectl("label", "--overwrite", "node", node, f"{label}={eu.cell}-1")
    eu.ready()


def test_a_key_of_one_region_opens_nothing_in_the_other(eu, jp) -> None:
    with jp.client(eu.key) as client:
        answer = client.post("/v1/videos", json={"prompt": "x"})

    assert answer.status_code in (403, 421)


@pytest.mark.parametrize("which", [0, 1], ids=["eu", "jp"])
def test_the_clients_own_libraries_are_served(regions, which, tmp_path) -> None:
    region = regions[which]
    told = tmp_path / "cell.json"
    told.write_text(json.dumps({"url": region.url, "keys": {"acme": region.key}}))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/acceptance/sdk", "-k", "openai or dashscope"],
        cwd=ROOT,
        env={**os.environ, "EQUERRY_TEST_CELL": str(told)},
        timeout=60 * MINUTE,
        check=False,
    )

    assert done.returncode == 0


def test_a_rolling_upgrade_loses_no_job(eu) -> None:
    jobs = eu.submit(8)

    eu.kubectl("rollout", "restart", "statefulset/cell")
    eu.ready()

    assert eu.ends(jobs) == ["completed"] * 8


def test_a_node_that_is_lost_and_comes_back_loses_no_job(eu) -> None:
    jobs, node = eu.submit(4), eu.node()

    run("docker", "kill", node)
    time.sleep(20)
    run("docker", "start", node)
    eu.ready()

    assert eu.ends(jobs) == ["completed"] * 4


def test_a_database_that_starts_again_loses_no_job(eu) -> None:
    jobs = eu.submit(4)

    eu.kubectl("delete", "pod", "cell-database-0")
    eu.kubectl("rollout", "status", "statefulset/cell-database", "--timeout=300s")

    assert eu.ends(jobs) == ["completed"] * 4


def test_a_cut_between_the_regions_changes_nothing_for_either(eu, jp) -> None:
    addresses = {node: _address(node) for region in (eu, jp) for node in region.nodes()}
    cuts = [(node, addresses[other]) for a, b in ((eu, jp), (jp, eu)) for node in a.nodes() for other in b.nodes()]
    for node, address in cuts:
        run("docker", "exec", node, "iptables", "-I", "FORWARD", "-d", address, "-j", "DROP")
        run("docker", "exec", node, "iptables", "-I", "OUTPUT", "-d", address, "-j", "DROP")
    try:
        ends = [region.ends(region.submit(2)) for region in (eu, jp)]
    finally:
        for node, address in cuts:
            run("docker", "exec", node, "iptables", "-D", "FORWARD", "-d", address, "-j", "DROP")
            run("docker", "exec", node, "iptables", "-D", "OUTPUT", "-d", address, "-j", "DROP")

    assert ends == [["completed"] * 2] * 2


def test_nothing_in_a_cell_reaches_the_other_region_or_the_internet(eu, jp) -> None:
    for address, port in ((_address(jp.nodes()[0]), 30080), ("1.1.1.1", 443)):
        probe = f"import socket; socket.create_connection(({address!r}, {port}), 5)"
        with pytest.raises(RuntimeError, match=r"(?i)timed ?out|refused|unreachable"):
            eu.kubectl("exec", "cell-0", "-c", "cell", "--", "python", "-c", probe)


def test_a_cell_that_was_scaled_to_zero_comes_back_with_its_jobs_and_films(eu) -> None:
    (done,) = eu.submit(1)
    assert eu.ends([done]) == ["completed"]
    waiting = eu.submit(2)

    eu.kubectl("scale", "statefulset/cell", "--replicas=0")
    eu.kubectl("wait", "--for=delete", "pod/cell-0", "--timeout=180s")
    assert eu.state(done) == "away"
    eu.kubectl("scale", "statefulset/cell", "--replicas=1")
    eu.ready()

    assert eu.ends(waiting) == ["completed"] * 2
    with eu.client() as client:
        assert client.get(f"/v1/videos/{done}/content").content[4:8] == b"ftyp"


def test_the_logs_verify_when_everything_is_over(eu, jp, tmp_path) -> None:
    for region in (eu, jp):
        region.kubectl("cp", "cell-0:/var/lib/equerry/log", str(tmp_path / region.cell), "-c", "cell")
        log = next((tmp_path / region.cell / "residency").iterdir())
        trust = next((tmp_path / region.cell).glob("*.trust"))

        run(sys.executable, "-m", "equerry", "audit", "verify", str(log), "--trust", str(trust))


def _address(node: str) -> str:
    shown = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return run("docker", "inspect", "--format", shown, node)
