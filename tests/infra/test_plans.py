"""What every stack's own program makes, planned without a cloud: as agreed, whole, apart, guarded and in good time."""

from __future__ import annotations

import difflib
import json
import re
import subprocess
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from infra.plan.golden import text
from infra.plan.resources import Plan, Resource
from tests.infra.plans import PYTHON, ROOT, plan, planned, stacks

GOLDEN = ROOT / "tests" / "infra" / "golden"
STACKS = stacks()
PROVIDERS = "pulumi:providers:"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # how Pulumi marks a secret on the wire

#: Types that hold films, jobs, keys or logs, by a part of their name; none of them may go by mistake.
KEEPSAKES = re.compile(
    r"(s3/bucket:Bucket|kms/key:Key|rds/instance:Instance|eks/cluster:Cluster|cloudtrail/trail:Trail"
    r"|storage/bucket:Bucket|kms/cryptoKey:CryptoKey|kms/keyRing:KeyRing|sql/databaseInstance:DatabaseInstance"
    r"|container/cluster:Cluster|storage:StorageAccount|storage:BlobContainer|keyvault:Vault|keyvault:Key"
    r"|dbforpostgresql:Server|containerservice:ManagedCluster|resources:ResourceGroup|random/randomPassword"
    r"|oss/bucket:Bucket|CloudProject/storage:Storage|CloudProject/database:Database|object/bucket:Bucket"
    r"|databases/instance:Instance|keymanager/key:Key)"
)

#: Inputs that are a name among all customers of a cloud; no two cells may have one in common.
WORLDWIDE = {
    "aws:s3/bucket:Bucket": "bucket",
    "gcp:storage/bucket:Bucket": "name",
    "azure-native:storage:StorageAccount": "accountName",
    "azure-native:keyvault:Vault": "vaultName",
    "azure-native:dbforpostgresql:Server": "serverName",
    "alicloud:oss/bucket:Bucket": "bucket",
    "ovh:CloudProject/storage:Storage": "name",
    "scaleway:object/bucket:Bucket": "name",
}
PRIVATE = re.compile(r"^(10|172|192)\.[0-9.]+/[0-9]+$")


@pytest.fixture(params=STACKS)
def stack(request) -> Plan:
    return plan(request.param)


def test_a_plan_is_the_one_that_was_agreed(stack):
    """A change of a plan is meant, or it is a mistake: the command in the message makes it the agreed one."""
    agreed = (GOLDEN / f"{stack.stack}.txt").read_text()
    now = text(stack)
    changed = list(difflib.unified_diff(agreed.splitlines(), now.splitlines(), "agreed", "now", lineterm="", n=1))

    assert changed == [], (
        "\n".join(changed[:60])
        + f"\nIf this is meant: infra/.venv/bin/python -m infra.plan {stack.stack} --day 2026-11-21 "
        + f"> tests/infra/golden/{stack.stack}.txt"
    )


def test_a_plan_takes_less_than_ten_seconds_of_one_processor(stack):
    """Time on the wall depends on who else works on the machine; this does not, or hardly."""
    assert planned(stack.stack)[1] < 10.0


def test_no_agreed_plan_is_left_over():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(STACKS)


def test_everything_is_a_child_of_the_cell(stack):
    outside = [
        one.name
        for one in stack.resources
        if "RegionCell" not in one.urn and not one.urn.split("$")[0].endswith(f"pulumi:pulumi:Stack::{one.name}")
    ]

    assert outside == []


def test_everything_is_named_after_the_cell_and_no_name_stands_twice(stack):
    cell = stack.outputs["cell"]
    names = [(one.type, one.name) for one in stack.resources if one.custom]

    assert [name for _, name in names if not name.startswith(cell)] == []
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", [stack for stack in STACKS if stack.startswith(("aws", "azure", "gcp"))])
def test_a_name_in_brackets_means_one_resource(name):
    names = [one.name for one in plan(name).resources if one.custom]

    assert sorted(names) == sorted(set(names))


def test_everything_in_the_cloud_has_a_provider_that_the_cell_made(stack):
    made = {one.urn for one in stack.resources if one.type.startswith(PROVIDERS)}
    strays = [
        one.name
        for one in stack.resources
        if one.custom
        and not one.type.startswith((PROVIDERS, "random:"))
        and one.provider.rsplit("::", 1)[0] not in made
    ]

    assert strays == []


def test_what_holds_data_or_keys_is_protected(stack):
    keepsakes = [one for one in stack.resources if KEEPSAKES.search(one.type)]

    assert keepsakes or stack.stack.startswith("local")
    assert [one.name for one in keepsakes if not one.protect] == []


def test_the_password_is_a_secret_wherever_it_goes(stack):
    drawn = [one for one in stack.resources if one.type.startswith("random:")]
    bare = [
        (one.name, found)
        for one in stack.resources
        for found in _bare(one.inputs)
        if any(f"<{password.name}.result>" in found for password in drawn)
    ]

    assert bare == []
    assert not any("password.result" in found for found in _bare(stack.outputs))


def test_outputs_say_where_the_cell_is_how_surely_and_what_is_missing(stack):
    said = stack.outputs
    absent = {name for name, control in said["controls"].items() if control["state"] in ("absent", "partial")}

    assert said["jurisdiction"] == said["cell"][:2].upper()
    assert said["evidence"]["grade"] in ("declared", "endpoint", "attested")
    assert {gap.split(":")[0] for gap in said["gaps"]} == absent
    assert all(control["note"].endswith(".") for control in said["controls"].values())


@pytest.mark.parametrize(("one", "other"), list(combinations(STACKS, 2)))
def test_no_two_cells_share_an_address_a_key_a_bucket_or_a_network(one, other):
    mine, theirs = plan(one), plan(other)

    assert _own(mine) & _own(theirs) == set()
    assert mine.outputs["cell"] != theirs.outputs["cell"]
    names = {resource.name for resource in theirs.resources if resource.custom}
    assert [said for said in _strings(mine) if any(f"<{name}." in said for name in names)] == []


@pytest.mark.parametrize(
    ("name", "sdk"),
    [("aws", "pulumi_aws"), ("gcp", "pulumi_gcp"), ("azure", "pulumi_azure_native"), ("ovh", "pulumi_ovh")],
)
def test_a_stack_loads_the_sdk_of_its_own_cloud_and_no_other(name, sdk):
    program = (
        "import sys; from infra.providers.clouds import cloud; cloud(sys.argv[1]);"
        "print(*{m.split('.')[0] for m in sys.modules if m.startswith('pulumi')})"
    )
    loaded = set(_room("-c", program, name).split())

    assert sdk in loaded
    assert loaded & {"pulumi_aws", "pulumi_gcp", "pulumi_azure_native", "pulumi_alicloud", "pulumi_ovh"} == {sdk}


#: What is otherwise in one resource of a good plan, and what is said of it. None takes an argument away.
SPOILT: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("aws:s3/bucket:Bucket", {"publik": True}, "has no publik"),
    ("aws:rds/instance:Instance", {"storageEncrypted": "yes"}, "storageEncrypted is bool and not str"),
    ("aws:eks/cluster:Cluster", {"vpcConfig": {"endpointPublic": 0, "subnetIds": []}}, "has no endpointPublic"),
    ("aws:eks/cluster:Cluster", {"vpcConfig": {"subnetIds": "a"}}, "vpcConfig.subnetIds is a list"),
    ("aws:eks/cluster:Cluster", {"vpcConfig": {}}, "vpcConfig needs subnetIds"),
    ("aws:eks/nodeGroup:NodeGroup", {"nodeRoleArn": None}, "needs nodeRoleArn"),
    ("aws:ec2/vpc:Vpc", {"tags": ["a"]}, "tags is a mapping"),
    ("aws:ec2/vpc:Vpc", {"tags": {"a": True}}, "tags.a is str and not bool"),
    ("aws:kms/key:Key", {"deletionWindowInDays": True}, "deletionWindowInDays is int and not bool"),
)


def test_inputs_that_the_providers_schema_does_not_know_are_found():
    good = plan("aws-eu-north-1")
    bad = [good.with_resource(_spoilt(good.of(kind)[0], change)).as_json() for kind, change, _ in SPOILT]

    found = json.loads(_room("-m", "infra.plan.arguments", given=json.dumps([good.as_json(), *bad])))

    assert found[0] == []
    for (kind, _, says), said in zip(SPOILT, found[1:], strict=True):
        assert len(said) == 1, (kind, said)
        assert says in said[0]


def _spoilt(resource: Resource, change: dict[str, Any]) -> Resource:
    inputs = {**resource.inputs, **change}
    return resource.with_inputs({name: value for name, value in inputs.items() if value is not None})


def _room(*arguments: str, given: str = "") -> str:
    if not PYTHON.exists():
        pytest.skip("infra/.venv is missing; `make setup-infra` builds it")
    ended = subprocess.run(
        [str(PYTHON), *arguments], cwd=ROOT, input=given, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return ended.stdout


def _bare(value: Any) -> Iterator[str]:
    """All texts that are not inside a secret."""
    if isinstance(value, dict):
        if SECRET not in value.values():
            for one in value.values():
                yield from _bare(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _bare(one)
    elif isinstance(value, str):
        yield value


def _strings(plan: Plan) -> list[str]:
    return [said for one in plan.resources for said in _bare(dict(one.inputs))]


def _own(plan: Plan) -> set[str]:
    """Names that are known in the whole cloud, and private addresses, of one plan."""
    named = [str(one.inputs.get(WORLDWIDE[one.type])) for one in plan.resources if one.type in WORLDWIDE]
    assert "None" not in named
    return {*named, *(said for said in _strings(plan) if PRIVATE.match(said))}


WITH_CHART = """
import json, sys
from datetime import date
from infra.plan import engine
config = dict(engine.config(sys.argv[1]))
cell = json.loads(config["equerry:cell"])
cell["chart"] = {"image": "ghcr.io/example/equerry", "digest": "sha256:" + "0" * 64, "origin": "https://films.example",
                 "values": f"values-{cell['provider']}.yaml"}
given = {"equerry:cell": json.dumps(cell)}
plan = engine.plan(sys.argv[1], given, date(2026, 11, 21), patience=240)
print(json.dumps(plan.as_json()))
"""


@pytest.mark.slow
def test_the_chart_is_released_with_what_the_program_made_and_the_password_stays_a_secret():
    made = Plan.from_json(json.loads(_room("-c", WITH_CHART, "gcp-europe-west4")))
    release = made.of("kubernetes:helm.sh/v3:Release")[0]
    secret = made.of("kubernetes:core/v1:Secret")[0]
    values = release.inputs["values"]

    assert values["cell"]["name"] == "eu-ams"
    assert values["objects"]["url"].startswith("gs://eu-ams-films-")
    assert values["database"]["passwordSecret"]["name"] == secret.inputs["metadata"]["name"]
    assert values["database"]["external"]["host"] == "<eu-ams-database-address.address>"
    assert SECRET in json.dumps(secret.inputs["stringData"])
    assert not any("password.result" in found for found in _bare(dict(release.inputs)))
    bound = made.of("kubernetes:core/v1:ServiceAccountPatch")[0].inputs["metadata"]["annotations"]
    assert bound == {"iam.gke.io/gcp-service-account": "<eu-ams-studio.email>"}
