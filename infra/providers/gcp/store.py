"""Films and uploads: one bucket in one region, under the cell's key, where erased is erased."""

from __future__ import annotations

import pulumi_gcp as gcp

from infra.providers.gcp.keys import Keys
from infra.providers.protocol import Control, State, Store
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Films"]


class Films:
    """The bucket."""

    def __init__(self, site: Site, keys: Keys) -> None:
        self.bucket = gcp.storage.Bucket(
            site.name("films"),
            name=site.global_name("films"),
            project=site.spec.account,
            location=site.spec.region.upper(),
            storage_class="STANDARD",
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            encryption=gcp.storage.BucketEncryptionArgs(default_kms_key_name=keys.films.id),
            soft_delete_policy=gcp.storage.BucketSoftDeletePolicyArgs(retention_duration_seconds=0),
            versioning=gcp.storage.BucketVersioningArgs(enabled=False),
            lifecycle_rules=[
                gcp.storage.BucketLifecycleRuleArgs(
                    action=gcp.storage.BucketLifecycleRuleActionArgs(type="AbortIncompleteMultipartUpload"),
                    condition=gcp.storage.BucketLifecycleRuleConditionArgs(age=1),
                )
            ],
            force_destroy=False,
            labels=site.labels,
            opts=site.data_options(depends_on=keys.granted),
        )

    def part(self) -> Store:
        """As the protocol wants it; the client finds the pods' identity by itself."""
        said = {
            "store.customer-key": (
                State.CONFIGURED,
                "The bucket's default key; a policy refuses services without one.",
            ),
            "store.no-public-access": (State.ENFORCED, "Public access prevention, on the bucket and by policy."),
            "store.region": (State.ENFORCED, "The bucket has one region and cannot be moved."),
            "store.no-replication": (
                State.CONFIGURED,
                "No transfer and no dual region; soft delete is off: erased is erased.",
            ),
            "store.tls": (
                State.PARTIAL,
                "Clients use TLS; Cloud Storage itself still answers plain HTTP to valid tokens.",
            ),
        }
        return Store(
            url=self.bucket.name.apply("gs://{}".format),
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )
