"""A cell on Scaleway.

Surprising, and said in the controls: the Kubernetes API has a public address (an access list guards it), databases
are encrypted with a key of Scaleway's, there is no identity for pods, no filter of host names on the way out, and no
rule by which an organisation could forbid a region.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pulumi
import pulumi_random as random
import pulumiverse_scaleway as scaleway

from infra.providers.protocol import (
    Audit,
    Cluster,
    Control,
    Database,
    Egress,
    Guard,
    Identity,
    Key,
    Network,
    Parts,
    State,
    Store,
)
from infra.site import Site
from infra.spec import Pool, RegionSpec
from policies.constraints import Evidence

__all__ = ["CLOUD"]

_KUBERNETES: Final = "1.33"
_ROTATION: Final = "2160h"  # 90 days
_OPEN_PORTS: Final = (("TCP", 443), ("UDP", 53), ("TCP", 53), ("UDP", 123))  # TLS, names, time
_EVERYWHERE: Final = "0.0.0.0/0"


class Scaleway:
    """Scaleway, in one project of the organisation."""

    name = "scaleway"

    def reach(self, spec: RegionSpec, options: pulumi.ResourceOptions) -> pulumi.ProviderResource:
        """Pinned to the region and project; the key comes from SCW_ACCESS_KEY and SCW_SECRET_KEY."""
        return scaleway.Provider(
            f"{spec.cell}-scaleway", region=spec.region, zone=spec.zones[0], project_id=spec.account, opts=options
        )

    def build(self, site: Site) -> Parts:
        """All parts of a cell."""
        key, master = _key(site.room("key"))
        network, private = _network(site.room("network"))
        egress, ways_out = _egress(site.room("egress"), private)
        application = scaleway.iam.Application(
            site.name("films"),
            name=site.name("films"),
            description=f"Films of {site.spec.cell}",
            tags=_tags(site),
            opts=site.options(),
        )
        return Parts(
            key=key,
            network=network,
            egress=egress,
            cluster=_cluster(site.room("cluster"), private, ways_out),
            store=_store(site.room("store"), master, application),
            database=_database(site.room("database"), private),
            identity=_identity(site.room("identity"), application),
            audit=_audit(site.room("audit")),
            guard=_guard(),
        )


CLOUD: Final = Scaleway()


def _tags(site: Site) -> list[str]:
    """Scaleway's tags are words; ours keep their names in front."""
    return [f"{name}={value}" for name, value in site.tags.items()]


def _says(id_: str, state: State, note: str, grade: Evidence = Evidence.ENDPOINT) -> Control:
    return Control(id=id_, state=state, grade=grade, note=note)


def _key(site: Site) -> tuple[Key, scaleway.keymanager.Key]:
    key = scaleway.keymanager.Key(
        site.name("films"),
        name=site.name("films"),
        region=site.spec.region,
        usage="symmetric_encryption",
        algorithm="aes_256_gcm",
        rotation_policy=scaleway.keymanager.KeyRotationPolicyArgs(rotation_period=_ROTATION),
        unprotected=False,
        tags=_tags(site),
        opts=site.data_options(),
    )
    controls = (
        _says("key.customer-managed", State.CONFIGURED, "A Key Manager key of the project encrypts films."),
        _says("key.rotation", State.CONFIGURED, "Key Manager draws a new version every 90 days."),
        _says("key.region", State.ENFORCED, "Key Manager is regional; a key cannot leave its region."),
    )
    return Key(id=key.id, controls=controls), key


def _network(site: Site) -> tuple[Network, scaleway.network.PrivateNetwork]:
    vpc = scaleway.network.Vpc(
        site.name("vpc"),
        name=site.name("vpc"),
        region=site.spec.region,
        enable_routing=True,
        enable_custom_routes_propagation=False,
        tags=_tags(site),
        opts=site.options(),
    )
    private = scaleway.network.PrivateNetwork(
        site.name("private"),
        name=site.name("private"),
        region=site.spec.region,
        vpc_id=vpc.id,
        ipv4_subnet=scaleway.network.PrivateNetworkIpv4SubnetArgs(subnet=str(site.addresses.whole)),
        tags=_tags(site),
        opts=site.options(),
    )
    controls = (
        _says("network.private", State.CONFIGURED, "Nodes and database stand in a private network of the cell's own."),
        _says("network.own-addresses", State.CONFIGURED, "The network is the spec's /16, which no other cell has."),
        _says("network.flow-log", State.ABSENT, "Scaleway has no flow log; connections are seen in the cluster alone."),
    )
    return Network(id=vpc.id, controls=controls), private


def _egress(site: Site, private: scaleway.network.PrivateNetwork) -> tuple[Egress, list[pulumi.Output[str]]]:
    """A gateway in each zone; without it a node has no way out."""
    ways_out = [_gateway(site, zone, private) for zone in site.spec.zones]
    controls = (
        _says(
            "egress.default-deny",
            State.PARTIAL,
            "A security group drops what leaves a node for any port but TLS, DNS and NTP; it cannot tell hosts apart.",
        ),
        _says(
            "egress.allow-list",
            State.ABSENT,
            "Scaleway filters no host names; the chart's network policies name networks and ports.",
        ),
    )
    return Egress(addresses=tuple(ways_out), allowed=site.spec.egress, controls=controls), ways_out


def _gateway(site: Site, zone: str, private: scaleway.network.PrivateNetwork) -> pulumi.Output[str]:
    address = scaleway.network.PublicGatewayIp(
        site.name(f"out-{zone}"), zone=zone, tags=_tags(site), opts=site.options()
    )
    gateway = scaleway.network.PublicGateway(
        site.name(f"gateway-{zone}"),
        name=site.name(f"gateway-{zone}"),
        type="VPC-GW-M",
        zone=zone,
        ip_id=address.id,
        bastion_enabled=False,
        enable_smtp=False,
        tags=_tags(site),
        opts=site.options(),
    )
    scaleway.network.GatewayNetwork(
        site.name(f"gateway-{zone}"),
        gateway_id=gateway.id,
        private_network_id=private.id,
        zone=zone,
        enable_masquerade=True,
        ipam_configs=[scaleway.network.GatewayNetworkIpamConfigArgs(push_default_route=True)],
        opts=site.options(),
    )
    return address.address


def _cluster(site: Site, private: scaleway.network.PrivateNetwork, ways_out: Sequence[pulumi.Output[str]]) -> Cluster:
    cluster = scaleway.kubernetes.Cluster(
        site.name("cluster"),
        name=site.name("cluster"),
        region=site.spec.region,
        type="kapsule-dedicated-4",
        version=_KUBERNETES,
        cni="cilium",
        private_network_id=private.id,
        pod_cidr=str(site.addresses.pods),
        service_cidr=str(site.addresses.services),
        delete_additional_resources=False,
        admission_plugins=["AlwaysPullImages"],
        auto_upgrade=scaleway.kubernetes.ClusterAutoUpgradeArgs(
            enable=True, maintenance_window_day="tuesday", maintenance_window_start_hour=3
        ),
        tags=_tags(site),
        opts=site.options(secrets=["kubeconfigs"]),
    )
    _access(site, cluster, ways_out)
    walls = {zone: _wall(site, zone) for zone in site.spec.zones}
    for pool in site.spec.pools:
        for place, zone in enumerate(site.spec.zones_of(pool)):
            _pool(site, cluster, pool, zone, _share(pool, place, len(site.spec.zones_of(pool))), walls[zone])
    controls = (
        _says(
            "cluster.private-endpoint",
            State.PARTIAL,
            "Kapsule's API has a public address; an access list admits the cell's gateways and the operators alone.",
        ),
        _says("cluster.secrets-key", State.ABSENT, "etcd is encrypted, if at all, with a key of Scaleway's."),
        _says("cluster.zones", State.CONFIGURED, "Each pool names its zone, and all zones are of the region."),
        _says("cluster.node-disk-key", State.ABSENT, "Disks of nodes are not encrypted with a key of yours."),
    )
    return Cluster(
        name=cluster.name,
        endpoint=cluster.apiserver_url,
        kubeconfig=pulumi.Output.secret(cluster.kubeconfigs.apply(lambda found: found[0].config_file or "")),
        controls=controls,
    )


def _access(site: Site, cluster: scaleway.kubernetes.Cluster, ways_out: Sequence[pulumi.Output[str]]) -> None:
    """Only the cell's own gateways and the operators' networks reach the API."""
    own = [
        scaleway.kubernetes.AclAclRuleArgs(ip=address.apply(lambda ip: f"{ip}/32"), description="nodes")
        for address in ways_out
    ]
    people = [
        scaleway.kubernetes.AclAclRuleArgs(ip=str(office), description="operators") for office in site.spec.operators
    ]
    scaleway.kubernetes.Acl(
        site.name("api"), cluster_id=cluster.id, region=site.spec.region, acl_rules=[*own, *people], opts=site.options()
    )


def _wall(site: Site, zone: str) -> scaleway.instance.SecurityGroup:
    """Nothing comes in but from the cell's network; TLS, names and time may go out."""
    inside = str(site.addresses.whole)
    return scaleway.instance.SecurityGroup(
        site.name(f"nodes-{zone}"),
        name=site.name(f"nodes-{zone}"),
        zone=zone,
        stateful=True,
        enable_default_security=True,
        inbound_default_policy="drop",
        inbound_rules=[
            scaleway.instance.SecurityGroupInboundRuleArgs(action="accept", ip_range=inside, protocol="ANY")
        ],
        outbound_default_policy="drop",
        outbound_rules=[
            scaleway.instance.SecurityGroupOutboundRuleArgs(action="accept", ip_range=inside, protocol="ANY"),
            *(
                scaleway.instance.SecurityGroupOutboundRuleArgs(
                    action="accept", ip_range=_EVERYWHERE, protocol=protocol, port=port
                )
                for protocol, port in _OPEN_PORTS
            ),
        ],
        tags=_tags(site),
        opts=site.options(),
    )


def _share(pool: Pool, place: int, zones: int) -> tuple[int, int]:
    """This zone's part of a pool's nodes and of the most that it may have; the first zones take what is over."""
    return (pool.nodes + zones - 1 - place) // zones, (pool.most + zones - 1 - place) // zones


def _pool(
    site: Site,
    cluster: scaleway.kubernetes.Cluster,
    pool: Pool,
    zone: str,
    share: tuple[int, int],
    wall: scaleway.instance.SecurityGroup,
) -> None:
    nodes, most = share
    taints = [scaleway.kubernetes.PoolTaintArgs(key="nvidia.com/gpu", value="present", effect="NoSchedule")]
    scaleway.kubernetes.Pool(
        site.name(f"{pool.name}-{zone}"),
        name=site.name(f"{pool.name}-{zone}"),
        cluster_id=cluster.id,
        region=site.spec.region,
        zone=zone,
        node_type=pool.machine,
        size=nodes,
        min_size=nodes,
        max_size=max(most, 1),
        autoscaling=most > nodes,
        autohealing=True,
        public_ip_disabled=True,
        security_group_id=wall.id,
        root_volume_type="sbs_15k",
        root_volume_size_in_gb=pool.disk,
        labels={"equerry.dev/pool": pool.name, "equerry.dev/role": pool.role},
        taints=taints if pool.role == "gpu" else [],
        tags=_tags(site),
        opts=site.options(),
    )


def _store(site: Site, master: scaleway.keymanager.Key, application: scaleway.iam.Application) -> Store:
    name = site.global_name("films")
    bucket = scaleway.object.Bucket(
        name,
        name=name,
        region=site.spec.region,
        versioning=scaleway.object.BucketVersioningArgs(enabled=True),
        force_destroy=False,
        tags=site.tags,
        opts=site.data_options(),
    )
    scaleway.object.BucketAcl(
        name, bucket=bucket.name, region=site.spec.region, acl="private", opts=site.options(depends_on=[bucket])
    )
    scaleway.object.BucketServerSideEncryptionConfiguration(
        name,
        bucket=bucket.name,
        region=site.spec.region,
        rules=[_encrypted_with(master)],
        opts=site.options(depends_on=[bucket]),
    )
    scaleway.object.BucketPolicy(
        name,
        bucket=bucket.name,
        region=site.spec.region,
        policy=pulumi.Output.all(name=bucket.name, id=application.id).apply(lambda found: _only(**found)),
        opts=site.options(depends_on=[bucket]),
    )
    secret = scaleway.iam.ApiKey(
        site.name("films"),
        application_id=application.id,
        default_project_id=site.spec.account,
        description=f"Films of {site.spec.cell}",
        opts=site.options(secrets=["secretKey"]),
    )
    controls = (
        _says("store.customer-key", State.CONFIGURED, "Films are encrypted with the cell's Key Manager key."),
        _says(
            "store.no-public-access", State.CONFIGURED, "A bucket policy admits one application; the ACL is private."
        ),
        _says("store.region", State.ENFORCED, "A bucket lies in one region, which its endpoint names."),
        _says("store.no-replication", State.ENFORCED, "Scaleway's buckets cannot be replicated."),
        _says("store.tls", State.PARTIAL, "The cell speaks TLS; the bucket would not refuse plain HTTP."),
    )
    return Store(
        url=bucket.name.apply(lambda found: f"s3://{found}"),
        options={"aws_endpoint": f"https://s3.{site.spec.region}.scw.cloud", "aws_region": site.spec.region},
        secrets={"aws_access_key_id": secret.access_key, "aws_secret_access_key": secret.secret_key},
        controls=controls,
    )


def _encrypted_with(master: scaleway.keymanager.Key) -> Any:
    default = (
        scaleway.object.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs  # its name
    )
    return scaleway.object.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=default(sse_algorithm="aws:kms", kms_master_key_id=master.id),
        bucket_key_enabled=True,
    )


def _only(name: str, id: str) -> str:  # noqa: A002 - as `Output.all` names it
    """A bucket policy that admits one application to the objects, and nobody else."""
    statement = {
        "Effect": "Allow",
        "Principal": {"SCW": f"application_id:{id}"},
        "Action": ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        "Resource": [name, f"{name}/*"],
    }
    return json.dumps({"Version": "2023-04-17", "Id": "equerry", "Statement": [statement]})


def _database(site: Site, private: scaleway.network.PrivateNetwork) -> Database:
    wanted = site.spec.database
    password = random.RandomPassword(
        site.name("database"),
        length=40,
        min_lower=1,
        min_upper=1,
        min_numeric=1,
        min_special=1,
        opts=pulumi.ResourceOptions(parent=site.parent, protect=True, additional_secret_outputs=["result"]),
    )
    instance = scaleway.databases.Instance(
        site.name("jobs"),
        name=site.name("jobs"),
        region=site.spec.region,
        engine=f"PostgreSQL-{wanted.version}",
        node_type=wanted.machine,
        is_ha_cluster=True,
        volume_type="sbs_15k",
        volume_size_in_gb=wanted.storage,
        encryption_at_rest=True,
        disable_backup=False,
        backup_same_region=True,
        backup_schedule_frequency=24,
        backup_schedule_retention=wanted.backups,
        private_network=scaleway.databases.InstancePrivateNetworkArgs(pn_id=private.id, enable_ipam=True),
        user_name="equerry",
        password=password.result,
        tags=_tags(site),
        opts=site.data_options(secrets=["password"]),
    )
    scaleway.databases.Acl(
        site.name("jobs"),
        instance_id=instance.id,
        region=site.spec.region,
        acl_rules=[scaleway.databases.AclAclRuleArgs(ip=str(site.addresses.whole), description="the cell")],
        opts=site.options(),
    )
    jobs = scaleway.databases.Database(
        site.name("jobs-equerry"), instance_id=instance.id, region=site.spec.region, name="equerry",
        opts=site.data_options(),
    )  # fmt: skip
    controls = (
        _says("database.customer-key", State.ABSENT, "Volumes are encrypted with a key of Scaleway's, not of yours."),
        _says("database.private", State.CONFIGURED, "The instance has an address in the private network and no other."),
        _says("database.backups-in-region", State.CONFIGURED, "Backups are kept in the instance's own region."),
        _says(
            "database.tls", State.CONFIGURED, "The cell demands TLS; the instance would accept a connection without."
        ),
    )
    return Database(
        url=pulumi.Output.all(instance.private_network, jobs.name).apply(lambda found: _url(*found)),
        password=pulumi.Output.secret(password.result),
        ca=instance.certificate,
        controls=controls,
    )


def _url(endpoint: Any, name: str) -> str:
    return f"postgresql://equerry@{endpoint.get('ip')}:{endpoint.get('port') or 5432}/{name}"


def _identity(site: Site, application: scaleway.iam.Application) -> Identity:
    scaleway.iam.Policy(
        site.name("films"),
        name=site.name("films"),
        description=f"Films of {site.spec.cell}: objects and their key, in one project",
        application_id=application.id,
        rules=[
            scaleway.iam.PolicyRuleArgs(
                permission_set_names=[
                    "ObjectStorageObjectsRead",
                    "ObjectStorageObjectsWrite",
                    "ObjectStorageObjectsDelete",
                    "KeyManagerFullAccess",
                ],
                project_ids=[site.spec.account],
            )
        ],
        tags=_tags(site),
        opts=site.options(),
    )
    controls = (
        _says(
            "identity.no-long-lived-keys",
            State.ABSENT,
            "Pods have no identity on Scaleway; one API key lies in a secret of the cluster and is replaced by hand.",
        ),
        _says(
            "identity.least-privilege",
            State.PARTIAL,
            "The application reads and writes objects; Key Manager has no smaller right than all keys of the project.",
        ),
    )
    return Identity(controls=controls)


def _audit(site: Site) -> Audit:
    source = scaleway.observability.Source(
        site.name("audit"),
        name=site.name("audit"),
        region=site.spec.region,
        type="logs",
        retention_days=min(site.spec.audit_days, 365),
        opts=site.data_options(),
    )
    controls = (
        _says(
            "audit.in-region", State.PARTIAL, "Cockpit's logs lie in the region; Audit Trail itself is kept in Paris."
        ),
        _says("audit.immutable", State.ABSENT, "Nothing forbids an owner to shorten the retention, 365 days at most."),
        _says("audit.data-access", State.ABSENT, "Reads of single objects are not written down."),
    )
    return Audit(location=source.url, controls=controls)


def _guard() -> Guard:
    controls = (
        _says("guard.region-deny", State.ABSENT, "No rule of Scaleway's forbids a region; this pack is the only one."),
        _says("guard.scope", State.PARTIAL, "Rights end at the project, so a stolen key reaches one cell."),
    )
    return Guard(
        expects="nothing: Scaleway has no organisation policy; keep the cell's project its own", controls=controls
    )
