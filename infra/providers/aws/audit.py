"""CloudTrail and flow logs in a bucket of the region that nobody can empty before the time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi_aws as aws

from infra.providers.aws.buckets import bucket, seal
from infra.providers.aws.keys import Keys
from infra.providers.protocol import Audit, Control, State
from infra.site import Site
from policies.constraints import Evidence

if TYPE_CHECKING:
    from infra.providers.aws.store import Films

__all__ = ["Sink"]


class Sink:
    """Where the cloud writes down who did what."""

    def __init__(self, site: Site, keys: Keys) -> None:
        self._site = site
        self._keys = keys
        self.bucket = bucket(site, "audit", keys.audit, locked_days=site.spec.audit_days)
        self._policy = seal(site, "audit", self.bucket, *self._writers())

    def watch(self, films: Films) -> None:
        """Starts the trail: every call in the region, and every touch of a film."""
        site = self._site
        management = aws.cloudtrail.TrailAdvancedEventSelectorArgs(
            name="calls", field_selectors=[_field("eventCategory", "Management")]
        )
        touches = aws.cloudtrail.TrailAdvancedEventSelectorArgs(
            name="films",
            field_selectors=[
                _field("eventCategory", "Data"),
                _field("resources.type", "AWS::S3::Object"),
                aws.cloudtrail.TrailAdvancedEventSelectorFieldSelectorArgs(
                    field="resources.ARN", starts_withs=[films.bucket.arn.apply("{}/".format)]
                ),
            ],
        )
        aws.cloudtrail.Trail(
            site.name("trail"),
            name=site.name("trail"),
            s3_bucket_name=self.bucket.id,
            s3_key_prefix="trail",
            kms_key_id=self._keys.audit.arn,
            enable_logging=True,
            enable_log_file_validation=True,
            is_multi_region_trail=False,
            include_global_service_events=False,
            is_organization_trail=False,
            advanced_event_selectors=[management, touches],
            tags=site.tags,
            opts=site.data_options(depends_on=[self._policy]),
        )

    def part(self) -> Audit:
        """As the protocol wants it."""
        return Audit(
            location=self.bucket.id,
            controls=(
                Control(
                    id="audit.in-region",
                    state=State.PARTIAL,
                    grade=Evidence.ENDPOINT,
                    note="A trail of this region; AWS keeps calls to global services such as IAM in us-east-1.",
                ),
                Control(
                    id="audit.immutable",
                    state=State.ENFORCED,
                    grade=Evidence.ENDPOINT,
                    note=f"Object Lock, compliance mode, {self._site.spec.audit_days} days: not even root lifts it.",
                ),
                Control(
                    id="audit.data-access",
                    state=State.CONFIGURED,
                    grade=Evidence.ENDPOINT,
                    note="Every read and write of a film's object is an event of its own.",
                ),
            ),
        )

    def _writers(self) -> tuple[dict[str, Any], ...]:
        """CloudTrail and the delivery of flow logs, for this account only."""
        account = self._site.spec.account
        same = {"StringEquals": {"aws:SourceAccount": account}}
        writers = {"Service": ["cloudtrail.amazonaws.com", "delivery.logs.amazonaws.com"]}
        return (
            {
                "Sid": "Look",
                "Effect": "Allow",
                "Principal": writers,
                "Action": ["s3:GetBucketAcl", "s3:ListBucket"],
                "Resource": [self.bucket.arn],
                "Condition": same,
            },
            {
                "Sid": "Write",
                "Effect": "Allow",
                "Principal": writers,
                "Action": ["s3:PutObject"],
                "Resource": [self.bucket.arn.apply("{}/*".format)],
                "Condition": same,
            },
        )


def _field(field: str, value: str) -> aws.cloudtrail.TrailAdvancedEventSelectorFieldSelectorArgs:
    return aws.cloudtrail.TrailAdvancedEventSelectorFieldSelectorArgs(field=field, equals=[value])
