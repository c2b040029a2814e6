"""The bucket of films, and how to make any bucket that cannot be opened or left unencrypted."""

from __future__ import annotations

import json

import pulumi
import pulumi_alicloud as alicloud

from infra.providers.alicloud.network import Ground
from infra.providers.alicloud.says import policy, says
from infra.providers.protocol import State, Store
from infra.site import Site

__all__ = ["bucket", "make"]


def make(site: Site, ground: Ground, key: alicloud.kms.Key, secret: alicloud.ram.AccessKey) -> tuple[Store, str]:
    """The part, and the bucket's name."""
    name, films = bucket(site, "films", key, ground)
    controls = (
        says("store.customer-key", State.CONFIGURED, "The bucket encrypts with the cell's KMS key."),
        says("store.no-public-access", State.CONFIGURED, "Public access is blocked, whatever an ACL or policy says."),
        says("store.region", State.ENFORCED, "A bucket lies in one region, which its endpoint names."),
        says("store.no-replication", State.CONFIGURED, "No replication is set, and the guard refuses any."),
        says("store.tls", State.CONFIGURED, "The bucket's policy denies requests without TLS."),
    )
    store = Store(
        url=films.bucket.apply(lambda found: f"s3://{found}"),
        options={
            "aws_endpoint": f"https://oss-{site.spec.region}-internal.aliyuncs.com",
            "aws_region": site.spec.region,
            "aws_virtual_hosted_style_request": "true",
        },
        secrets={
            "aws_access_key_id": pulumi.Output.secret(secret.id),
            "aws_secret_access_key": pulumi.Output.secret(secret.secret),
        },
        controls=controls,
    )
    return store, name


def bucket(site: Site, role: str, key: alicloud.kms.Key, ground: Ground | None) -> tuple[str, alicloud.oss.Bucket]:
    """A closed bucket and its name; with a ground, only that network reaches it.

    A bucket of logs has no ground and no versions: OSS locks either versions or retention, and a log wants the latter.
    """
    name = site.global_name(role)
    versions = alicloud.oss.BucketVersioningArgs(status="Enabled") if ground else None
    made = alicloud.oss.Bucket(
        name,
        bucket=name,
        redundancy_type="ZRS",  # over zones of the one region
        versioning=versions,
        server_side_encryption_rule=alicloud.oss.BucketServerSideEncryptionRuleArgs(
            sse_algorithm="KMS", kms_master_key_id=key.id
        ),
        force_destroy=False,
        tags=site.tags,
        opts=site.data_options(),
    )
    alicloud.oss.BucketAcl(name, bucket=made.bucket, acl="private", opts=site.options(depends_on=[made]))
    alicloud.oss.BucketPublicAccessBlock(
        name, bucket=made.bucket, block_public_access=True, opts=site.options(depends_on=[made])
    )
    vpc = ground.vpc.id if ground else pulumi.Output.from_input("")
    alicloud.oss.BucketPolicy(
        name,
        bucket=made.bucket,
        policy=vpc.apply(lambda found: _closed(name, found)),
        opts=site.options(depends_on=[made]),
    )
    return name, made


def _closed(name: str, vpc: str) -> str:
    """Denies what comes without TLS, and what reads or writes objects from any network but the cell's."""
    whole = [f"acs:oss:*:*:{name}", f"acs:oss:*:*:{name}/*"]
    denied: list[dict[str, object]] = [
        {
            "Effect": "Deny",
            "Action": ["oss:*"],
            "Principal": ["*"],
            "Resource": whole,
            "Condition": {"Bool": {"acs:SecureTransport": ["false"]}},
        }
    ]
    if vpc:
        denied.append(
            {
                "Effect": "Deny",
                "Action": ["oss:GetObject", "oss:PutObject", "oss:DeleteObject"],
                "Principal": ["*"],
                "Resource": whole[1:],
                "Condition": {"StringNotEquals": {"acs:SourceVpc": [vpc]}},
            }
        )
    return json.dumps(policy(denied))
