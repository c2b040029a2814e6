"""A log bucket in the region that is locked for the years it has to last, and nothing in the bucket without a place."""

from __future__ import annotations

from typing import Final

import pulumi_gcp as gcp

from infra.providers.gcp.keys import Keys
from infra.providers.protocol import Audit, Control, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Sink"]

_TOUCHES: Final = ("ADMIN_READ", "DATA_READ", "DATA_WRITE")


class Sink:
    """Where the cloud writes down who did what."""

    def __init__(self, site: Site, keys: Keys) -> None:
        self._site = site
        project = site.spec.account
        self.bucket = gcp.logging.ProjectBucketConfig(
            site.name("audit"),
            project=project,
            location=site.spec.region,
            bucket_id=site.name("audit"),
            retention_days=site.spec.audit_days,
            locked=True,
            enable_analytics=False,
            cmek_settings=gcp.logging.ProjectBucketConfigCmekSettingsArgs(kms_key_name=keys.audit.id),
            opts=site.data_options(depends_on=keys.granted),
        )
        sink = gcp.logging.ProjectSink(
            site.name("audit-sink"),
            name=site.name("audit-sink"),
            project=project,
            destination=self.bucket.id.apply("logging.googleapis.com/{}".format),
            unique_writer_identity=True,
            opts=site.data_options(),
        )
        gcp.logging.ProjectExclusion(
            site.name("nowhere"),
            name=site.name("nowhere"),
            project=project,
            description="The default bucket lies in no region, so nothing goes there",
            filter='logName:"projects/"',
            opts=site.data_options(depends_on=[sink]),
        )
        gcp.projects.IAMAuditConfig(
            site.name("touches"),
            project=project,
            service="allServices",
            audit_log_configs=[gcp.projects.IAMAuditConfigAuditLogConfigArgs(log_type=touch) for touch in _TOUCHES],
            opts=site.data_options(),
        )

    def part(self) -> Audit:
        """As the protocol wants it."""
        days = self._site.spec.audit_days
        said = {
            "audit.in-region": (
                State.PARTIAL,
                "A locked bucket in the region; Google keeps administrative events in its global _Required as well.",
            ),
            "audit.immutable": (State.ENFORCED, f"The bucket is locked for {days} days, and a lock cannot be undone."),
            "audit.data-access": (State.CONFIGURED, "Reads and writes of data are logged for all services."),
        }
        return Audit(
            location=self.bucket.id,
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )
