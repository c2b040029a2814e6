"""A cell on OVHcloud's public cloud.

Surprising, and said in the controls: neither buckets nor databases take a key of yours, the Kubernetes API has a public
address behind an access list, machines name a data centre (GRA11) inside the region (GRA) that storage and databases
name, and nobody filters host names on the way out.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pulumi
import pulumi_ovh as ovh

from infra.errors import Impossible
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
_NODES: Final = 2  # of the database: one writes, one takes over


class Ovh:
    """OVHcloud, in one public-cloud project."""

    name = "ovh"

    def reach(self, spec: RegionSpec, options: pulumi.ResourceOptions) -> pulumi.ProviderResource:
        """The European endpoint; the key comes from OVH_APPLICATION_KEY and its siblings, or from OVH_CLIENT_ID."""
        return ovh.Provider(f"{spec.cell}-ovh", endpoint="ovh-eu", opts=options)

    def build(self, site: Site) -> Parts:
        """All parts of a cell. Raises Impossible for zones that one cluster cannot span."""
        place = _place(site.spec)
        network, private, subnet = _network(site.room("network"), place)
        egress, gateway = _egress(site.room("egress"), place, private, subnet)
        cluster = _cluster(site.room("cluster"), place, private, subnet, gateway)
        return Parts(
            key=_key(),
            network=network,
            egress=egress,
            cluster=cluster,
            store=_store(site.room("store")),
            database=_database(site.room("database"), private, subnet),
            identity=_identity(),
            audit=_audit(),
            guard=_guard(),
        )


CLOUD: Final = Ovh()


def _place(spec: RegionSpec) -> str:
    """Where machines stand: a region of three zones by its own name, any other by its one data centre.

    Raises Impossible.
    """
    if "-" in spec.region:
        return spec.region
    if len(spec.zones) == 1:
        return spec.zones[0]
    raise Impossible(
        f"{spec.region} has no zones between which a cluster could span: {', '.join(spec.zones)} are data centres of "
        f'their own. Name one, as in zones: ["{spec.zones[0]}"], or take a region of three zones such as EU-WEST-PAR.'
    )


def _says(id_: str, state: State, note: str, grade: Evidence = Evidence.DECLARED) -> Control:
    return Control(id=id_, state=state, grade=grade, note=note)


def _key() -> Key:
    controls = (
        _says(
            "key.customer-managed", State.ABSENT, "Storage and databases take no key of yours; OVHcloud holds theirs."
        ),
        _says("key.rotation", State.ABSENT, "OVHcloud rotates its keys as it sees fit."),
        _says("key.region", State.ABSENT, "OVHcloud does not say where its keys lie."),
    )
    return Key(id=None, controls=controls)


def _network(
    site: Site, place: str
) -> tuple[Network, ovh.cloudproject.NetworkPrivate, ovh.cloudproject.NetworkPrivateSubnet]:
    private = ovh.cloudproject.NetworkPrivate(
        site.name("private"),
        service_name=site.spec.account,
        name=site.name("private"),
        regions=[place],
        opts=site.options(),
    )
    whole = site.addresses.whole
    subnet = ovh.cloudproject.NetworkPrivateSubnet(
        site.name("nodes"),
        service_name=site.spec.account,
        network_id=private.id,
        region=place,
        network=str(whole),
        start=str(whole[256]),
        end=str(whole[128 * 256 - 1]),
        dhcp=True,
        no_gateway=False,
        opts=site.options(),
    )
    controls = (
        _says("network.private", State.CONFIGURED, "Nodes and database stand in a private network of the cell's own."),
        _says("network.own-addresses", State.CONFIGURED, "The network is the spec's /16, which no other cell has."),
        _says("network.flow-log", State.ABSENT, "OVHcloud has no flow log; connections are seen in the cluster alone."),
    )
    return Network(id=private.id, controls=controls), private, subnet


def _openstack(private: ovh.cloudproject.NetworkPrivate, place: str) -> pulumi.Output[str]:
    """The network as machines know it; each data centre has its own id for it."""
    return private.regions_openstack_ids.apply(lambda ids: ids[place])


def _egress(
    site: Site,
    place: str,
    private: ovh.cloudproject.NetworkPrivate,
    subnet: ovh.cloudproject.NetworkPrivateSubnet,
) -> tuple[Egress, ovh.cloudproject.Gateway]:
    gateway = ovh.cloudproject.Gateway(
        site.name("gateway"),
        service_name=site.spec.account,
        name=site.name("gateway"),
        model="m",
        region=place,
        network_id=_openstack(private, place),
        subnet_id=subnet.id,
        opts=site.options(),
    )
    controls = (
        _says(
            "egress.default-deny", State.ABSENT, "The gateway lets everything out; the chart's network policies do not."
        ),
        _says(
            "egress.allow-list",
            State.ABSENT,
            "OVHcloud filters no host names; the chart's network policies name networks and ports.",
        ),
    )
    return Egress(addresses=(_way_out(gateway),), allowed=site.spec.egress, controls=controls), gateway


def _way_out(gateway: ovh.cloudproject.Gateway) -> pulumi.Output[str]:
    return gateway.external_informations.apply(lambda found: str(found[0].ips[0].ip) if found else "")


def _cluster(
    site: Site,
    place: str,
    private: ovh.cloudproject.NetworkPrivate,
    subnet: ovh.cloudproject.NetworkPrivateSubnet,
    gateway: ovh.cloudproject.Gateway,
) -> Cluster:
    plugins = ovh.cloudproject.KubeCustomizationApiserverAdmissionpluginArgs(
        enableds=["AlwaysPullImages", "NodeRestriction"]
    )
    kube = ovh.cloudproject.Kube(
        site.name("cluster"),
        service_name=site.spec.account,
        name=site.name("cluster"),
        region=place,
        version=_KUBERNETES,
        private_network_id=_openstack(private, place),
        nodes_subnet_id=subnet.id,
        load_balancers_subnet_id=subnet.id,
        private_network_configuration=ovh.cloudproject.KubePrivateNetworkConfigurationArgs(
            default_vrack_gateway="", private_network_routing_as_default=True
        ),
        ip_allocation_policy=ovh.cloudproject.KubeIpAllocationPolicyArgs(
            pods_ipv4_cidr=str(site.addresses.pods), services_ipv4_cidr=str(site.addresses.services)
        ),
        customization_apiservers=[ovh.cloudproject.KubeCustomizationApiserverArgs(admissionplugins=[plugins])],
        update_policy="MINIMAL_DOWNTIME",
        opts=site.options(depends_on=[gateway], secrets=["kubeconfig", "kubeconfigAttributes"]),
    )
    ovh.cloudproject.KubeIpRestrictions(
        site.name("api"),
        service_name=site.spec.account,
        kube_id=kube.id,
        ips=[_way_out(gateway).apply(lambda ip: f"{ip}/32"), *map(str, site.spec.operators)],
        opts=site.options(),
    )
    for pool in site.spec.pools:
        _pool(site, kube, pool)
    controls = (
        _says(
            "cluster.private-endpoint",
            State.PARTIAL,
            "The API has a public address; an access list admits the cell's gateway and the operators alone.",
        ),
        _says("cluster.secrets-key", State.ABSENT, "etcd is encrypted, if at all, with a key of OVHcloud's."),
        _says("cluster.zones", State.CONFIGURED, "All pools stand in the cell's data centre or its zones."),
        _says("cluster.node-disk-key", State.ABSENT, "Disks of nodes are not encrypted with a key of yours."),
    )
    return Cluster(
        name=kube.name, endpoint=kube.url, kubeconfig=pulumi.Output.secret(kube.kubeconfig), controls=controls
    )


def _pool(site: Site, kube: ovh.cloudproject.Kube, pool: Pool) -> None:
    taints: list[Any] = [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    zones = [zone.lower() for zone in site.spec.zones_of(pool)] if "-" in site.spec.region else None
    ovh.cloudproject.KubeNodePool(
        site.name(pool.name),
        service_name=site.spec.account,
        kube_id=kube.id,
        name=site.name(pool.name),
        flavor_name=pool.machine,
        availability_zones=zones,
        desired_nodes=pool.nodes,
        min_nodes=pool.nodes,
        max_nodes=max(pool.most, 1),
        autoscale=pool.most > pool.nodes,
        anti_affinity=pool.role == "system" and pool.most <= 5,  # OVHcloud spreads five machines at most
        attach_floating_ips=ovh.cloudproject.KubeNodePoolAttachFloatingIpsArgs(enabled=False),
        template=ovh.cloudproject.KubeNodePoolTemplateArgs(
            metadata=ovh.cloudproject.KubeNodePoolTemplateMetadataArgs(
                labels={**site.labels, "equerry.dev/pool": pool.name, "equerry.dev/role": pool.role},
                annotations={},
                finalizers=[],
            ),
            spec=ovh.cloudproject.KubeNodePoolTemplateSpecArgs(
                taints=taints if pool.role == "gpu" else [], unschedulable=False
            ),
        ),
        opts=site.options(),
    )


def _store(site: Site) -> Store:
    name = site.global_name("films")
    user = ovh.cloudproject.User(
        site.name("films"),
        service_name=site.spec.account,
        description=site.name("films"),
        role_names=["objectstore_operator"],
        opts=site.options(secrets=["password", "openstackRc"]),
    )
    bucket = ovh.cloudproject.Storage(
        name,
        service_name=site.spec.account,
        name=name,
        region_name=site.spec.region,
        versioning=ovh.cloudproject.StorageVersioningArgs(status="enabled"),
        encryption=ovh.cloudproject.StorageEncryptionArgs(sse_algorithm="AES256"),
        tags=site.tags,
        opts=site.data_options(),
    )
    ovh.cloudproject.S3Policy(
        site.name("films"),
        service_name=site.spec.account,
        user_id=user.id,
        policy=_only(name),
        opts=site.options(),
    )
    secret = ovh.cloudproject.S3Credential(
        site.name("films"),
        service_name=site.spec.account,
        user_id=user.id,
        opts=site.options(secrets=["secretAccessKey"]),
    )
    controls = (
        _says(
            "store.customer-key", State.ABSENT, "Films are encrypted with a key of OVHcloud's; it takes none of yours."
        ),
        _says(
            "store.no-public-access", State.CONFIGURED, "One user's policy names the bucket; nobody else has rights."
        ),
        _says(
            "store.region", State.ENFORCED, "A bucket lies in one region, which its endpoint names.", Evidence.ENDPOINT
        ),
        _says("store.no-replication", State.CONFIGURED, "No replication is set, and the guard refuses any."),
        _says("store.tls", State.PARTIAL, "The cell speaks TLS; the bucket would not refuse plain HTTP."),
    )
    endpoint = f"https://s3.{site.spec.region.lower()}.io.cloud.ovh.net"
    return Store(
        url=bucket.name.apply(lambda found: f"s3://{found}"),
        options={"aws_endpoint": endpoint, "aws_region": site.spec.region.lower()},
        secrets={
            "aws_access_key_id": pulumi.Output.secret(secret.access_key_id),
            "aws_secret_access_key": secret.secret_access_key,
        },
        controls=controls,
    )


def _only(bucket: str) -> str:
    """One bucket's objects, and nothing else."""
    actions = ["ListBucket", "GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "GetBucketLocation"]
    statement = {
        "Sid": "films",
        "Effect": "Allow",
        "Action": [f"s3:{action}" for action in actions],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    return json.dumps({"Statement": [statement]})


def _database(
    site: Site, private: ovh.cloudproject.NetworkPrivate, subnet: ovh.cloudproject.NetworkPrivateSubnet
) -> Database:
    wanted = site.spec.database
    place = _place(site.spec)
    node = ovh.cloudproject.DatabaseNodeArgs(
        region=site.spec.region, network_id=_openstack(private, place), subnet_id=subnet.id
    )
    service = ovh.cloudproject.Database(
        site.name("jobs"),
        service_name=site.spec.account,
        description=site.name("jobs"),
        engine="postgresql",
        version=wanted.version,
        plan="production",
        flavor=wanted.machine,
        disk_size=wanted.storage,
        nodes=[node] * _NODES,
        backup_regions=[site.spec.region],
        deletion_protection=True,
        ip_restrictions=[
            ovh.cloudproject.DatabaseIpRestrictionArgs(ip=str(site.addresses.whole), description="the cell")
        ],
        opts=site.data_options(),
    )
    jobs = ovh.cloudprojectdatabase.DatabaseInstance(
        site.name("jobs"),
        service_name=site.spec.account,
        engine="postgresql",
        cluster_id=service.id,
        name="equerry",
        opts=site.data_options(),
    )
    user = ovh.cloudprojectdatabase.PostgresSqlUser(
        site.name("jobs"),
        service_name=site.spec.account,
        cluster_id=service.id,
        name="equerry",
        opts=site.options(secrets=["password"]),
    )
    controls = (
        _says("database.customer-key", State.ABSENT, "Volumes are encrypted with a key of OVHcloud's, not of yours."),
        _says(
            "database.private", State.CONFIGURED, "Its nodes stand in the private network; a list admits the cell's."
        ),
        _says(
            "database.backups-in-region", State.CONFIGURED, "backup_regions names the cell's own region and no other."
        ),
        _says("database.tls", State.ENFORCED, "The service refuses connections without TLS."),
    )
    return Database(
        url=pulumi.Output.all(service.endpoints, jobs.name, user.name).apply(lambda found: _url(*found)),
        password=pulumi.Output.secret(user.password),
        controls=controls,
    )


def _url(endpoints: Any, name: str, user: str) -> str:
    first = endpoints[0]
    return f"postgresql://{user}@{first.get('domain')}:{first.get('port') or 5432}/{name}"


def _identity() -> Identity:
    controls = (
        _says(
            "identity.no-long-lived-keys",
            State.ABSENT,
            "Pods have no identity on OVHcloud; one S3 key lies in a secret of the cluster and is replaced by hand.",
        ),
        _says("identity.least-privilege", State.CONFIGURED, "The key's user reaches one bucket's objects and no more."),
    )
    return Identity(controls=controls)


def _audit() -> Audit:
    controls = (
        _says(
            "audit.in-region",
            State.ABSENT,
            "Logs Data Platform is bought apart and has no choice of region; the API's log is read in the manager.",
        ),
        _says("audit.immutable", State.ABSENT, "OVHcloud keeps its own account log and lets nobody lock it."),
        _says("audit.data-access", State.ABSENT, "Reads of single objects are not written down."),
    )
    return Audit(location=None, controls=controls)


def _guard() -> Guard:
    controls = (
        _says("guard.region-deny", State.ABSENT, "No rule of OVHcloud's forbids a region; this pack is the only one."),
        _says(
            "guard.scope", State.PARTIAL, "Rights end at the public-cloud project, so a stolen key reaches one cell."
        ),
    )
    return Guard(
        expects="nothing: OVHcloud has no organisation policy on regions; activate in the project those it may use",
        controls=controls,
    )
