"""What a plan as a whole has to have: guards beside what they guard, a log, a firewall, a border."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from infra.guard.border import Border
from infra.guard.rule import OnPlan
from infra.guard.seen import UNKNOWN, Seen

__all__ = ["COMPANIONS", "HAS", "beside", "has"]

#: What each provider's cell has to hold, by rule: any one of the types will do.
HAS: Final[tuple[tuple[str, str, tuple[str, ...], str], ...]] = (
    ("has-audit-sink", "aws", ("aws:cloudtrail/trail:Trail",), "Add a trail of the region to a bucket in the region."),
    ("has-audit-sink", "aws", ("aws:ec2/flowLog:FlowLog",), "Add a flow log of the VPC."),
    ("has-audit-sink", "gcp", ("gcp:logging/projectSink:ProjectSink",), "Add a sink to a log bucket in the region."),
    ("has-audit-sink", "azure", ("azure-native:monitor:DiagnosticSetting",), "Add diagnostic settings to a workspace."),
    ("has-audit-sink", "alicloud", ("alicloud:actiontrail/trail:Trail",), "Add a trail of the region."),
    ("has-audit-sink", "alicloud", ("alicloud:vpc/flowLog:FlowLog",), "Add a flow log of the VPC."),
    ("has-audit-sink", "scaleway", ("scaleway:observability/source:Source",), "Add a Cockpit source for logs."),
    ("customer-key", "aws", ("aws:kms/key:Key",), "Add a KMS key of the cell's own."),
    ("customer-key", "gcp", ("gcp:kms/cryptoKey:CryptoKey",), "Add a Cloud KMS key of the cell's own."),
    ("customer-key", "azure", ("azure-native:keyvault:Key",), "Add a key in the cell's own Key Vault."),
    ("customer-key", "alicloud", ("alicloud:kms/key:Key",), "Add a KMS key of the cell's own."),
    ("customer-key", "scaleway", ("scaleway:keymanager/key:Key",), "Add a Key Manager key of the cell's own."),
    ("no-open-egress", "aws", ("aws:networkfirewall/firewall:Firewall",), "Add the firewall that knows allowed hosts."),
    ("no-open-egress", "azure", ("azure-native:network:AzureFirewall",), "Add the firewall that knows allowed hosts."),
    ("no-open-egress", "alicloud", ("alicloud:cloudfirewall/natFirewall:NatFirewall",), "Add the NAT firewall."),
    (
        "no-open-egress",
        "gcp",
        (
            "gcp:compute/networkFirewallPolicyRule:NetworkFirewallPolicyRule",
            "gcp:compute/regionNetworkFirewallPolicyRule:RegionNetworkFirewallPolicyRule",
            "gcp:compute/networkFirewallPolicyWithRules:NetworkFirewallPolicyWithRules",
            "gcp:compute/firewall:Firewall",
        ),
        "Add firewall rules that deny what they do not allow.",
    ),
    ("no-open-egress", "local", ("kubernetes:networking.k8s.io/v1:NetworkPolicy",), "Add a policy that denies."),
)

#: What has to stand beside each resource of a type, and the argument by which it refers to it.
COMPANIONS: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("no-public-bucket", "aws:s3/bucket:Bucket", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "bucket"),
    ("no-public-bucket", "aws:s3/bucket:Bucket", "aws:s3/bucketOwnershipControls:BucketOwnershipControls", "bucket"),
    (
        "customer-key",
        "aws:s3/bucket:Bucket",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "bucket",
    ),
    ("transport-tls", "aws:s3/bucket:Bucket", "aws:s3/bucketPolicy:BucketPolicy", "bucket"),
    ("no-public-bucket", "alicloud:oss/bucket:Bucket", "alicloud:oss/bucketAcl:BucketAcl", "bucket"),
    (
        "no-public-bucket",
        "alicloud:oss/bucket:Bucket",
        "alicloud:oss/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "bucket",
    ),
    ("transport-tls", "alicloud:oss/bucket:Bucket", "alicloud:oss/bucketPolicy:BucketPolicy", "bucket"),
    ("no-casual-deletion", "alicloud:rds/instance:Instance", "alicloud:rds/backupPolicy:BackupPolicy", "instanceId"),
    (
        "no-public-control-plane",
        "ovh:CloudProject/kube:Kube",
        "ovh:CloudProject/kubeIpRestrictions:KubeIpRestrictions",
        "kubeId",
    ),
    ("no-public-control-plane", "scaleway:kubernetes/cluster:Cluster", "scaleway:kubernetes/acl:Acl", "clusterId"),
    ("no-public-database", "scaleway:databases/instance:Instance", "scaleway:databases/acl:Acl", "instanceId"),
    ("no-public-bucket", "scaleway:object/bucket:Bucket", "scaleway:object/bucketPolicy:BucketPolicy", "bucket"),
    (
        "customer-key",
        "scaleway:object/bucket:Bucket",
        "scaleway:object/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "bucket",
    ),
)


def has(rule: str) -> OnPlan:
    """Whether the plan holds what this rule asks of the stack's provider."""

    def check(plan: Sequence[Seen], border: Border) -> Iterator[tuple[Seen | None, str]]:
        types = {seen.type for seen in plan}
        for name, provider, wanted, fix in HAS:
            if name == rule and provider == border.spec.provider and not types.intersection(wanted):
                yield None, f"the cell has no {wanted[0]}. {fix}"

    return check


def beside(rule: str) -> OnPlan:
    """Whether each resource has beside it what this rule asks for."""

    def check(plan: Sequence[Seen], border: Border) -> Iterator[tuple[Seen | None, str]]:  # noqa: ARG001
        for name, kind, companion, by in COMPANIONS:
            held = [seen for seen in plan if seen.type == companion] if name == rule else []
            for seen in plan:
                if name == rule and seen.type == kind and not any(_refers(other, by, seen) for other in held):
                    yield seen, f"no {companion} stands beside it. Add one whose {by} is this resource."

    return check


def _refers(other: Seen, by: str, seen: Seen) -> bool:
    """By the engine's own record of where the argument comes from; by the same name where that is plain text."""
    if seen.urn in other.leans_on.get(by, frozenset()):
        return True
    value = other.inputs.get(by)
    return value is not UNKNOWN and value in {seen.inputs.get("bucket"), seen.inputs.get("name")} - {None, UNKNOWN}
