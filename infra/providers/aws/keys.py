"""Four keys: films, jobs, the cluster's secrets and disks, and what is written down. None leaves the region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pulumi_aws as aws

from infra.providers.aws.names import document, root
from infra.providers.protocol import Control, Key, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Keys"]

_WAIT: Final = 30  # days in which a key's deletion can be taken back
_USE: Final = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]


class Keys:
    """The cell's own keys in AWS KMS."""

    def __init__(self, site: Site) -> None:
        self.films = _key(site, "films")
        self.jobs = _key(site, "jobs")
        self.cluster = _key(site, "cluster", _autoscaling(site), _grants(site), _logs(site))
        self.audit = _key(site, "audit", _writers(site), _logs(site))

    def part(self) -> Key:
        """As the protocol wants it."""
        return Key(
            id=self.films.arn,
            controls=(
                Control(
                    id="key.customer-managed",
                    state=State.CONFIGURED,
                    grade=Evidence.ENDPOINT,
                    note="Four KMS keys of the account's own; their material is AWS's, drawn in the region.",
                ),
                Control(
                    id="key.rotation",
                    state=State.CONFIGURED,
                    grade=Evidence.ENDPOINT,
                    note="KMS rotates each key every year and keeps what old data needs.",
                ),
                Control(
                    id="key.region",
                    state=State.ENFORCED,
                    grade=Evidence.ENDPOINT,
                    note="The keys are not multi-region, and KMS copies no such key.",
                ),
            ),
        )


def _key(site: Site, role: str, *statements: Mapping[str, Any]) -> aws.kms.Key:
    own = {
        "Sid": "Account",
        "Effect": "Allow",
        "Principal": {"AWS": root(site)},
        "Action": ["kms:*"],
        "Resource": ["*"],
    }
    key = aws.kms.Key(
        site.name(f"{role}-key"),
        description=f"{site.spec.cell}: {role}",
        customer_master_key_spec="SYMMETRIC_DEFAULT",
        key_usage="ENCRYPT_DECRYPT",
        deletion_window_in_days=_WAIT,
        enable_key_rotation=True,
        is_enabled=True,
        multi_region=False,
        policy=document(own, *statements),
        tags=site.tags,
        opts=site.data_options(),
    )
    aws.kms.Alias(
        site.name(f"{role}-alias"),
        name=f"alias/{site.name(role)}",
        target_key_id=key.key_id,
        opts=site.options(),
    )
    return key


def _autoscaling(site: Site) -> dict[str, Any]:
    """Machines start with encrypted disks; their group's service has to unlock them."""
    service = f"arn:aws:iam::{site.spec.account}:role/aws-service-role/autoscaling.amazonaws.com"
    return {
        "Sid": "Disks",
        "Effect": "Allow",
        "Principal": {"AWS": f"{service}/AWSServiceRoleForAutoScaling"},
        "Action": _USE,
        "Resource": ["*"],
    }


def _grants(site: Site) -> dict[str, Any]:
    """The same service hands the key on to the disks themselves, and to nothing else."""
    return {
        **_autoscaling(site),
        "Sid": "DiskGrants",
        "Action": ["kms:CreateGrant"],
        "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    }


def _logs(site: Site) -> dict[str, Any]:
    """CloudWatch Logs of this region and this account."""
    arn = f"arn:aws:logs:{site.spec.region}:{site.spec.account}:log-group:*"
    return {
        "Sid": "Logs",
        "Effect": "Allow",
        "Principal": {"Service": f"logs.{site.spec.region}.amazonaws.com"},
        "Action": _USE,
        "Resource": ["*"],
        "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arn}},
    }


def _writers(site: Site) -> dict[str, Any]:
    """CloudTrail and the flow logs, for this account only."""
    return {
        "Sid": "Writers",
        "Effect": "Allow",
        "Principal": {"Service": ["cloudtrail.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["kms:GenerateDataKey*", "kms:DescribeKey", "kms:Decrypt"],
        "Resource": ["*"],
        "Condition": {"StringEquals": {"aws:SourceAccount": site.spec.account}},
    }
