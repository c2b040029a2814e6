"""A bucket that nobody outside can open: what films and audit logs have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi_aws as aws

from infra.providers.aws.names import deny, document
from infra.site import Site

__all__ = ["bucket", "seal"]


def bucket(site: Site, role: str, key: aws.kms.Key, *, locked_days: int | None = None) -> aws.s3.Bucket:
    """A private bucket under one key. `locked_days` makes what is written there undeletable for so long."""
    made = aws.s3.Bucket(
        site.name(role),
        bucket=site.global_name(role),
        force_destroy=False,
        object_lock_enabled=locked_days is not None,
        tags=site.tags,
        opts=site.data_options(),
    )
    aws.s3.BucketPublicAccessBlock(
        site.name(f"{role}-public"),
        bucket=made.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=site.data_options(),
    )
    aws.s3.BucketOwnershipControls(
        site.name(f"{role}-owner"),
        bucket=made.id,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=site.options(),
    )
    _encrypt(site, role, made, key)
    if locked_days is not None:
        _lock(site, role, made, locked_days)
    return made


def _encrypt(site: Site, role: str, made: aws.s3.Bucket, key: aws.kms.Key) -> None:
    rule = aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=(
            aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                sse_algorithm="aws:kms", kms_master_key_id=key.arn
            )
        ),
        bucket_key_enabled=True,
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        site.name(f"{role}-encryption"), bucket=made.id, rules=[rule], opts=site.options()
    )


def _lock(site: Site, role: str, made: aws.s3.Bucket, locked_days: int) -> None:
    versions = aws.s3.BucketVersioning(
        site.name(f"{role}-versions"),
        bucket=made.id,
        versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=site.options(),
    )
    retention = aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(mode="COMPLIANCE", days=locked_days)
    aws.s3.BucketObjectLockConfiguration(
        site.name(f"{role}-lock"),
        bucket=made.id,
        object_lock_enabled="Enabled",
        rule=aws.s3.BucketObjectLockConfigurationRuleArgs(default_retention=retention),
        opts=site.data_options(depends_on=[versions]),
    )


def seal(site: Site, role: str, made: aws.s3.Bucket, *statements: Mapping[str, Any]) -> aws.s3.BucketPolicy:
    """The bucket's own policy: what is said here, and nothing without TLS 1.2."""
    both = [made.arn, made.arn.apply("{}/*".format)]
    return aws.s3.BucketPolicy(
        site.name(f"{role}-policy"),
        bucket=made.id,
        policy=document(
            deny("Plain", ["s3:*"], both, Condition={"Bool": {"aws:SecureTransport": "false"}}),
            deny("OldTls", ["s3:*"], both, Condition={"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
            *statements,
        ),
        opts=site.data_options(),
    )
