"""What the account itself can carry: a boundary on every role, and the account's own switches.

The organisation's guard, a service control policy that denies other regions to the whole account, is made by infra/org
with the organisation's rights. A role could shed its boundary only with rights that the boundary takes away.
"""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_aws as aws

from infra.providers.protocol import Control, Guard, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Boundary"]

#: Services that have no region, or whose calls are signed for us-east-1; they hold no content.
_GLOBAL: Final = ["iam:GetRole", "sts:*", "route53:List*", "route53:Get*", "support:*", "health:Describe*"]
_SHED: Final = [
    "iam:DeleteRolePermissionsBoundary",
    "iam:PutRolePermissionsBoundary",
    "iam:CreatePolicyVersion",
    "iam:DeletePolicyVersion",
    "iam:SetDefaultPolicyVersion",
    "organizations:LeaveOrganization",
    "account:EnableRegion",
]


class Boundary:
    """The boundary's policy, for whoever makes a role."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.policy = aws.iam.Policy(
            site.name("boundary"),
            name=site.name("boundary"),
            description=f"Nothing outside {site.spec.region}, and no way to shed this",
            policy=self._document(),
            tags=site.tags,
            opts=site.data_options(),
        )
        self._switch()

    @property
    def arn(self) -> pulumi.Output[str]:
        """What a role names as its boundary."""
        return self.policy.arn

    def part(self) -> Guard:
        """As the protocol wants it."""
        region = self._site.spec.region
        return Guard(
            expects=f"A service control policy on the account that denies all regions but {region}.",
            controls=(
                Control(
                    id="guard.region-deny",
                    state=State.ENFORCED,
                    grade=Evidence.ENDPOINT,
                    note="Each role of the cell carries a boundary that denies other regions.",
                ),
                Control(
                    id="guard.scope",
                    state=State.PARTIAL,
                    grade=Evidence.ENDPOINT,
                    note="A service control policy does not bind the organisation's management account.",
                ),
            ),
        )

    def _document(self) -> pulumi.Output[str]:
        region = self._site.spec.region
        return pulumi.Output.json_dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Sid": "Within", "Effect": "Allow", "Action": "*", "Resource": "*"},
                    {
                        "Sid": "OtherRegions",
                        "Effect": "Deny",
                        "NotAction": _GLOBAL,
                        "Resource": "*",
                        "Condition": {"StringNotEquals": {"aws:RequestedRegion": region}},
                    },
                    {"Sid": "Shed", "Effect": "Deny", "Action": _SHED, "Resource": "*"},
                ],
            }
        )

    def _switch(self) -> None:
        """Switches of the account in this region. They hold for all that is in it, which is one cell."""
        site = self._site
        aws.s3.AccountPublicAccessBlock(
            site.name("no-public-buckets"),
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=site.data_options(),
        )
        aws.ebs.EncryptionByDefault(site.name("disks-encrypted"), enabled=True, opts=site.data_options())
        aws.ebs.SnapshotBlockPublicAccess(
            site.name("no-public-snapshots"), state="block-all-sharing", opts=site.data_options()
        )
        aws.ec2.ImageBlockPublicAccess(
            site.name("no-public-images"), state="block-new-sharing", opts=site.data_options()
        )
