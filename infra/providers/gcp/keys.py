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
            opts=site.data_options(depends_on=policies.first),
        )
        self.granted: list[
            pulumi.Resource
        ] = []  # rights of Google's agents, which have to be there before their stores
        agents = _Agents(site, policies)
        self.films = self._key("films", store=agents.store)
        self.jobs = self._key("jobs", database=agents.database)
        self.cluster = self._key("cluster", nodes=agents.nodes, disks=agents.disks)
        self.audit = self._key("audit", log=agents.log)

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

    def _key(self, role: str, **agents: pulumi.Output[str]) -> gcp.kms.CryptoKey:
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
        for name, agent in agents.items():
            right = gcp.kms.CryptoKeyIAMMember(
                site.name(f"{role}-key-{name}"),
                crypto_key_id=key.id,
                role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
                member=agent.apply("serviceAccount:{}".format),
                opts=site.options(),
            )
            self.granted.append(right)
        return key


class _Agents:
    """Google's own accounts for its services in this project. Asking for one makes it, where it is not there yet."""

    def __init__(self, site: Site, policies: Policies) -> None:
        project, options = site.spec.account, site.invoke_options(depends_on=policies.services)
        self.store = gcp.storage.get_project_service_account_output(project=project, opts=options).email_address
        self.log = gcp.logging.get_project_cmek_settings_output(project=project, opts=options).service_account_id
        self.database = gcp.projects.ServiceIdentity(
            site.name("database-agent"),
            project=project,
            service="sqladmin.googleapis.com",
            opts=site.options(depends_on=policies.services),
        ).email
        number = gcp.organizations.get_project_output(project_id=project, opts=options).number
        self.nodes = pulumi.Output.concat("service-", number, "@container-engine-robot.iam.gserviceaccount.com")
        self.disks = pulumi.Output.concat("service-", number, "@compute-system.iam.gserviceaccount.com")
