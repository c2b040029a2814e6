"""Who may do what: a role for pods, a key for the one client that cannot take a role, and the log of it all."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_alicloud as alicloud

from infra.providers.alicloud.network import Ground
from infra.providers.alicloud.says import policy, says
from infra.providers.alicloud.store import bucket
from infra.providers.protocol import Audit, Guard, Identity, State
from infra.site import Site

__all__ = ["audit", "filmer", "guard", "identity"]

_ACTIONS = ("oss:GetObject", "oss:PutObject", "oss:DeleteObject", "oss:AbortMultipartUpload", "oss:ListParts")


def filmer(site: Site, ground: Ground, key: alicloud.kms.Key) -> tuple[alicloud.ram.Policy, alicloud.ram.AccessKey]:
    """A user whose key is good for one bucket, and only from inside the cell's network."""
    name = site.name("films")
    user = alicloud.ram.User(name, name=name, display_name=name, force=False, tags=site.tags, opts=site.options())
    rights = alicloud.ram.Policy(
        name,
        policy_name=name,
        description=f"Films of {site.spec.cell}, from its own network",
        policy_document=pulumi.Output.all(vpc=ground.vpc.id, key=key.id).apply(
            lambda found: _rights(site.global_name("films"), **found)
        ),
        force=False,
        tags=site.tags,
        opts=site.options(),
    )
    alicloud.ram.UserPolicyAttachment(
        name, user_name=user.name, policy_name=rights.policy_name, policy_type="Custom", opts=site.options()
    )
    secret = alicloud.ram.AccessKey(name, user_name=user.name, opts=site.options(secrets=["secret"]))
    return rights, secret


def _rights(films: str, vpc: str, key: str) -> str:
    inside = {"StringEquals": {"acs:SourceVpc": [vpc]}}
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Action": ["oss:ListObjects"],
            "Resource": [f"acs:oss:*:*:{films}"],
            "Condition": inside,
        },
        {"Effect": "Allow", "Action": list(_ACTIONS), "Resource": [f"acs:oss:*:*:{films}/*"], "Condition": inside},
        {
            "Effect": "Allow",
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": [f"acs:kms:*:*:key/{key}"],
        },
    ]
    return json.dumps(policy(statements))


def identity(site: Site, cluster: alicloud.cs.ManagedKubernetes, rights: alicloud.ram.Policy) -> Identity:
    """A role that the cell's service account takes by a token of the cluster's, for an hour at a time."""
    name = site.name("cell")
    role = alicloud.ram.Role(
        name,
        role_name=name,
        description=f"Pods of {site.spec.cell}",
        assume_role_policy_document=pulumi.Output.from_input(cluster.id).apply(
            lambda found: _trust(site.spec.account, found)
        ),
        max_session_duration=3600,
        force=False,
        tags=site.tags,
        opts=site.options(),
    )
    alicloud.ram.RolePolicyAttachment(
        name, role_name=role.role_name, policy_name=rights.policy_name, policy_type="Custom", opts=site.options()
    )
    controls = (
        says(
            "identity.no-long-lived-keys",
            State.PARTIAL,
            "Pods take a role by RRSA; the S3 client for films cannot, so it has a key good inside the VPC alone.",
        ),
        says(
            "identity.least-privilege", State.CONFIGURED, "Role and key read and write one bucket's objects, no more."
        ),
    )
    return Identity(
        annotations={"pod-identity.alibabacloud.com/role-name": role.role_name},
        labels={"pod-identity.alibabacloud.com/injection": "on"},
        controls=controls,
    )


def _trust(account: str, cluster: str) -> str:
    provider = f"acs:ram::{account}:oidc-provider/ack-rrsa-{cluster}"
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Federated": [provider]},
        "Condition": {
            "StringEquals": {
                "oidc:aud": "sts.aliyuncs.com",
                "oidc:sub": "system:serviceaccount:equerry:equerry",
            }
        },
    }
    return json.dumps(policy([statement]))


def audit(site: Site, key: alicloud.kms.Key) -> Audit:
    """All events of the account into a bucket that nobody can empty before its time."""
    name, log = bucket(site, "audit", key, None)
    alicloud.oss.BucketWorm(
        name,
        bucket=log.bucket,
        retention_period_in_days=site.spec.audit_days,
        status="Locked",
        opts=site.data_options(depends_on=[log]),
    )
    alicloud.actiontrail.Trail(
        site.name("audit"),
        trail_name=site.name("audit"),
        trail_region=site.spec.region,
        event_rw="All",
        status="Enable",
        is_organization_trail=False,
        oss_bucket_name=log.bucket,
        opts=site.data_options(),
    )
    controls = (
        says("audit.in-region", State.CONFIGURED, "ActionTrail writes the region's events to a bucket in the region."),
        says(
            "audit.immutable", State.ENFORCED, "The bucket's retention is locked; even the account cannot shorten it."
        ),
        says(
            "audit.data-access", State.PARTIAL, "The cluster's audit log holds accesses; reads of single films are not."
        ),
    )
    return Audit(location=log.bucket, controls=controls)


def guard() -> Guard:
    """The account itself carries nothing: Alibaba's control policies belong to the resource directory."""
    controls = (
        says(
            "guard.region-deny",
            State.PARTIAL,
            "The organisation's control policy denies other regions for the services that know acs:RequestedRegion.",
        ),
        says("guard.scope", State.CONFIGURED, "The policy hangs on the folder of the cell's account."),
    )
    return Guard(expects="the control policy that `infra/org` attaches to the cell's folder", controls=controls)
