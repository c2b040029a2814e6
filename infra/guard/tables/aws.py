"""What AWS's arguments have to be."""

from __future__ import annotations

from typing import Final

from infra.guard.want import Free, Given, Is, Least, Missing, Never, Want

__all__ = ["WANTS"]

_BUCKET = "aws:s3/bucket:Bucket"
_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_CRYPT = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
_LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
_RDS = "aws:rds/instance:Instance"
_EKS = "aws:eks/cluster:Cluster"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_KEY = "aws:kms/key:Key"
_TRAIL = "aws:cloudtrail/trail:Trail"
_WALL = "aws:networkfirewall/firewall:Firewall"
_WALL_POLICY = "aws:networkfirewall/firewallPolicy:FirewallPolicy"

_OWN_KEY = "Give the ARN of the cell's own KMS key."
_KEEP = "Deleting it would delete films, jobs or evidence; leave that to a person, by hand."
_CLOSED = "Set all four switches of the public access block."
_DROPS = ("aws:drop_strict", "aws:drop_established", "aws:alert_strict", "aws:alert_established")

WANTS: Final = (
    Want("provider-in-region", "pulumi:providers:aws", "region", Given(), "Pin the provider to the stack's region."),
    Want("own-account", "pulumi:providers:aws", "allowedAccountIds", Given(), "Name the cell's account and no other."),
    Want("no-public-bucket", _BLOCK, "blockPublicAcls", Is((True,)), _CLOSED),
    Want("no-public-bucket", _BLOCK, "blockPublicPolicy", Is((True,)), _CLOSED),
    Want("no-public-bucket", _BLOCK, "ignorePublicAcls", Is((True,)), _CLOSED),
    Want("no-public-bucket", _BLOCK, "restrictPublicBuckets", Is((True,)), _CLOSED),
    Want("no-public-bucket", _BUCKET, "acl", Missing(), "ACLs are off; say who may read in the bucket's policy."),
    Want(
        "no-public-bucket",
        "aws:s3/bucketAcl:BucketAcl",
        "acl",
        Is(("private",)),
        "ACLs are off; say who may read in the bucket's policy.",
    ),
    Want(
        "no-public-bucket",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "rule.objectOwnership",
        Is(("BucketOwnerEnforced",)),
        "Anything else lets ACLs open single objects.",
    ),
    Want("no-replication", _BUCKET, "replicationConfiguration", Missing(), "Films stay in one bucket of one region."),
    Want("customer-key", _CRYPT, "rules[*].applyServerSideEncryptionByDefault.kmsMasterKeyId", Given(), _OWN_KEY),
    Want(
        "encrypted",
        _CRYPT,
        "rules[*].applyServerSideEncryptionByDefault.sseAlgorithm",
        Is(("aws:kms", "aws:kms:dsse")),
        "AES256 would use a key that AWS holds.",
    ),
    Want("no-casual-deletion", _BUCKET, "forceDestroy", Free((False,)), _KEEP),
    Want("audit-immutable", _LOCK, "rule.defaultRetention.mode", Is(("COMPLIANCE",)), "GOVERNANCE can be lifted."),
    Want("audit-immutable", _LOCK, "rule.defaultRetention.days", Least(90), "Evidence is kept for 90 days at least."),
    Want("no-public-database", _RDS, "publiclyAccessible", Is((False,)), "The cell's own network reaches it."),
    Want("no-public-database", _RDS, "dbSubnetGroupName", Given(), "Place it in the cell's own subnets."),
    Want("encrypted", _RDS, "storageEncrypted", Is((True,)), "Storage is in the clear otherwise."),
    Want("customer-key", _RDS, "kmsKeyId", Given(), _OWN_KEY),
    Want("no-casual-deletion", _RDS, "deletionProtection", Is((True,)), _KEEP),
    Want("no-casual-deletion", _RDS, "skipFinalSnapshot", Free((False,)), _KEEP),
    Want("no-casual-deletion", _RDS, "backupRetentionPeriod", Least(1), "0 days switches backups off."),
    Want("no-replication", _RDS, "replicateSourceDb", Missing(), "A replica of another instance links two cells."),
    Want("customer-key", _EKS, "encryptionConfig.provider.keyArn", Given(), _OWN_KEY),
    Want("no-public-control-plane", _EKS, "vpcConfig.endpointPrivateAccess", Is((True,)), "Nodes go by the VPC."),
    Want("has-audit-sink", _EKS, "enabledClusterLogTypes", Given(), "Switch on api, audit and authenticator."),
    Want("no-casual-deletion", _EKS, "deletionProtection", Is((True,)), _KEEP),
    Want("no-public-node", _TEMPLATE, "networkInterfaces[*].associatePublicIpAddress", Free((False, "false")), "NAT."),
    Want("guarded-metadata", _TEMPLATE, "metadataOptions.httpTokens", Is(("required",)), "IMDSv1 gives roles to SSRF."),
    Want("guarded-metadata", _TEMPLATE, "metadataOptions.httpPutResponseHopLimit", Is((1, "1")), "Pods are a hop on."),
    Want("encrypted", _TEMPLATE, "blockDeviceMappings[*].ebs.encrypted", Is((True, "true")), "Disks hold weights."),
    Want("customer-key", _TEMPLATE, "blockDeviceMappings[*].ebs.kmsKeyId", Given(), _OWN_KEY),
    Want("no-public-node", "aws:ec2/subnet:Subnet", "mapPublicIpOnLaunch", Free((False,)), "Machines go out by NAT."),
    Want("no-replication", _KEY, "multiRegion", Free((False,)), "A multi-region key can be replicated abroad."),
    Want("key-rotates", _KEY, "enableKeyRotation", Is((True,)), "AWS then draws a new version every year."),
    Want("customer-key", "aws:cloudwatch/logGroup:LogGroup", "kmsKeyId", Given(), _OWN_KEY),
    Want("has-audit-sink", _TRAIL, "enableLogging", Free((True,)), "A trail that does not log is none."),
    Want("audit-immutable", _TRAIL, "enableLogFileValidation", Is((True,)), "Without it nobody sees a changed file."),
    Want("customer-key", _TRAIL, "kmsKeyId", Given(), _OWN_KEY),
    Want("audit-stays", _TRAIL, "isMultiRegionTrail", Free((False,)), "It would gather other regions' events here."),
    Want("audit-stays", _TRAIL, "isOrganizationTrail", Free((False,)), "It would copy events of other cells here."),
    Want("has-audit-sink", _TRAIL, "advancedEventSelectors", Given(), "Name management events and films' objects."),
    Want("has-audit-sink", "aws:ec2/flowLog:FlowLog", "trafficType", Is(("ALL",)), "Refused flows matter as well."),
    Want(
        "no-public-load-balancer", "aws:lb/loadBalancer:LoadBalancer", "internal", Is((True,)), "Clients come by TLS."
    ),
    Want("no-casual-deletion", _WALL, "deleteProtection", Is((True,)), "Without the firewall everything may leave."),
    Want(
        "no-open-egress",
        _WALL_POLICY,
        "firewallPolicy.statelessDefaultActions[*]",
        Is(("aws:forward_to_sfe", "aws:drop")),
        "aws:pass would let everything by.",
    ),
    Want(
        "no-open-egress",
        _WALL_POLICY,
        "firewallPolicy.statelessFragmentDefaultActions[*]",
        Is(("aws:forward_to_sfe", "aws:drop")),
        "aws:pass would let fragments by.",
    ),
    Want(
        "no-open-egress",
        _WALL_POLICY,
        "firewallPolicy.statefulDefaultActions[*]",
        Is(_DROPS),
        "What no rule names has to be dropped.",
    ),
    Want("guard-in-place", "aws:iam/role:Role", "permissionsBoundary", Given(), "The boundary denies other regions."),
    Want("customer-key", "aws:secretsmanager/secret:Secret", "kmsKeyId", Given(), _OWN_KEY),
    Want("no-replication", "aws:secretsmanager/secret:Secret", "replicas", Missing(), "A secret stays in its region."),
    Want(
        "backups-stay", "aws:backup/plan:Plan", "rules[*].copyActions", Missing(), "A copy action sends backups away."
    ),
    Want("transport-tls", "aws:lb/listener:Listener", "protocol", Never(("HTTP", "TCP", "UDP")), "Use HTTPS or TLS."),
)
