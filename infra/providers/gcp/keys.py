"""Keys of Cloud KMS in the region, in hardware, and who of Google's own agents may use which."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

from infra.providers.gcp.guard import Policies
from infra.providers.protocol import Control, Key, State
from infra.site import Site
from policies.constraints import Evidence

__all__ = ["Keys"]

_ROTATION: Final = f"{90 * 86_400}s"
_WAIT: Final = f"{30 * 86_400}s"  # in which a version's destruction can be taken back


class Keys:
    """One key ring; a key each for films, jobs, the cluster and the log."""

    def __init__(self, site: Site, policies: Policies) -> None:
        self._site = site
        self._ring = gcp.kms.KeyRing(
            site.name("keys"),
            name=site.name("keys"),
            location=site.spec.region,
            project=site.spec.account,
            opts=site.data_options(depends_on=policies.services),
        )
        asked = gcp.organizations.get_project_output(project_id=site.spec.account, opts=site.invoke_options())
        self.number = asked.number
        self.films = self._key("films", "gs-project-accounts")
        self.jobs = self._key("jobs", "gcp-sa-cloud-sql")
        self.cluster = self._key("cluster", "container-engine-robot", "compute-system")
        self.audit = self._key("audit", "gcp-sa-logging")

    def part(self) -> Key:
        """As the protocol wants it."""
        said = {
            "key.customer-managed": (State.CONFIGURED, "Keys of Cloud KMS in Google's hardware modules in the region."),
            "key.rotation": (State.CONFIGURED, "Every 90 days; old versions stay for old data."),
            "key.region": (State.ENFORCED, "A key ring has one location, and keys cannot be moved or copied."),
        }
        return Key(
            id=self.films.id,
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _key(self, role: str, *agents: str) -> gcp.kms.CryptoKey:
        site = self._site
        key = gcp.kms.CryptoKey(
            site.name(f"{role}-key"),
            name=role,
            key_ring=self._ring.id,
            purpose="ENCRYPT_DECRYPT",
            rotation_period=_ROTATION,
            destroy_scheduled_duration=_WAIT,
            version_template=gcp.kms.CryptoKeyVersionTemplateArgs(
                algorithm="GOOGLE_SYMMETRIC_ENCRYPTION", protection_level="HSM"
            ),
            labels=site.labels,
            opts=site.data_options(),
        )
        for agent in agents:
            gcp.kms.CryptoKeyIAMMember(
                site.name(f"{role}-key-{agent}"),
                crypto_key_id=key.id,
                role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
                member=self._agent(agent),
                opts=site.options(),
            )
        return key

    def _agent(self, name: str) -> pulumi.Output[str]:
        """Google's own account for a service in this project."""
        return pulumi.Output.concat("serviceAccount:service-", self.number, f"@{name}.iam.gserviceaccount.com")
