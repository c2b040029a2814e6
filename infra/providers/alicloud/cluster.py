"""ACK Pro: a control plane that only the VPC reaches, and pools whose disks are encrypted with the cell's key."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi
import pulumi_alicloud as alicloud

from infra.providers.alicloud.network import Ground
from infra.providers.alicloud.says import says
from infra.providers.protocol import Cluster, State
from infra.site import Site
from infra.spec import Pool

__all__ = ["make"]

_KUBERNETES = "1.33.1-aliyun.1"
_LOGS = ("apiserver", "kcm", "scheduler", "ccm")


def make(
    site: Site, ground: Ground, key: alicloud.kms.Key, ways_out: Sequence[pulumi.Resource]
) -> tuple[Cluster, alicloud.cs.ManagedKubernetes]:
    """The cluster with its pools, and its part."""
    cluster = alicloud.cs.ManagedKubernetes(
        site.name("cluster"),
        name=site.name("cluster"),
        version=_KUBERNETES,
        cluster_spec="ack.pro.small",
        vswitch_ids=[switch.id for switch in ground.nodes.values()],
        pod_vswitch_ids=[switch.id for switch in ground.nodes.values()],
        service_cidr=str(site.addresses.services),
        proxy_mode="ipvs",
        slb_internet_enabled=False,
        new_nat_gateway=False,
        is_enterprise_security_group=True,
        enable_rrsa=True,
        encryption_provider_key=key.id,
        deletion_protection=True,
        control_plane_log_components=list(_LOGS),
        control_plane_log_project=ground.logs.project_name,
        control_plane_log_ttl=str(site.spec.audit_days),
        audit_log_config=alicloud.cs.ManagedKubernetesAuditLogConfigArgs(
            enabled=True, sls_project_name=ground.logs.project_name
        ),
        addons=[_terway(), alicloud.cs.ManagedKubernetesAddonArgs(name="ack-pod-identity-webhook")],
        tags=site.tags,
        opts=site.options(depends_on=ways_out),
    )
    group = _group(site, ground)
    for pool in site.spec.pools:
        _pool(site, ground, cluster, key, group, pool)
    controls = (
        says(
            "cluster.private-endpoint",
            State.CONFIGURED,
            "The API listens in the VPC alone; operators come by a bastion.",
        ),
        says("cluster.secrets-key", State.CONFIGURED, "Secrets in etcd are encrypted with the cell's key."),
        says("cluster.zones", State.CONFIGURED, "Each pool names switches, and each switch a zone of the region."),
        says("cluster.node-disk-key", State.CONFIGURED, "System disks of nodes are encrypted with the cell's key."),
    )
    made = Cluster(
        name=cluster.name,
        endpoint=cluster.connections.apply(lambda found: str(found[0].api_server_intranet)),
        kubeconfig=None,
        controls=controls,
    )
    return made, cluster


def _terway() -> alicloud.cs.ManagedKubernetesAddonArgs:
    """The network plugin that enforces network policies."""
    config = {"IPVlan": "false", "NetworkPolicy": "true", "ENITrunking": "false"}
    return alicloud.cs.ManagedKubernetesAddonArgs(name="terway-eniip", config=json.dumps(config))


def _group(site: Site, ground: Ground) -> alicloud.ecs.SecurityGroup:
    """Nodes hear the cell's own network and nobody else; what leaves meets the firewall."""
    group = alicloud.ecs.SecurityGroup(
        site.name("nodes"),
        security_group_name=site.name("nodes"),
        security_group_type="enterprise",
        inner_access_policy="Accept",
        vpc_id=ground.vpc.id,
        tags=site.tags,
        opts=site.options(),
    )
    alicloud.ecs.SecurityGroupRule(
        site.name("nodes-inside"),
        security_group_id=group.id,
        type="ingress",
        ip_protocol="all",
        port_range="-1/-1",
        policy="accept",
        cidr_ip=str(site.addresses.whole),
        opts=site.options(),
    )
    return group


def _pool(
    site: Site,
    ground: Ground,
    cluster: alicloud.cs.ManagedKubernetes,
    key: alicloud.kms.Key,
    group: alicloud.ecs.SecurityGroup,
    pool: Pool,
) -> None:
    taints = [alicloud.cs.NodePoolTaintArgs(key="nvidia.com/gpu", value="present", effect="NoSchedule")]
    labels = {"equerry.dev/pool": pool.name, "equerry.dev/role": pool.role}
    alicloud.cs.NodePool(
        site.name(pool.name),
        node_pool_name=site.name(pool.name),
        cluster_id=cluster.id,
        vswitch_ids=[ground.nodes[zone].id for zone in site.spec.zones_of(pool)],
        multi_az_policy="BALANCE",
        instance_types=[pool.machine],
        desired_size=None if pool.most > pool.nodes else str(pool.nodes),
        scaling_config=alicloud.cs.NodePoolScalingConfigArgs(
            enable=pool.most > pool.nodes, min_size=pool.nodes, max_size=pool.most
        ),
        security_group_ids=[group.id],
        internet_max_bandwidth_out=0,
        instance_metadata_options=alicloud.cs.NodePoolInstanceMetadataOptionsArgs(http_tokens="required"),
        system_disk_category="cloud_essd",
        system_disk_size=pool.disk,
        system_disk_encrypted=True,
        system_disk_encrypt_algorithm="aes-256",
        system_disk_kms_key=key.id,
        install_cloud_monitor=False,
        management=alicloud.cs.NodePoolManagementArgs(enable=True, auto_repair=True, max_unavailable=1),
        labels=[alicloud.cs.NodePoolLabelArgs(key=name, value=value) for name, value in labels.items()],
        taints=taints if pool.role == "gpu" else [],
        tags=site.tags,
        opts=site.options(),
    )
