"""Cells that leak, each in one way: what it does, on which cloud, the rule that names it, and how it is made."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.infra.spoil import Spoil, add, drop, loosen, put, remove

#: How Pulumi writes, on the wire, a text that only the cloud knows.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

ALI, AWS, AZURE = "alicloud-eu-central-1", "aws-eu-north-1", "azure-swedencentral"
GCP, LOCAL, OVH, SCW = "gcp-europe-west4", "local-eu", "ovh-gra", "scaleway-fr-par"


@dataclass(frozen=True, slots=True)
class Bad:
    """One way to leak."""

    says: str
    stack: str
    rule: str
    spoil: Spoil


_EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
_EVERYBODY = json.dumps(
    {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"]}]}
)

BAD = (
    # places
    Bad(
        "one bucket carries a region of its own",
        AWS,
        "resource-in-region",
        put("aws:s3/bucket:Bucket", "region", "us-east-1"),
    ),
    Bad(
        "the database is in another region",
        AWS,
        "resource-in-region",
        put("aws:rds/instance:Instance", "region", "eu-west-1"),
    ),
    Bad("the provider goes elsewhere", AWS, "provider-in-region", put("pulumi:providers:aws", "region", "us-east-1")),
    Bad("the provider names no region", AWS, "provider-in-region", drop("pulumi:providers:aws", "region")),
    Bad("the provider may act in any account", AWS, "own-account", drop("pulumi:providers:aws", "allowedAccountIds")),
    Bad(
        "a subnet stands in a zone of another region",
        AWS,
        "zone-in-region",
        put("aws:ec2/subnet:Subnet", "availabilityZone", "eu-west-1a"),
    ),
    Bad(
        "a bucket lies in the multi-region EU",
        GCP,
        "resource-in-region",
        put("gcp:storage/bucket:Bucket", "location", "EU"),
    ),
    Bad(
        "a bucket has no location, which is the US",
        GCP,
        "resource-in-region",
        drop("gcp:storage/bucket:Bucket", "location"),
    ),
    Bad(
        "a cluster stands elsewhere",
        GCP,
        "resource-in-region",
        put("gcp:container/cluster:Cluster", "location", "us-central1"),
    ),
    Bad(
        "nodes stand in another region's zone",
        GCP,
        "zone-in-region",
        put("gcp:container/nodePool:NodePool", "nodeLocations", ["europe-west1-b"]),
    ),
    Bad(
        "keys lie in the global location",
        GCP,
        "resource-in-region",
        put("gcp:kms/keyRing:KeyRing", "location", "global"),
    ),
    Bad(
        "the vault lies in another region",
        AZURE,
        "resource-in-region",
        put("azure-native:keyvault:Vault", "location", "northeurope"),
    ),
    Bad(
        "films lie in the paired region",
        AZURE,
        "resource-in-region",
        put("azure-native:storage:StorageAccount", "location", "West Europe"),
    ),
    Bad(
        "the trail is kept elsewhere",
        ALI,
        "resource-in-region",
        put("alicloud:actiontrail/trail:Trail", "trailRegion", "cn-hangzhou"),
    ),
    Bad(
        "a switch stands in another region",
        ALI,
        "zone-in-region",
        put("alicloud:vpc/switch:Switch", "zoneId", "eu-west-1a"),
    ),
    Bad(
        "the provider goes to China",
        ALI,
        "provider-in-region",
        put("pulumi:providers:alicloud", "region", "cn-hangzhou"),
    ),
    Bad(
        "a bucket lies in London",
        OVH,
        "resource-in-region",
        put("ovh:CloudProject/storage:Storage", "regionName", "UK"),
    ),
    Bad(
        "a node of the database stands elsewhere",
        OVH,
        "resource-in-region",
        put("ovh:CloudProject/database:Database", "nodes[1].region", "BHS"),
    ),
    Bad(
        "the API is not the European one", OVH, "provider-in-region", put("pulumi:providers:ovh", "endpoint", "ovh-us")
    ),
    Bad(
        "the database stands in Amsterdam",
        SCW,
        "resource-in-region",
        put("scaleway:databases/instance:Instance", "region", "nl-ams"),
    ),
    Bad(
        "the database's region is known to the cloud alone",
        SCW,
        "resource-in-region",
        put("scaleway:databases/instance:Instance", "region", UNKNOWN),
    ),
    Bad("a pool stands in Warsaw", SCW, "zone-in-region", put("scaleway:kubernetes/pool:Pool", "zone", "pl-waw-2")),
    # doors
    Bad(
        "a bucket may be opened by policy",
        AWS,
        "no-public-bucket",
        put("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "blockPublicPolicy", False),
    ),
    Bad(
        "a bucket has no public access block",
        AWS,
        "no-public-bucket",
        remove("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"),
    ),
    Bad(
        "a bucket is readable by all",
        AWS,
        "narrow-rights",
        put("aws:s3/bucketPolicy:BucketPolicy", "policy", _EVERYBODY),
    ),
    Bad(
        "the database has a public address",
        AWS,
        "no-public-database",
        put("aws:rds/instance:Instance", "publiclyAccessible", True),
    ),
    Bad(
        "the API admits everybody",
        AWS,
        "no-public-control-plane",
        put("aws:eks/cluster:Cluster", "vpcConfig.publicAccessCidrs", ["0.0.0.0/0"]),
    ),
    Bad(
        "the API admits strangers",
        AWS,
        "no-public-control-plane",
        put("aws:eks/cluster:Cluster", "vpcConfig.publicAccessCidrs", ["198.51.100.0/24"]),
    ),
    Bad(
        "everything may leave the nodes",
        AWS,
        "no-open-egress",
        add("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", cidrIpv4="0.0.0.0/0", ipProtocol="-1"),
    ),
    Bad(
        "SSH from everywhere",
        AWS,
        "no-open-ingress",
        add(
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            cidrIpv4="0.0.0.0/0",
            ipProtocol="tcp",
            fromPort=22,
            toPort=22,
        ),
    ),
    Bad(
        "the firewall lets through what it does not know",
        AWS,
        "no-open-egress",
        put(
            "aws:networkfirewall/firewallPolicy:FirewallPolicy", "firewallPolicy.statelessDefaultActions", ["aws:pass"]
        ),
    ),
    Bad("there is no firewall", AWS, "no-open-egress", remove("aws:networkfirewall/firewall:Firewall")),
    Bad(
        "a load balancer faces the internet",
        AWS,
        "no-public-load-balancer",
        add("aws:lb/loadBalancer:LoadBalancer", loadBalancerType="network"),
    ),
    Bad(
        "pods can read the node's role",
        AWS,
        "guarded-metadata",
        put("aws:ec2/launchTemplate:LaunchTemplate", "metadataOptions.httpTokens", "optional"),
    ),
    Bad(
        "anybody may read films",
        GCP,
        "no-public-bucket",
        put("gcp:storage/bucket:Bucket", "publicAccessPrevention", "inherited"),
    ),
    Bad(
        "films are granted to all users",
        GCP,
        "narrow-rights",
        add(
            "gcp:storage/bucketIAMMember:BucketIAMMember",
            bucket="b",
            role="roles/storage.objectViewer",
            member="allUsers",
        ),
    ),
    Bad(
        "the database has a public address",
        GCP,
        "no-public-database",
        put("gcp:sql/databaseInstance:DatabaseInstance", "settings.ipConfiguration.ipv4Enabled", True),
    ),
    Bad(
        "the database takes plain connections",
        GCP,
        "transport-tls",
        put(
            "gcp:sql/databaseInstance:DatabaseInstance",
            "settings.ipConfiguration.sslMode",
            "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        ),
    ),
    Bad(
        "everything may leave by a firewall rule",
        GCP,
        "no-open-egress",
        add(
            "gcp:compute/firewall:Firewall",
            direction="EGRESS",
            destinationRanges=["0.0.0.0/0"],
            allows=[{"protocol": "all"}],
        ),
    ),
    Bad(
        "everybody comes in by a firewall rule",
        GCP,
        "no-open-ingress",
        add(
            "gcp:compute/firewall:Firewall",
            direction="INGRESS",
            sourceRanges=["0.0.0.0/0"],
            allows=[{"protocol": "tcp", "ports": ["22"]}],
        ),
    ),
    Bad(
        "nodes have public addresses",
        GCP,
        "no-public-node",
        put("gcp:container/cluster:Cluster", "privateClusterConfig.enablePrivateNodes", False),
    ),
    Bad(
        "a blob can be read by anybody",
        AZURE,
        "no-public-bucket",
        put("azure-native:storage:StorageAccount", "allowBlobPublicAccess", True),
    ),
    Bad(
        "the account can be reached from the internet",
        AZURE,
        "no-public-bucket",
        put("azure-native:storage:StorageAccount", "publicNetworkAccess", "Enabled"),
    ),
    Bad(
        "the account's key opens everything",
        AZURE,
        "no-long-lived-keys",
        put("azure-native:storage:StorageAccount", "allowSharedKeyAccess", True),
    ),
    Bad(
        "the API has a public address",
        AZURE,
        "no-public-control-plane",
        put("azure-native:containerservice:ManagedCluster", "apiServerAccessProfile", {"enablePrivateCluster": False}),
    ),
    Bad(
        "nodes go out by a load balancer",
        AZURE,
        "no-open-egress",
        put("azure-native:containerservice:ManagedCluster", "networkProfile.outboundType", "loadBalancer"),
    ),
    Bad(
        "the API is on the internet by default",
        ALI,
        "no-public-load-balancer",
        drop("alicloud:cs/managedKubernetes:ManagedKubernetes", "slbInternetEnabled"),
    ),
    Bad(
        "the cluster makes a gateway of its own",
        ALI,
        "no-open-egress",
        put("alicloud:cs/managedKubernetes:ManagedKubernetes", "newNatGateway", True),
    ),
    Bad(
        "nodes have bandwidth to the internet",
        ALI,
        "no-public-node",
        put("alicloud:cs/nodePool:NodePool", "internetMaxBandwidthOut", 100),
    ),
    Bad("a bucket is public", ALI, "no-public-bucket", put("alicloud:oss/bucketAcl:BucketAcl", "acl", "public-read")),
    Bad(
        "the last rule of the firewall accepts",
        ALI,
        "no-open-egress",
        add(
            "alicloud:cloudfirewall/natFirewallControlPolicy:NatFirewallControlPolicy",
            direction="out",
            aclAction="accept",
            destination="0.0.0.0/0",
            destPort="0/0",
        ),
    ),
    Bad(
        "the firewall is switched off",
        ALI,
        "no-open-egress",
        put("alicloud:cloudfirewall/natFirewall:NatFirewall", "firewallSwitch", "close"),
    ),
    Bad(
        "the database admits the world",
        ALI,
        "no-public-database",
        put("alicloud:rds/instance:Instance", "securityIps", ["0.0.0.0/0"]),
    ),
    Bad(
        "the API admits everybody",
        OVH,
        "no-public-control-plane",
        put("ovh:CloudProject/kubeIpRestrictions:KubeIpRestrictions", "ips", ["0.0.0.0/0"]),
    ),
    Bad(
        "the API has no access list",
        OVH,
        "no-public-control-plane",
        remove("ovh:CloudProject/kubeIpRestrictions:KubeIpRestrictions"),
    ),
    Bad(
        "the database stands in no network",
        OVH,
        "no-public-database",
        drop("ovh:CloudProject/database:Database", "nodes[0].networkId"),
    ),
    Bad(
        "the database admits the world",
        OVH,
        "no-public-database",
        put("ovh:CloudProject/database:Database", "ipRestrictions", [{"ip": "0.0.0.0/0"}]),
    ),
    Bad(
        "nodes have floating addresses",
        OVH,
        "no-public-node",
        put("ovh:CloudProject/kubeNodePool:KubeNodePool", "attachFloatingIps.enabled", True),
    ),
    Bad(
        "nodes have public addresses",
        SCW,
        "no-public-node",
        put("scaleway:kubernetes/pool:Pool", "publicIpDisabled", False),
    ),
    Bad(
        "every port may leave",
        SCW,
        "no-open-egress",
        put(
            "scaleway:instance/securityGroup:SecurityGroup",
            "outboundRules[1]",
            {"action": "accept", "ipRange": "0.0.0.0/0", "protocol": "ANY"},
        ),
    ),
    Bad(
        "what no rule names may leave",
        SCW,
        "no-open-egress",
        put("scaleway:instance/securityGroup:SecurityGroup", "outboundDefaultPolicy", "accept"),
    ),
    Bad(
        "the database has a public endpoint",
        SCW,
        "no-public-database",
        drop("scaleway:databases/instance:Instance", "privateNetwork"),
    ),
    Bad(
        "a bucket is public", SCW, "no-public-bucket", put("scaleway:object/bucketAcl:BucketAcl", "acl", "public-read")
    ),
    Bad(
        "the bastion listens on the internet",
        SCW,
        "no-open-ingress",
        put("scaleway:network/publicGateway:PublicGateway", "bastionEnabled", True),
    ),
    Bad(
        "a service is a public load balancer",
        LOCAL,
        "no-public-load-balancer",
        put("kubernetes:core/v1:Service", "spec.type", "LoadBalancer"),
    ),
    # data at rest
    Bad(
        "disks of nodes are in the clear",
        AWS,
        "encrypted",
        put("aws:ec2/launchTemplate:LaunchTemplate", "blockDeviceMappings[0].ebs.encrypted", "false"),
    ),
    Bad(
        "films are under a key of AWS's",
        AWS,
        "encrypted",
        put(
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "rules[0].applyServerSideEncryptionByDefault.sseAlgorithm",
            "AES256",
        ),
    ),
    Bad("the database has no key of ours", AWS, "customer-key", drop("aws:rds/instance:Instance", "kmsKeyId")),
    Bad("a key never rotates", AWS, "key-rotates", put("aws:kms/key:Key", "enableKeyRotation", False)),
    Bad("films have no key of ours", GCP, "customer-key", drop("gcp:storage/bucket:Bucket", "encryption")),
    Bad("etcd has no key of ours", GCP, "customer-key", drop("gcp:container/cluster:Cluster", "databaseEncryption")),
    Bad("films have no key of ours", AZURE, "customer-key", drop("azure-native:storage:StorageAccount", "encryption")),
    Bad(
        "the database has no key of ours", ALI, "customer-key", drop("alicloud:rds/instance:Instance", "encryptionKey")
    ),
    Bad("films are in the clear", OVH, "encrypted", drop("ovh:CloudProject/storage:Storage", "encryption")),
    Bad(
        "the database is in the clear",
        SCW,
        "encrypted",
        put("scaleway:databases/instance:Instance", "encryptionAtRest", False),
    ),
    # copies
    Bad(
        "films are replicated",
        AWS,
        "no-replication",
        add("aws:s3/bucketReplicationConfig:BucketReplicationConfig", bucket="b", role="r", rules=[]),
    ),
    Bad("a key can be replicated", AWS, "no-replication", put("aws:kms/key:Key", "multiRegion", True)),
    Bad(
        "backups are replicated",
        AWS,
        "no-replication",
        add("aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication", sourceDbInstanceArn="a"),
    ),
    Bad(
        "backups lie in the nearest multi-region",
        GCP,
        "backups-stay",
        drop("gcp:sql/databaseInstance:DatabaseInstance", "settings.backupConfiguration.location"),
    ),
    Bad(
        "backups lie in the multi-region eu",
        GCP,
        "backups-stay",
        put("gcp:sql/databaseInstance:DatabaseInstance", "settings.backupConfiguration.location", "eu"),
    ),
    Bad(
        "the account is geo-redundant",
        AZURE,
        "no-geo-redundancy",
        put("azure-native:storage:StorageAccount", "sku.name", "Standard_GZRS"),
    ),
    Bad(
        "backups are geo-redundant",
        AZURE,
        "no-geo-redundancy",
        put("azure-native:dbforpostgresql:Server", "backup.geoRedundantBackup", "Enabled"),
    ),
    Bad(
        "films are replicated",
        ALI,
        "no-replication",
        add("alicloud:oss/bucketReplication:BucketReplication", bucket="b"),
    ),
    Bad(
        "backups cross regions",
        ALI,
        "backups-stay",
        add("alicloud:rds/rdsInstanceCrossBackupPolicy:RdsInstanceCrossBackupPolicy", crossBackupRegion="cn-hangzhou"),
    ),
    Bad(
        "films are replicated",
        OVH,
        "no-replication",
        put(
            "ovh:CloudProject/storage:Storage",
            "replication",
            {"rules": [{"destination": {"name": "b", "region": "SBG"}}]},
        ),
    ),
    Bad(
        "OVHcloud chooses where backups lie",
        OVH,
        "backups-stay",
        drop("ovh:CloudProject/database:Database", "backupRegions"),
    ),
    Bad(
        "backups lie in Strasbourg, too",
        OVH,
        "backups-stay",
        put("ovh:CloudProject/database:Database", "backupRegions", ["GRA", "SBG"]),
    ),
    Bad(
        "backups lie in another region",
        SCW,
        "backups-stay",
        put("scaleway:databases/instance:Instance", "backupSameRegion", False),
    ),
    Bad(
        "Scaleway chooses where backups lie",
        SCW,
        "backups-stay",
        drop("scaleway:databases/instance:Instance", "backupSameRegion"),
    ),
    # keeping
    Bad("the bucket of films is not protected", AWS, "protected", loosen("aws:s3/bucket:Bucket")),
    Bad("keys are not protected", GCP, "protected", loosen("gcp:kms/cryptoKey:CryptoKey")),
    Bad("jobs are not protected", SCW, "protected", loosen("scaleway:databases/instance:Instance")),
    Bad(
        "a bucket goes with all its films", AWS, "no-casual-deletion", put("aws:s3/bucket:Bucket", "forceDestroy", True)
    ),
    Bad(
        "the database may be deleted",
        AWS,
        "no-casual-deletion",
        put("aws:rds/instance:Instance", "deletionProtection", False),
    ),
    Bad(
        "a vault may be purged",
        AZURE,
        "no-casual-deletion",
        put("azure-native:keyvault:Vault", "properties.enablePurgeProtection", False),
    ),
    # links
    Bad(
        "the network is peered",
        AWS,
        "no-links",
        add("aws:ec2/vpcPeeringConnection:VpcPeeringConnection", vpcId="a", peerVpcId="b"),
    ),
    Bad(
        "the network is peered",
        GCP,
        "no-links",
        add("gcp:compute/networkPeering:NetworkPeering", network="a", peerNetwork="b"),
    ),
    Bad(
        "the network is peered",
        AZURE,
        "no-links",
        add("azure-native:network:VirtualNetworkPeering", virtualNetworkName="a"),
    ),
    Bad(
        "the network is in an enterprise network",
        ALI,
        "no-links",
        add("alicloud:cen/instanceAttachment:InstanceAttachment", instanceId="cen"),
    ),
    Bad(
        "the network is in a vRack",
        OVH,
        "no-links",
        add("ovh:Vrack/cloudProject:CloudProject", serviceName="pn-1", projectId="p"),
    ),
    Bad(
        "two VPCs are connected",
        SCW,
        "no-links",
        add("scaleway:network/connector:Connector", vpcId="a", targetVpcId="b"),
    ),
    Bad(
        "another stack's outputs are read", GCP, "no-links", add("pulumi:pulumi:StackReference", name="aws-eu-north-1")
    ),
    Bad(
        "a value names another cell's endpoint",
        SCW,
        "no-strangers",
        add("kubernetes:core/v1:ConfigMap", data={"peer": "https://s3.eu-north-1.amazonaws.com/films"}),
    ),
    Bad(
        "a bucket's policy names another region",
        AWS,
        "no-strangers",
        put("aws:s3/bucketPolicy:BucketPolicy", "policy", "arn:aws:kms:ap-northeast-1:1:key/k"),
    ),
    Bad(
        "another cell's addresses are routed",
        AWS,
        "no-foreign-addresses",
        add("aws:ec2/route:Route", destinationCidrBlock="10.67.0.0/16"),
    ),
    Bad(
        "another cell's nodes are let in",
        ALI,
        "no-foreign-addresses",
        add("alicloud:ecs/securityGroupRule:SecurityGroupRule", type="ingress", cidrIp="10.64.0.0/16", policy="accept"),
    ),
    Bad(
        "films are served from edges",
        AWS,
        "no-global-edge",
        add("aws:cloudfront/distribution:Distribution", enabled=True),
    ),
    Bad(
        "uploads are accelerated",
        ALI,
        "no-global-edge",
        add("alicloud:oss/bucketTransferAcceleration:BucketTransferAcceleration", bucket="b", enabled=True),
    ),
    # rights
    Bad(
        "a role may do everything",
        AWS,
        "narrow-rights",
        add("aws:iam/rolePolicy:RolePolicy", role="r", policy=_EVERYTHING),
    ),
    Bad(
        "a role is an administrator",
        AWS,
        "narrow-rights",
        add(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            role="r",
            policyArn="arn:aws:iam::aws:policy/AdministratorAccess",
        ),
    ),
    Bad("a role has no boundary", AWS, "guard-in-place", drop("aws:iam/role:Role", "permissionsBoundary")),
    Bad("somebody holds a key for ever", AWS, "no-long-lived-keys", add("aws:iam/accessKey:AccessKey", user="u")),
    Bad(
        "an account owns the project",
        GCP,
        "narrow-rights",
        add("gcp:projects/iAMMember:IAMMember", project="p", role="roles/editor", member="serviceAccount:a"),
    ),
    Bad(
        "a service account has a key",
        GCP,
        "no-long-lived-keys",
        add("gcp:serviceaccount/key:Key", serviceAccountId="a"),
    ),
    Bad(
        "an identity owns the group",
        AZURE,
        "narrow-rights",
        add("azure-native:authorization:RoleAssignment", roleDefinitionId="/x/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
    ),
    Bad(
        "a user reaches any bucket",
        ALI,
        "narrow-rights",
        add(
            "alicloud:ram/userPolicyAttachment:UserPolicyAttachment",
            policyName="AliyunOSSFullAccess",
            policyType="System",
            userName="u",
        ),
    ),
    Bad(
        "an application may do everything",
        SCW,
        "narrow-rights",
        put("scaleway:iam/policy:Policy", "rules[0].permissionSetNames", ["AllProductsFullAccess"]),
    ),
    Bad(
        "an application reaches other projects",
        SCW,
        "narrow-rights",
        put("scaleway:iam/policy:Policy", "rules[0].projectIds", ["11111111-1111-4111-8111-111111111111"]),
    ),
    Bad(
        "a user administers the project",
        OVH,
        "narrow-rights",
        put("ovh:CloudProject/user:User", "roleNames", ["administrator"]),
    ),
    Bad("no role can have a boundary", AWS, "guard-in-place", remove("aws:iam/policy:Policy")),
    Bad("nothing denies other regions", GCP, "guard-in-place", remove("gcp:orgpolicy/policy:Policy")),
    Bad(
        "nothing denies other regions",
        AZURE,
        "guard-in-place",
        remove("azure-native:authorization:PolicyAssignment"),
    ),
    # evidence
    Bad("nobody writes down what is done", AWS, "has-audit-sink", remove("aws:cloudtrail/trail:Trail")),
    Bad("the trail does not log", AWS, "has-audit-sink", put("aws:cloudtrail/trail:Trail", "enableLogging", False)),
    Bad(
        "the trail gathers all regions",
        AWS,
        "audit-stays",
        put("aws:cloudtrail/trail:Trail", "isMultiRegionTrail", True),
    ),
    Bad(
        "evidence can be lifted",
        AWS,
        "audit-immutable",
        put(
            "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
            "rule.defaultRetention.mode",
            "GOVERNANCE",
        ),
    ),
    Bad("nobody writes down what is done", ALI, "has-audit-sink", remove("alicloud:actiontrail/trail:Trail")),
    Bad(
        "evidence can be lifted",
        ALI,
        "audit-immutable",
        put("alicloud:oss/bucketWorm:BucketWorm", "status", "InProgress"),
    ),
    Bad("the trail gathers all regions", ALI, "audit-stays", drop("alicloud:actiontrail/trail:Trail", "trailRegion")),
    Bad("nobody knows whose bucket it is", AWS, "tagged", drop("aws:s3/bucket:Bucket", "tags")),
    Bad(
        "a bucket says it is another cell's",
        ALI,
        "tagged",
        put("alicloud:oss/bucket:Bucket", "tags", {"equerry:cell": "eu-arn"}),
    ),
    Bad("a network has no tags", SCW, "tagged", drop("scaleway:network/vpc:Vpc", "tags")),
)
