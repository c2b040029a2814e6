"""GKE: private nodes, a control plane for named networks only, and a pool of machines for each pool of the spec."""

from __future__ import annotations

from typing import Final

import pulumi
import pulumi_gcp as gcp

from infra.gpus import machine
from infra.providers.gcp.egress import Wall
from infra.providers.gcp.identity import Studio
from infra.providers.gcp.keys import Keys
from infra.providers.gcp.network import Vpc
from infra.providers.protocol import Cluster, Control, State
from infra.site import Site
from infra.spec import Pool
from policies.constraints import Evidence

__all__ = ["Kubernetes"]

#: What Google calls the cards.
_CARDS: Final = {"H100": "nvidia-h100-80gb", "H200": "nvidia-h200-141gb", "L4": "nvidia-l4"}
_SCOPES: Final = ["https://www.googleapis.com/auth/cloud-platform"]


class Kubernetes:
    """The cluster and its pools."""

    def __init__(self, site: Site, vpc: Vpc, keys: Keys, studio: Studio, wall: Wall) -> None:
        self._site = site
        self._keys = keys
        self._studio = studio
        self.cluster = self._cluster(vpc, keys, wall)
        self.pools = [self._pool(pool) for pool in site.spec.pools]

    def part(self) -> Cluster:
        """As the protocol wants it."""
        spec = self._site.spec
        seen = "operators' networks only" if spec.operators else "the cell's own network only"
        said = {
            "cluster.private-endpoint": (State.CONFIGURED, f"The API answers {seen}."),
            "cluster.secrets-key": (State.CONFIGURED, "Secrets of Kubernetes are wrapped with the cell's key."),
            "cluster.zones": (
                State.CONFIGURED,
                f"Nodes stand in {', '.join(spec.zones)}; the control plane in the region.",
            ),
            "cluster.node-disk-key": (
                State.CONFIGURED,
                "Boot disks of nodes are under the cell's key; the chart's disks by their class.",
            ),
        }
        return Cluster(
            name=self.cluster.name,
            endpoint=self.cluster.endpoint.apply("https://{}".format),
            kubeconfig=pulumi.Output.secret(self._kubeconfig()),
            controls=tuple(
                Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note)
                for name, (state, note) in said.items()
            ),
        )

    def _cluster(self, vpc: Vpc, keys: Keys, wall: Wall) -> gcp.container.Cluster:
        site, spec = self._site, self._site.spec
        offices = [
            gcp.container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs(
                cidr_block=str(network), display_name="operators"
            )
            for network in spec.operators
        ]
        return gcp.container.Cluster(
            site.name("cluster"),
            name=site.name("cluster"),
            project=spec.account,
            location=spec.region,
            node_locations=list(spec.zones),
            network=vpc.network.id,
            subnetwork=vpc.subnet.id,
            networking_mode="VPC_NATIVE",
            datapath_provider="ADVANCED_DATAPATH",
            remove_default_node_pool=True,
            initial_node_count=1,
            deletion_protection=True,
            enable_shielded_nodes=True,
            enable_legacy_abac=False,
            enable_intranode_visibility=True,
            ip_allocation_policy=gcp.container.ClusterIpAllocationPolicyArgs(
                cluster_secondary_range_name="pods", services_secondary_range_name="services"
            ),
            private_cluster_config=gcp.container.ClusterPrivateClusterConfigArgs(
                enable_private_nodes=True,
                enable_private_endpoint=not offices,
                master_ipv4_cidr_block=str(site.addresses.control_plane),
                master_global_access_config=gcp.container.ClusterPrivateClusterConfigMasterGlobalAccessConfigArgs(
                    enabled=False
                ),
            ),
            master_authorized_networks_config=gcp.container.ClusterMasterAuthorizedNetworksConfigArgs(
                cidr_blocks=offices, gcp_public_cidrs_access_enabled=False
            ),
            master_auth=gcp.container.ClusterMasterAuthArgs(
                client_certificate_config=gcp.container.ClusterMasterAuthClientCertificateConfigArgs(
                    issue_client_certificate=False
                )
            ),
            workload_identity_config=gcp.container.ClusterWorkloadIdentityConfigArgs(
                workload_pool=f"{spec.account}.svc.id.goog"
            ),
            database_encryption=gcp.container.ClusterDatabaseEncryptionArgs(
                state="ENCRYPTED", key_name=self._keys.cluster.id
            ),
            release_channel=gcp.container.ClusterReleaseChannelArgs(channel="REGULAR"),
            node_config=self._node(spec.pools_of("system")[0]),
            resource_labels=site.labels,
            opts=site.data_options(depends_on=[wall.gateway, *keys.granted]),
        )

    def _pool(self, pool: Pool) -> gcp.container.NodePool:
        site = self._site
        return gcp.container.NodePool(
            site.name(f"pool-{pool.name}"),
            name=pool.name,
            project=site.spec.account,
            location=site.spec.region,
            cluster=self.cluster.id,
            node_locations=list(site.spec.zones_of(pool)),
            initial_node_count=-(-pool.nodes // len(site.spec.zones_of(pool))),
            autoscaling=gcp.container.NodePoolAutoscalingArgs(
                total_min_node_count=pool.nodes, total_max_node_count=max(pool.most, 1), location_policy="BALANCED"
            ),
            management=gcp.container.NodePoolManagementArgs(auto_repair=True, auto_upgrade=True),
            upgrade_settings=gcp.container.NodePoolUpgradeSettingsArgs(
                strategy="SURGE",
                max_surge=0 if pool.role == "gpu" else 1,
                max_unavailable=1 if pool.role == "gpu" else 0,
            ),
            network_config=gcp.container.NodePoolNetworkConfigArgs(enable_private_nodes=True),
            node_config=self._pool_node(pool),
            opts=site.options(),
        )

    def _node(self, pool: Pool) -> gcp.container.ClusterNodeConfigArgs:
        """Of the pool that Google makes first and that is taken away again: as closed as the others."""
        return gcp.container.ClusterNodeConfigArgs(
            machine_type=pool.machine,
            service_account=self._studio.node.email,
            oauth_scopes=_SCOPES,
            boot_disk_kms_key=self._keys.cluster.id,
            workload_metadata_config=gcp.container.ClusterNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
            shielded_instance_config=gcp.container.ClusterNodeConfigShieldedInstanceConfigArgs(
                enable_secure_boot=True, enable_integrity_monitoring=True
            ),
        )

    def _pool_node(self, pool: Pool) -> gcp.container.NodePoolNodeConfigArgs:
        carrier = machine("gcp", pool.machine) if pool.role == "gpu" else None
        cards = carrier and gcp.container.NodePoolNodeConfigGuestAcceleratorArgs(
            type=_CARDS[carrier.accelerator],
            count=carrier.count,
            gpu_driver_installation_config=(
                gcp.container.NodePoolNodeConfigGuestAcceleratorGpuDriverInstallationConfigArgs(
                    gpu_driver_version="DEFAULT"
                )
            ),
        )
        taint = gcp.container.NodePoolNodeConfigTaintArgs(key="nvidia.com/gpu", value="present", effect="NO_SCHEDULE")
        return gcp.container.NodePoolNodeConfigArgs(
            machine_type=pool.machine,
            image_type="COS_CONTAINERD",
            disk_size_gb=pool.disk,
            disk_type="pd-ssd" if pool.role != "system" else "pd-balanced",
            boot_disk_kms_key=self._keys.cluster.id,
            service_account=self._studio.node.email,
            oauth_scopes=_SCOPES,
            guest_accelerators=[cards] if cards else None,
            taints=[taint] if cards else None,
            labels={"equerry-pool": pool.name, "equerry-role": pool.role},
            resource_labels=self._site.labels,
            metadata={"disable-legacy-endpoints": "true"},
            workload_metadata_config=gcp.container.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
            shielded_instance_config=gcp.container.NodePoolNodeConfigShieldedInstanceConfigArgs(
                enable_secure_boot=not cards, enable_integrity_monitoring=True
            ),
            gvnic=gcp.container.NodePoolNodeConfigGvnicArgs(enabled=True),
        )

    def _kubeconfig(self) -> pulumi.Output[str]:
        """Holds no key: it asks Google's plugin for a token when it is used."""
        name = self._site.name("cluster")
        ask = {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "gke-gcloud-auth-plugin",
            "provideClusterInfo": True,
        }
        reach = {
            "server": self.cluster.endpoint.apply("https://{}".format),
            "certificate-authority-data": self.cluster.master_auth.cluster_ca_certificate,
        }
        return pulumi.Output.json_dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": name,
                "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
                "clusters": [{"name": name, "cluster": reach}],
                "users": [{"name": name, "user": {"exec": ask}}],
            }
        )
