"""Films and uploads: one bucket under the cell's key, to be read and written from inside the cell alone."""

from __future__ import annotations

from typing import Any, Final

import pulumi
import pulumi_aws as aws

from infra.providers.aws.buckets import bucket, seal
from infra.providers.aws.keys import Keys
from infra.providers.aws.names import deny
from infra.providers.aws.network import Vpc
from infra.providers.protocol import Control, State, Store
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Films"]

#: What touches a film itself; the bucket's settings stay with whoever runs the program.
_CONTENT: Final = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:GetObjectVersion"]


class Films:
    """The bucket, and the door in the network through which it is reached."""

    def __init__(self, site: Site, keys: Keys, vpc: Vpc) -> None:
        self._site = site
        self._key = keys.films
        self.bucket = bucket(site, "films", keys.films)
        self.door = self._open_door(vpc)
        self._abort_uploads()
        seal(site, "films", self.bucket, *self._inside_only())

    def part(self) -> Store:
        """As the protocol wants it."""
        return Store(
            url=self.bucket.id.apply("s3://{}".format),
            options={
                "aws_region": self._site.spec.region,
                "aws_server_side_encryption": "aws:kms",
                "aws_sse_kms_key_id": self._key.arn,
            },
            controls=_controls(),
        )

    def _open_door(self, vpc: Vpc) -> aws.ec2.VpcEndpoint:
        """S3 without leaving the region's network, for this bucket and for the layers of images."""
        region = self._site.spec.region
        layers = f"arn:aws:s3:::prod-{region}-starport-layer-bucket/*"
        mine = [self.bucket.arn, self.bucket.arn.apply("{}/*".format)]
        statement = {"Effect": "Allow", "Principal": "*", "Action": ["s3:*"], "Resource": mine}
        read = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": [layers]}
        return aws.ec2.VpcEndpoint(
            self._site.name("s3-door"),
            vpc_id=vpc.vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in vpc.routes["nodes"].values()],
            policy=pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement, read]}),
            tags=self._site.tags,
            opts=self._site.options(),
        )

    def _inside_only(self) -> tuple[dict[str, Any], ...]:
        """Content moves through the door only, and under the cell's key only."""
        content = [self.bucket.arn.apply("{}/*".format)]
        elsewhere = {"StringNotEquals": {"aws:SourceVpce": self.door.id}}
        other_key = {"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption-aws-kms-key-id": self._key.arn}}
        return (
            deny("OutsideTheCell", _CONTENT, content, Condition=elsewhere),
            deny("AnotherKey", ["s3:PutObject"], content, Condition=other_key),
        )

    def _abort_uploads(self) -> None:
        """What was never finished must not stay: nobody can see it, and it is billed."""
        abort = aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(days_after_initiation=1)
        rule = aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="unfinished",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            abort_incomplete_multipart_upload=abort,
        )
        aws.s3.BucketLifecycleConfiguration(
            self._site.name("films-lifecycle"), bucket=self.bucket.id, rules=[rule], opts=self._site.options()
        )


def _controls() -> tuple[Control, ...]:
    said = {
        "store.customer-key": (State.ENFORCED, "The bucket's policy refuses an object under any other key."),
        "store.no-public-access": (
            State.ENFORCED,
            "Public access is blocked; content moves through the cell's endpoint.",
        ),
        "store.region": (State.ENFORCED, "S3 keeps a bucket's objects in its region."),
        "store.no-replication": (
            State.CONFIGURED,
            "No replication rule exists, and no versions are kept: erased is erased.",
        ),
        "store.tls": (State.ENFORCED, "The bucket's policy refuses plain HTTP and TLS before 1.2."),
    }
    return tuple(
        Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note) for name, (state, note) in said.items()
    )
