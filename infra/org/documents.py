"""The texts of the guards as data: what each cloud can say about regions, and about ways around them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["ALLOWED_LOCATIONS", "ALLOWED_LOCATIONS_OF_GROUPS", "alicloud", "aws", "azure", "gcp"]

#: Azure's built-in policies; they leave out `global` resources, and the first one leaves out resource groups.
ALLOWED_LOCATIONS: Final = "e56962a6-4747-49cd-b67b-bf8b01975c4c"
ALLOWED_LOCATIONS_OF_GROUPS: Final = "e765b5de-1225-4ba3-bd56-1ac6695af988"

#: Services of AWS that have one endpoint in the world, which the condition on the region would shut out. Edges are left
#: out on purpose: CloudFront and Global Accelerator serve from everywhere.
_AWS_GLOBAL: Final = (
    "account:*",
    "billing:*",
    "budgets:*",
    "ce:*",
    "health:*",
    "iam:*",
    "organizations:*",
    "route53:*",
    "route53domains:*",
    "s3:GetAccountPublicAccessBlock",
    "s3:ListAllMyBuckets",
    "s3:PutAccountPublicAccessBlock",
    "sts:*",
    "support:*",
    "tax:*",
)
#: What links accounts or copies data, whoever asks.
_AWS_LINKS: Final = (
    "ec2:AcceptVpcPeeringConnection",
    "ec2:CreateTransitGateway*",
    "ec2:CreateVpcPeeringConnection",
    "kms:ReplicateKey",
    "ram:AssociateResourceShare",
    "ram:CreateResourceShare",
    "rds:StartDBInstanceAutomatedBackupsReplication",
    "s3:PutReplicationConfiguration",
)
#: What blinds the auditor or lets an account leave.
_AWS_ESCAPES: Final = (
    "cloudtrail:DeleteTrail",
    "cloudtrail:StopLogging",
    "cloudtrail:UpdateTrail",
    "organizations:LeaveOrganization",
)
#: Services of Alibaba Cloud that a cell uses and that know in which region a request is.
_ALIBABA: Final = ("alidns", "cloudfirewall", "cs", "ecs", "kms", "log", "nas", "oss", "rds", "slb", "vpc")


def aws(regions: Sequence[str]) -> str:
    """A service control policy; an account cannot lift it, nor can its root user. 5,120 characters at most."""
    statements = [
        {
            "Sid": "OtherRegions",
            "Effect": "Deny",
            "NotAction": list(_AWS_GLOBAL),
            "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:RequestedRegion": list(regions)}},
        },
        {"Sid": "Links", "Effect": "Deny", "Action": list(_AWS_LINKS), "Resource": "*"},
        {"Sid": "Escapes", "Effect": "Deny", "Action": list(_AWS_ESCAPES), "Resource": "*"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def alicloud(regions: Sequence[str]) -> str:
    """A control policy of the resource directory; it binds RAM users and roles, not the account's own login."""
    statements = [
        {
            "Effect": "Deny",
            "Action": [f"{service}:*" for service in _ALIBABA],
            "Resource": "*",
            "Condition": {"StringNotEquals": {"acs:RequestedRegion": list(regions)}},
        },
        {
            "Effect": "Deny",
            "Action": ["vpc:CreateVpcPeerConnection", "cen:*", "oss:PutBucketReplication", "actiontrail:DeleteTrail"],
            "Resource": "*",
        },
    ]
    return json.dumps({"Version": "1", "Statement": statements}, separators=(",", ":"))


def gcp(regions: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Organisation policies by constraint, as the `spec` of each. Locations bind what is made from now on."""
    yes = {"rules": [{"enforce": "TRUE"}]}
    return {
        "gcp.resourceLocations": {"rules": [{"values": {"allowedValues": [f"in:{one}-locations" for one in regions]}}]},
        "compute.restrictVpcPeering": {"rules": [{"denyAll": "TRUE"}]},
        "compute.restrictSharedVpcHostProjects": {"rules": [{"denyAll": "TRUE"}]},
        "iam.disableServiceAccountKeyCreation": yes,
        "sql.restrictPublicIp": yes,
        "storage.publicAccessPrevention": yes,
        "storage.uniformBucketLevelAccess": yes,
    }


def azure(regions: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Parameters of the built-in policies, by the name of the assignment."""
    return {
        "locations": {"id": ALLOWED_LOCATIONS, "parameters": {"listOfAllowedLocations": {"value": list(regions)}}},
        "group-locations": {
            "id": ALLOWED_LOCATIONS_OF_GROUPS,
            "parameters": {"listOfAllowedLocations": {"value": list(regions)}},
        },
    }
