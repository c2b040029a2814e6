"""A stack file says one cell, or is refused with the place of the mistake."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.addresses import Addresses
from infra.errors import Impossible, Refused
from infra.spec import PRIVATE, RegionSpec

CELL: dict[str, Any] = {
    "cell": "eu-arn",
    "jurisdiction": "EU",
    "provider": "aws",
    "region": "eu-north-1",
    "zones": ["eu-north-1a", "eu-north-1b"],
    "network": "10.16.0.0/16",
    "owner": "example.org",
    "account": "111111111111",
    "pools": [
        {"name": "system", "role": "system", "machine": "m7i.large"},
        {"name": "h100", "role": "gpu", "machine": "p5.48xlarge", "tensor_parallel": 2},
    ],
    "database": {"machine": "db.m7g.large"},
}


def cell(**changes: Any) -> dict[str, Any]:
    return {**CELL, **changes}


def pool(**changes: Any) -> dict[str, Any]:
    return cell(pools=[CELL["pools"][0], {**CELL["pools"][1], **changes}])


def test_a_cell_is_read_as_it_is_written():
    spec = RegionSpec.parse(CELL)

    assert spec.region_id == "aws/eu-north-1"
    assert [pool.name for pool in spec.pools_of("gpu")] == ["h100"]
    assert spec.zones_of(spec.pools[1]) == ("eu-north-1a", "eu-north-1b")
    assert spec.pools[1].most == spec.pools[1].nodes


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (cell(cell="jp-nrt"), "named after JP, not EU"),
        (cell(cell="arn"), "cell: "),
        (cell(jurisdiction="eu"), "jurisdiction: "),
        (cell(provider="oci"), "provider: "),
        (cell(zones=[]), "zones: "),
        (cell(zones=["eu-north-1a", "eu-west-1a"]), "not all zones of aws's eu-north-1"),
        (cell(network="10.16.0.0/20"), "not a private /16"),
        (cell(network="8.8.0.0/16"), "not a private /16"),
        (cell(operators=["0.0.0.0/0"]), "wider than a /16"),
        (cell(operators=["10.0.0.0/8"]), "wider than a /16"),
        (cell(egress=["*"]), "egress.0"),
        (cell(egress=["0.0.0.0/0"]), "egress.0"),
        (cell(egress=["https://ghcr.io"]), "egress.0"),
        (cell(egress=["203.0.113.7"]), "egress.0"),
        (cell(owner="x y"), "owner: "),
        (cell(audit_days=30), "audit_days: "),
        (cell(pools=[]), "pools: "),
        (cell(pools=[CELL["pools"][1]]), "no pool has the role system"),
        (cell(pools=[CELL["pools"][0]] * 2), "two pools have the same name"),
        (pool(zones=["eu-north-1c"]), "not among the cell's zones"),
        (pool(tensor_parallel=3), "tensor_parallel"),
        (pool(role="work"), "tensor_parallel is for pools with role gpu"),
        (pool(nodes=3, most_nodes=2), "most_nodes is less than nodes"),
        (pool(machine="p5; rm"), "machine"),
        (cell(database={"machine": "db.m7g.large", "backups": 0}), "database.backups"),
        (cell(database={"machine": "db.m7g.large", "public": True}), "database.public"),
        (cell(chart={"image": "ghcr.io/x/y", "digest": "latest", "origin": "https://x.example"}), "chart.digest"),
        (cell(chart={"image": "ghcr.io/x/y", "digest": "sha256:" + "0" * 64, "origin": "http://x"}), "chart.origin"),
        (cell(password="hunter2"), "password: "),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(value, says):
    with pytest.raises(Refused) as refused:
        RegionSpec.parse(value)

    assert says in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_refusal_does_not_repeat_what_was_written():
    with pytest.raises(Refused) as refused:
        RegionSpec.parse(cell(account="has a secret in it"))

    assert "secret" not in str(refused.value)


@given(st.sampled_from(PRIVATE), st.integers(0, 255), st.integers(1, 4))
def test_the_parts_of_a_network_lie_in_it_and_do_not_overlap(private, number, zones):
    subnets = list(private.subnets(new_prefix=16)) if private.prefixlen < 16 else [private]
    where = Addresses.carve(subnets[number % len(subnets)], [f"z{zone}" for zone in range(zones)])
    rows = (where.nodes, where.data, where.edge, where.firewall)
    parts = [block for row in rows for block in row.values()] + [where.control_plane, where.services, where.pods]

    assert all(block.subnet_of(where.whole) for block in parts)
    assert [(a, b) for a in parts for b in parts if a is not b and a.overlaps(b)] == []
    assert all(len(row) == zones for row in rows)


@pytest.mark.parametrize("zones", [0, 5])
def test_a_network_is_for_one_to_four_zones(zones):
    with pytest.raises(Impossible, match="one to 4 zones"):
        Addresses.carve(RegionSpec.parse(CELL).network, [f"z{zone}" for zone in range(zones)])
