"""The rules one at a time, on resources made by hand: what obeys, what breaks, and what is not known yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import Refused
from infra.guard.border import Border
from infra.guard.rules import RULES
from infra.guard.seen import ABSENT, UNKNOWN, Seen, at, leaves
from infra.guard.want import Free, Given, Is, Least, Missing, Never

RULE = {rule.name: rule for rule in RULES}


def border(**changes: Any) -> Border:
    cell = {
        "cell": "eu-arn",
        "jurisdiction": "EU",
        "provider": "aws",
        "region": "eu-north-1",
        "zones": ["eu-north-1a"],
        "network": "10.16.0.0/16",
        "owner": "example.org",
        "account": "000000000016",
        "pools": [{"name": "system", "role": "system", "machine": "m"}],
        "database": {"machine": "m"},
        "operators": ["203.0.113.0/28"],
        **changes,
    }
    return Border.parse({"equerry:cell": json.dumps(cell)})


ARLANDA = border()


def says(rule: str, kind: str, inputs: Mapping[str, object], where: Border | None = None) -> list[str]:
    seen = Seen(type=kind, name="it", urn="urn:it", inputs=inputs, provider={"region": "eu-north-1"})
    each = RULE[rule].each
    assert each is not None
    return list(each(seen, where or ARLANDA))


def test_a_path_leads_to_every_element_of_a_list() -> None:
    assert list(at({"a": [{"b": 1}, {"b": 2}, {}]}, "a[*].b")) == [1, 2, ABSENT]


def test_a_path_into_what_is_unknown_is_unknown() -> None:
    assert list(at({"a": UNKNOWN}, "a.b.c")) == [UNKNOWN]


@given(
    st.recursive(
        st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", min_size=1), inner)
    )
)
def test_every_value_of_a_resource_is_a_leaf_once(value: object) -> None:
    assert len(list(leaves(value))) == _count(value)


def _count(value: object) -> int:
    if isinstance(value, dict | list):
        return sum(map(_count, value.values() if isinstance(value, dict) else value))
    return 1


@pytest.mark.parametrize(
    ("test", "obeying", "breaking"),
    [
        (Is((True,)), [True], [False, ABSENT, UNKNOWN]),
        (Never(("a",)), ["b", ABSENT], ["a", UNKNOWN]),
        (Free((False,)), [False, ABSENT], [True, UNKNOWN]),
        (Given(), ["id", UNKNOWN, ["x"]], [ABSENT, "", [], {}]),
        (Missing(), [ABSENT, [], False], ["x", True, UNKNOWN]),
        (Least(90), [90, 90.0, "1095"], [89, "x", True, ABSENT, UNKNOWN]),
    ],
)
def test_the_unknown_counts_only_where_an_id_is_wanted(
    test: Any, obeying: list[object], breaking: list[object]
) -> None:
    assert [value for value in obeying if not test.obeys(value)] == []
    assert [value for value in breaking if test.obeys(value)] == []


def test_a_region_that_only_the_cloud_knows_is_refused() -> None:
    assert says("resource-in-region", "aws:x/y:Z", {"region": UNKNOWN})


def test_a_region_of_its_own_is_found_however_deep_it_stands() -> None:
    assert says("resource-in-region", "aws:x/y:Z", {"a": [{"b": {"region": "eu-west-1"}}]})
    assert says("resource-in-region", "aws:x/y:Z", {"a": [{"b": {"region": "eu-north-1"}}]}) == []


@pytest.mark.parametrize("spelt", ["swedencentral", "Sweden Central"])
def test_azure_may_spell_its_regions_as_it_likes(spelt: str) -> None:
    azure = border(provider="azure", region="swedencentral", zones=["1"])

    assert says("resource-in-region", "azure-native:keyvault:Vault", {"location": spelt}, azure) == []


def test_a_region_in_another_jurisdiction_than_the_stack_says_is_refused() -> None:
    london = border(region="eu-west-2", zones=["eu-west-2a"])

    [message] = says("jurisdiction", "equerry:infra:RegionCell", {}, london)
    assert "aws/eu-west-2 lies in UK" in message


def test_a_cluster_without_a_network_of_its_own_is_refused() -> None:
    assert says("own-network", "scaleway:kubernetes/cluster:Cluster", {})
    assert says("own-network", "scaleway:kubernetes/cluster:Cluster", {"privateNetworkId": UNKNOWN}) == []


@given(st.sampled_from(["arn:aws:s3:::films-{}", "https://s3.{}.amazonaws.com", "{}", "x-{}a", '{{"Resource": "{}"}}']))
def test_another_region_is_found_wherever_it_stands_in_a_value(text: str) -> None:
    assert says("no-strangers", "aws:x/y:Z", {"value": text.format("eu-central-1")})
    assert says("no-strangers", "aws:x/y:Z", {"value": text.format("eu-north-1")}) == []


@given(st.ip_addresses(v=4, network="10.0.0.0/8"))
def test_a_private_address_is_the_cells_own_or_refused(address: Any) -> None:
    own = str(address).startswith("10.16.")

    assert (says("no-foreign-addresses", "aws:x/y:Z", {"hosts": [f"db at {address}:5432"]}) == []) == own


def test_a_version_of_four_numbers_is_no_address() -> None:
    assert says("no-foreign-addresses", "aws:x/y:Z", {"version": "10.300.0.1"}) == []


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        (
            "aws:ec2/securityGroup:SecurityGroup",
            {"egress": [{"cidrBlocks": ["0.0.0.0/0"], "protocol": "-1", "fromPort": 0, "toPort": 0}]},
        ),
        (
            "aws:ec2/securityGroupRule:SecurityGroupRule",
            {"type": "egress", "ipv6CidrBlocks": ["::/0"], "protocol": "tcp", "fromPort": 0, "toPort": 65535},
        ),
        (
            "gcp:compute/firewall:Firewall",
            {
                "direction": "EGRESS",
                "destinationRanges": ["0.0.0.0/0"],
                "allows": [{"protocol": "tcp", "ports": ["80"]}],
            },
        ),
        (
            "gcp:compute/networkFirewallPolicyRule:NetworkFirewallPolicyRule",
            {"direction": "EGRESS", "action": "allow", "match": {"destIpRanges": ["0.0.0.0/0"]}},
        ),
        (
            "azure-native:network:NetworkSecurityGroup",
            {
                "securityRules": [
                    {
                        "access": "Allow",
                        "direction": "Outbound",
                        "destinationAddressPrefix": "Internet",
                        "destinationPortRange": "*",
                    }
                ]
            },
        ),
        (
            "alicloud:ecs/securityGroupRule:SecurityGroupRule",
            {"type": "egress", "cidrIp": "0.0.0.0/0", "portRange": "-1/-1"},
        ),
        (
            "scaleway:instance/securityGroup:SecurityGroup",
            {"outboundRules": [{"action": "accept", "ipRange": UNKNOWN}]},
        ),
    ],
)
def test_a_way_out_for_everything_is_seen_in_every_clouds_spelling(kind: str, inputs: dict[str, object]) -> None:
    assert says("no-open-egress", kind, inputs)


def test_tls_may_go_to_everywhere_since_the_firewall_knows_the_hosts() -> None:
    rule = {"type": "egress", "cidrBlocks": ["0.0.0.0/0"], "protocol": "tcp", "fromPort": 443.0, "toPort": 443.0}

    assert says("no-open-egress", "aws:ec2/securityGroupRule:SecurityGroupRule", rule) == []


@pytest.mark.parametrize(
    ("cidr", "fine"), [("203.0.113.0/28", True), ("203.0.113.4/32", True), ("203.0.113.0/24", False)]
)
def test_the_api_admits_operators_and_no_wider_network(cidr: str, fine: bool) -> None:
    config = {"vpcConfig": {"endpointPrivateAccess": True, "endpointPublicAccess": True, "publicAccessCidrs": [cidr]}}
    inputs = {**config, "encryptionConfig": {"provider": {"keyArn": "k"}}}

    assert (says("no-public-control-plane", "aws:eks/cluster:Cluster", inputs) == []) == fine


def _policy(**statement: object) -> dict[str, object]:
    return {"policy": json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})}


@pytest.mark.parametrize(
    ("statement", "wide"),
    [
        ({"Action": "*", "Resource": "*"}, True),
        ({"Action": ["s3:*"], "Resource": ["*"]}, True),
        ({"NotAction": ["iam:*"], "Resource": "*"}, True),
        ({"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:b"}, True),
        ({"Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "arn:b"}, True),
        ({"Action": ["s3:GetObject"], "Resource": ["arn:b/*"]}, False),
        ({"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:b", "Condition": {"Bool": {}}}, False),
    ],
)
def test_a_right_is_too_wide_when_it_is_everything_or_everybodys(statement: dict[str, object], wide: bool) -> None:
    assert bool(says("narrow-rights", "aws:iam/rolePolicy:RolePolicy", _policy(**statement))) == wide


def test_a_boundary_may_allow_everything_and_must_not_be_attached() -> None:
    document = {
        "policy": json.dumps(
            {
                "Statement": [
                    {"Effect": "Allow", "Action": "*", "Resource": "*"},
                    {
                        "Effect": "Deny",
                        "NotAction": "iam:*",
                        "Condition": {"StringNotEquals": {"aws:RequestedRegion": "x"}},
                    },
                ]
            }
        )
    }
    boundary = Seen(type="aws:iam/policy:Policy", name="boundary", urn="urn:boundary", inputs=document)
    given_away = Seen(
        type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        name="oops",
        urn="urn:oops",
        inputs={"policyArn": UNKNOWN},
        leans_on={"policyArn": frozenset({"urn:boundary"})},
    )
    whole = RULE["narrow-rights"].whole

    assert says("narrow-rights", "aws:iam/policy:Policy", document) == []
    assert whole is not None
    assert [seen for seen, _ in whole([boundary, given_away], border())] == [given_away]


def test_a_stack_file_without_a_cell_stops_the_pack() -> None:
    with pytest.raises(Refused, match="equerry:cell"):
        Border.parse({})
