"""EKS: a control plane that the internet does not see, and a group of machines for each pool.

Nodes are in a security group of ours instead of the one that EKS makes, since that one lets everything out.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from infra.providers.aws.egress import Wall
from infra.providers.aws.guard import Boundary
from infra.providers.aws.keys import Keys
from infra.providers.aws.names import allow, document, trust
from infra.providers.aws.network import Vpc
from infra.providers.protocol import Cluster, Control, State
from infra.site import Site
from infra.spec import Pool
from policies.constraints import Evidence

__all__ = ["Kubernetes"]

VERSION: Final = "1.34"
_POLICIES: Final = "arn:aws:iam::aws:policy"
_LOGS: Final = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

#: What runs in every cluster, with the settings that matter.
_ADDONS: Final[dict[str, dict[str, Any]]] = {
    "vpc-cni": {"enableNetworkPolicy": "true"},
    "kube-proxy": {},
    "coredns": {},
    "eks-pod-identity-agent": {},
    "aws-ebs-csi-driver": {},
}


class Kubernetes:
    """The cluster, its pools and its add-ons."""

    def __init__(self, site: Site, vpc: Vpc, keys: Keys, boundary: Boundary, wall: Wall) -> None:
        self._site = site
        self._keys = keys
        self._boundary = boundary
        self._vpc = vpc
        self._attached: list[pulumi.Resource] = []  # policies of roles, which have to be there before their machines
        log = self._log()
        role = self._role("cluster", "eks.amazonaws.com", "AmazonEKSClusterPolicy")
        self.cluster = self._cluster(role, log)
        self.group = self._group()
        machine = self._role(
            "node",
            "ec2.amazonaws.com",
            "AmazonEKSWorkerNodePolicy",
            "AmazonEC2ContainerRegistryPullOnly",
            "AmazonEKS_CNI_Policy",
        )
        self.pools = [self._pool(pool, machine, wall) for pool in site.spec.pools]
        self._add_ons()

    def part(self) -> Cluster:
        """As the protocol wants it; operators get a kubeconfig from `aws eks update-kubeconfig`."""
        return Cluster(
            name=self.cluster.name,
            endpoint=self.cluster.endpoint,
            kubeconfig=pulumi.Output.secret(self._kubeconfig()),
            controls=self._controls(),
        )

    def _cluster(self, role: aws.iam.Role, log: aws.cloudwatch.LogGroup) -> aws.eks.Cluster:
        site = self._site
        operators = [str(network) for network in site.spec.operators]
        return aws.eks.Cluster(
            site.name("cluster"),
            name=site.name("cluster"),
            role_arn=role.arn,
            version=VERSION,
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=self._vpc.subnets(site.spec.zones),
                endpoint_private_access=True,
                endpoint_public_access=bool(operators),
                public_access_cidrs=operators or None,
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=self._keys.cluster.arn),
                resources=["secrets"],
            ),
            kubernetes_network_config=aws.eks.ClusterKubernetesNetworkConfigArgs(
                service_ipv4_cidr=str(site.addresses.services), ip_family="ipv4"
            ),
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=True
            ),
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            enabled_cluster_log_types=_LOGS,
            bootstrap_self_managed_addons=False,
            deletion_protection=True,
            tags=site.tags,
            opts=site.data_options(depends_on=[log, *self._attached]),
        )

    def _log(self) -> aws.cloudwatch.LogGroup:
        """EKS writes to a group by this name; made first, so that it has a key and an end."""
        name = f"/aws/eks/{self._site.name('cluster')}/cluster"
        return aws.cloudwatch.LogGroup(
            self._site.name("cluster-log"),
            name=name,
            kms_key_id=self._keys.cluster.arn,
            retention_in_days=400,
            tags=self._site.tags,
            opts=self._site.data_options(),
        )

    def _role(self, role: str, service: str, *policies: str) -> aws.iam.Role:
        site = self._site
        made = aws.iam.Role(
            site.name(f"{role}-role"),
            name=site.name(f"{role}-role"),
            assume_role_policy=trust(service),
            permissions_boundary=self._boundary.arn,
            tags=site.tags,
            opts=site.options(),
        )
        for policy in policies:
            attached = aws.iam.RolePolicyAttachment(
                site.name(f"{role}-{policy.lower().replace('_', '-')}"),
                role=made.name,
                policy_arn=f"{_POLICIES}/{policy}",
                opts=site.options(),
            )
            self._attached.append(attached)
        return made

    def _group(self) -> aws.ec2.SecurityGroup:
        """Of the nodes: all among themselves, TLS through the wall, Postgres, and what the control plane needs."""
        site = self._site
        group = aws.ec2.SecurityGroup(
            site.name("nodes"),
            name=site.name("nodes"),
            description="The cell's nodes",
            vpc_id=self._vpc.vpc.id,
            ingress=[],
            egress=[],
            tags=site.tags,
            opts=site.options(),
        )
        control = self.cluster.vpc_config.cluster_security_group_id
        inside = [str(block) for block in site.addresses.nodes.values()]
        data = [str(block) for block in site.addresses.data.values()]
        self._rule("nodes-in", "ingress", group.id, "-1", 0, 0, source_security_group_id=group.id)
        self._rule("nodes-from-control", "ingress", group.id, "tcp", 443, 65535, source_security_group_id=control)
        self._rule("control-from-nodes", "ingress", control, "tcp", 443, 443, source_security_group_id=group.id)
        self._rule("nodes-out", "egress", group.id, "-1", 0, 0, cidr_blocks=inside)
        self._rule("nodes-to-data", "egress", group.id, "tcp", 5432, 5432, cidr_blocks=data)
        self._rule("nodes-to-wall", "egress", group.id, "tcp", 443, 443, cidr_blocks=["0.0.0.0/0"])
        return group

    def _rule(
        self, role: str, kind: str, group: pulumi.Input[str], protocol: str, low: int, high: int, **peer: Any
    ) -> aws.ec2.SecurityGroupRule:
        return aws.ec2.SecurityGroupRule(
            self._site.name(role),
            type=kind,
            security_group_id=group,
            protocol=protocol,
            from_port=low,
            to_port=high,
            opts=self._site.options(),
            **peer,
        )

    def _pool(self, pool: Pool, role: aws.iam.Role, wall: Wall) -> aws.eks.NodeGroup:
        site = self._site
        gpu = pool.role == "gpu"
        taint = aws.eks.NodeGroupTaintArgs(key="nvidia.com/gpu", value="present", effect="NO_SCHEDULE")
        template = self._template(pool)
        return aws.eks.NodeGroup(
            site.name(f"pool-{pool.name}"),
            node_group_name=site.name(f"pool-{pool.name}"),
            cluster_name=self.cluster.name,
            node_role_arn=role.arn,
            subnet_ids=self._vpc.subnets(site.spec.zones_of(pool)),
            instance_types=[pool.machine],
            capacity_type="ON_DEMAND",
            ami_type="AL2023_x86_64_NVIDIA" if gpu else "AL2023_x86_64_STANDARD",
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(
                min_size=pool.nodes, desired_size=pool.nodes, max_size=max(pool.most, 1)
            ),
            update_config=aws.eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
            labels={"equerry/pool": pool.name, "equerry/role": pool.role},
            taints=[taint] if gpu else None,
            tags=site.tags,
            opts=site.options(depends_on=[*wall.routes, *self._attached]),
        )

    def _template(self, pool: Pool) -> aws.ec2.LaunchTemplate:
        """Encrypted disks, and a metadata service that pods cannot reach."""
        site = self._site
        disk = aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
            encrypted="true",
            kms_key_id=self._keys.cluster.arn,
            volume_size=pool.disk,
            volume_type="gp3",
            delete_on_termination="true",
        )
        return aws.ec2.LaunchTemplate(
            site.name(f"template-{pool.name}"),
            name=site.name(f"template-{pool.name}"),
            update_default_version=True,
            vpc_security_group_ids=[self.group.id],
            block_device_mappings=[aws.ec2.LaunchTemplateBlockDeviceMappingArgs(device_name="/dev/xvda", ebs=disk)],
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=site.tags)
                for kind in ("instance", "volume", "network-interface")
            ],
            tags=site.tags,
            opts=site.options(),
        )

    def _add_ons(self) -> None:
        for name, settings in _ADDONS.items():
            driver = name == "aws-ebs-csi-driver"
            aws.eks.Addon(
                self._site.name(name),
                cluster_name=self.cluster.name,
                addon_name=name,
                configuration_values=json.dumps(settings) if settings else None,
                resolve_conflicts_on_create="OVERWRITE",
                resolve_conflicts_on_update="PRESERVE",
                pod_identity_associations=[self._driver()] if driver else None,
                tags=self._site.tags,
                opts=self._site.options(depends_on=self.pools),
            )

    def _driver(self) -> aws.eks.AddonPodIdentityAssociationArgs:
        """The role of what makes disks for pods, under the cell's key."""
        site = self._site
        role = aws.iam.Role(
            site.name("disks-role"),
            name=site.name("disks-role"),
            assume_role_policy=trust("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession"),
            permissions_boundary=self._boundary.arn,
            tags=site.tags,
            opts=site.options(),
        )
        aws.iam.RolePolicyAttachment(
            site.name("disks-driver"),
            role=role.name,
            policy_arn=f"{_POLICIES}/service-role/AmazonEBSCSIDriverPolicy",
            opts=site.options(),
        )
        key = [self._keys.cluster.arn]
        granted = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        aws.iam.RolePolicy(
            site.name("disks-key"),
            name=site.name("disks-key"),
            role=role.id,
            policy=document(
                allow("Use", ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext"], key),
                allow("Grant", ["kms:CreateGrant"], key, Condition=granted),
            ),
            opts=site.options(),
        )
        return aws.eks.AddonPodIdentityAssociationArgs(role_arn=role.arn, service_account="ebs-csi-controller-sa")

    def _kubeconfig(self) -> pulumi.Output[str]:
        """Holds no key: it asks `aws` for a token when it is used."""
        region, name = self._site.spec.region, self._site.name("cluster")
        ask = {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "aws",
            "args": ["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"],
        }
        reach = {
            "server": self.cluster.endpoint,
            "certificate-authority-data": self.cluster.certificate_authority.data,
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

    def _controls(self) -> tuple[Control, ...]:
        spec = self._site.spec
        seen = "operators' networks only" if spec.operators else "inside the VPC only"
        said = {
            "cluster.private-endpoint": (State.CONFIGURED, f"The API answers {seen}."),
            "cluster.secrets-key": (State.CONFIGURED, "Secrets of Kubernetes are wrapped with the cell's key."),
            "cluster.zones": (
                State.CONFIGURED,
                f"Machines stand in {', '.join(spec.zones)}; AWS runs the control plane.",
            ),
            "cluster.node-disk-key": (State.CONFIGURED, "Disks of nodes and of pods are under the cell's key."),
        }
        return tuple(
            Control(id=name, state=state, grade=Evidence.ENDPOINT, note=note) for name, (state, note) in said.items()
        )
