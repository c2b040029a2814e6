"""AKS: the control plane is in the cell's network, nobody has a password to it, and nodes leave by the wall."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_azure_native as azure

from infra.providers.azure.egress import Wall
from infra.providers.azure.grants import NETWORK_CONTRIBUTOR, grant
from infra.providers.azure.keys import Keys
from infra.providers.azure.network import Vnet
from infra.providers.protocol import Cluster, Control, State
from infra.site import Site
from infra.spec import Pool
from policies.constraints import Evidence

__all__ = ["Kubernetes"]

_TAINT: Final = "nvidia.com/gpu=present:NoSchedule"


class Kubernetes:
    """The cluster and its pools."""

    def __init__(self, site: Site, group: azure.resources.ResourceGroup, vnet: Vnet, keys: Keys, wall: Wall) -> None:
        self._site = site
        self._group = group
        self._vnet = vnet
        self._keys = keys
        self._disks = self._disk_key()
        reach = grant(site, "cluster-joins", keys.cluster_user, NETWORK_CONTRIBUTOR, vnet.network.id)
        routes = grant(site, "cluster-routes", keys.cluster_user, NETWORK_CONTRIBUTOR, vnet.table.id)
        self.cluster = self._cluster([reach, routes, wall.route, *keys.granted])
        first = site.spec.pools_of("system")[0]
        self.pools = [self._pool(pool) for pool in site.spec.pools if pool != first]

    @property
    def issuer(self) -> pulumi.Output[str]:
        """Who signs the pods' tokens."""
        return self.cluster.oidc_issuer_profile.apply(lambda profile: (profile and profile.issuer_url) or "")

    def part(self) -> Cluster:
        """As the protocol wants it; operators get a kubeconfig from `az aks get-credentials`, under their own name."""
        spec = self._site.spec
        seen = "operators' networks and the cell's own" if spec.operators else "the cell's own network only"
        zones = ", ".join(spec.zones)
        said = {
            "cluster.private-endpoint": (State.CONFIGURED, f"The API answers {seen}; local accounts are off."),
            "cluster.secrets-key": (State.CONFIGURED, "Secrets of Kubernetes are wrapped with the cell's key."),
            "cluster.zones": (State.CONFIGURED, f"Machines stand in zones {zones} of the region."),
            "cluster.node-disk-key": (State.CONFIGURED, "Disks are under the cell's key, and encrypted at the host."),
        }
        return Cluster(
            name=self.cluster.name,
            endpoint=self._endpoint(),
            kubeconfig=None,
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _endpoint(self) -> pulumi.Output[str]:
        name = self.cluster.fqdn if self._site.spec.operators else self.cluster.private_fqdn
        return name.apply("https://{}".format)

    def _disk_key(self) -> azure.compute.DiskEncryptionSet:
        site, keys = self._site, self._keys
        return azure.compute.DiskEncryptionSet(
            site.name("disks"),
            disk_encryption_set_name=site.name("disks"),
            resource_group_name=self._group.name,
            location=site.spec.region,
            encryption_type="EncryptionAtRestWithPlatformAndCustomerKeys",
            rotation_to_latest_key_version_enabled=True,
            active_key=azure.compute.KeyForDiskEncryptionSetArgs(key_url=keys.cluster.key_uri_with_version),
            identity=azure.compute.EncryptionSetIdentityArgs(
                type="UserAssigned", user_assigned_identities=[keys.cluster_user.id]
            ),
            tags=site.tags,
            opts=site.data_options(depends_on=keys.granted),
        )

    def _cluster(self, after: list[pulumi.Resource]) -> azure.containerservice.ManagedCluster:
        site, keys, where = self._site, self._keys, self._site.addresses
        return azure.containerservice.ManagedCluster(
            site.name("cluster"),
            resource_name_=site.name("cluster"),
            resource_group_name=self._group.name,
            node_resource_group=site.name("machines"),
            location=site.spec.region,
            dns_prefix=site.name("cluster"),
            sku=azure.containerservice.ManagedClusterSKUArgs(name="Base", tier="Standard"),
            identity=azure.containerservice.ManagedClusterIdentityArgs(
                type=azure.containerservice.ResourceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[keys.cluster_user.id],
            ),
            enable_rbac=True,
            disable_local_accounts=True,
            aad_profile=azure.containerservice.ManagedClusterAADProfileArgs(managed=True, enable_azure_rbac=True),
            api_server_access_profile=self._api(),
            public_network_access="Enabled" if site.spec.operators else "Disabled",
            network_profile=azure.containerservice.ContainerServiceNetworkProfileArgs(
                network_plugin="azure",
                network_plugin_mode="overlay",
                network_dataplane="cilium",
                network_policy="cilium",
                outbound_type="userDefinedRouting",
                load_balancer_sku="standard",
                pod_cidr=str(where.pods),
                service_cidr=str(where.services),
                dns_service_ip=str(where.services[10]),
            ),
            oidc_issuer_profile=azure.containerservice.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
            security_profile=azure.containerservice.ManagedClusterSecurityProfileArgs(
                workload_identity=azure.containerservice.ManagedClusterSecurityProfileWorkloadIdentityArgs(
                    enabled=True
                ),
                azure_key_vault_kms=azure.containerservice.AzureKeyVaultKmsArgs(
                    enabled=True,
                    key_id=keys.cluster.key_uri_with_version,
                    key_vault_network_access="Private",
                    key_vault_resource_id=keys.vault.id,
                ),
            ),
            disk_encryption_set_id=self._disks.id,
            auto_upgrade_profile=azure.containerservice.ManagedClusterAutoUpgradeProfileArgs(
                upgrade_channel="patch", node_os_upgrade_channel="NodeImage"
            ),
            agent_pool_profiles=[self._first()],
            tags=site.tags,
            opts=site.data_options(depends_on=after),
        )

    def _api(self) -> azure.containerservice.ManagedClusterAPIServerAccessProfileArgs:
        """With operators: their networks. Without: no public address at all."""
        operators = [str(network) for network in self._site.spec.operators]
        return azure.containerservice.ManagedClusterAPIServerAccessProfileArgs(
            authorized_ip_ranges=operators or None,
            enable_private_cluster=not operators,
            enable_private_cluster_public_fqdn=False if not operators else None,
            disable_run_command=True,
            enable_vnet_integration=True,
            subnet_id=self._vnet.control.id,
        )

    def _first(self) -> azure.containerservice.ManagedClusterAgentPoolProfileArgs:
        """The pool that a cluster is born with."""
        pool = self._site.spec.pools_of("system")[0]
        return azure.containerservice.ManagedClusterAgentPoolProfileArgs(
            name=_name(pool),
            mode="System",
            type="VirtualMachineScaleSets",
            vm_size=pool.machine,
            count=pool.nodes,
            min_count=pool.nodes,
            max_count=pool.most,
            enable_auto_scaling=True,
            availability_zones=list(self._site.spec.zones_of(pool)),
            vnet_subnet_id=self._vnet.nodes.id,
            enable_encryption_at_host=True,
            enable_node_public_ip=False,
            os_disk_size_gb=pool.disk,
            os_sku="AzureLinux",
            node_labels={"equerry/pool": pool.name, "equerry/role": pool.role},
            upgrade_settings=azure.containerservice.AgentPoolUpgradeSettingsArgs(max_surge="1"),
            tags=self._site.tags,
        )

    def _pool(self, pool: Pool) -> azure.containerservice.AgentPool:
        gpu = pool.role == "gpu"
        return azure.containerservice.AgentPool(
            self._site.name(f"pool-{pool.name}"),
            agent_pool_name=_name(pool),
            resource_name_=self.cluster.name,
            resource_group_name=self._group.name,
            mode="System" if pool.role == "system" else "User",
            type="VirtualMachineScaleSets",
            vm_size=pool.machine,
            count=pool.nodes,
            min_count=pool.nodes,
            max_count=max(pool.most, 1),
            enable_auto_scaling=True,
            availability_zones=list(self._site.spec.zones_of(pool)),
            vnet_subnet_id=self._vnet.nodes.id,
            enable_encryption_at_host=True,
            enable_node_public_ip=False,
            os_disk_size_gb=pool.disk,
            os_sku="Ubuntu" if gpu else "AzureLinux",
            node_labels={"equerry/pool": pool.name, "equerry/role": pool.role},
            node_taints=[_TAINT] if gpu else None,
            upgrade_settings=azure.containerservice.AgentPoolUpgradeSettingsArgs(
                max_surge="0" if gpu else "1", max_unavailable="1" if gpu else None
            ),
            tags=self._site.tags,
            opts=self._site.options(),
        )


def _name(pool: Pool) -> str:
    """Azure's pools have twelve letters and digits."""
    return pool.name.replace("-", "")[:12]
