"""What Alibaba Cloud's arguments have to be."""

from __future__ import annotations

from typing import Final

from infra.guard.want import Free, Given, Is, Least, Missing, Want

__all__ = ["WANTS"]

_BUCKET = "alicloud:oss/bucket:Bucket"
_WORM = "alicloud:oss/bucketWorm:BucketWorm"
_RDS = "alicloud:rds/instance:Instance"
_BACKUP = "alicloud:rds/backupPolicy:BackupPolicy"
_ACK = "alicloud:cs/managedKubernetes:ManagedKubernetes"
_POOL = "alicloud:cs/nodePool:NodePool"
_KEY = "alicloud:kms/key:Key"
_KMS = "alicloud:kms/instance:Instance"
_NAT = "alicloud:vpc/natGateway:NatGateway"
_WALL = "alicloud:cloudfirewall/natFirewall:NatFirewall"
_TRAIL = "alicloud:actiontrail/trail:Trail"

_OWN_KEY = "Give the id of the cell's own KMS key."
_KEEP = "Deleting it would delete films, jobs or evidence; leave that to a person, by hand."

WANTS: Final = (
    Want(
        "provider-in-region", "pulumi:providers:alicloud", "region", Given(), "Pin the provider to the stack's region."
    ),
    Want("own-account", "pulumi:providers:alicloud", "accountId", Given(), "Name the cell's account."),
    Want("transport-tls", "pulumi:providers:alicloud", "protocol", Is(("HTTPS",)), "The API also speaks plain HTTP."),
    Want(
        "encrypted", _BUCKET, "serverSideEncryptionRule.sseAlgorithm", Is(("KMS",)), "AES256 uses a key of Alibaba's."
    ),
    Want("customer-key", _BUCKET, "serverSideEncryptionRule.kmsMasterKeyId", Given(), _OWN_KEY),
    Want("no-casual-deletion", _BUCKET, "forceDestroy", Free((False,)), _KEEP),
    Want("no-public-bucket", _BUCKET, "acl", Free(("private",)), "Say who may read in the bucket's policy."),
    Want("no-public-bucket", _BUCKET, "website", Missing(), "A website is public."),
    Want(
        "no-replication", _BUCKET, "transferAcceleration", Missing(), "Acceleration takes films through other regions."
    ),
    Want("no-public-bucket", "alicloud:oss/bucketAcl:BucketAcl", "acl", Is(("private",)), "Anything else is public."),
    Want(
        "no-public-bucket",
        "alicloud:oss/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "blockPublicAccess",
        Is((True,)),
        "It outranks any ACL or policy.",
    ),
    Want("audit-immutable", _WORM, "status", Is(("Locked",)), "Retention in progress of being set up can be lifted."),
    Want("audit-immutable", _WORM, "retentionPeriodInDays", Least(90), "Evidence is kept for 90 days at least."),
    Want("customer-key", _RDS, "encryptionKey", Given(), _OWN_KEY),
    Want("no-public-database", _RDS, "vswitchId", Given(), "Without a switch it stands in the classic network."),
    Want("no-public-database", _RDS, "securityIps", Given(), "Name the cell's own networks."),
    Want("transport-tls", _RDS, "sslAction", Is(("Open", "Update")), "TLS is off by default."),
    Want("no-casual-deletion", _RDS, "deletionProtection", Is((True,)), _KEEP),
    Want("no-casual-deletion", _BACKUP, "enableBackupLog", Is((True, 1)), "Without it the last day is lost."),
    Want("no-casual-deletion", _BACKUP, "backupRetentionPeriod", Least(7), "RDS keeps seven days at least."),
    Want("no-public-load-balancer", _ACK, "slbInternetEnabled", Is((False,)), "The API is on the internet by default."),
    Want("no-open-egress", _ACK, "newNatGateway", Is((False,)), "A second gateway would pass by the firewall."),
    Want("customer-key", _ACK, "encryptionProviderKey", Given(), _OWN_KEY),
    Want("no-long-lived-keys", _ACK, "enableRrsa", Is((True,)), "Pods take roles by RRSA."),
    Want("no-casual-deletion", _ACK, "deletionProtection", Is((True,)), _KEEP),
    Want("has-audit-sink", _ACK, "auditLogConfig.enabled", Is((True,)), "The API's audit log is off otherwise."),
    Want("has-audit-sink", _ACK, "controlPlaneLogComponents", Given(), "Name apiserver, kcm, scheduler and ccm."),
    Want("no-public-node", _POOL, "internetMaxBandwidthOut", Is((0, 0.0)), "Any bandwidth is a public address."),
    Want("no-public-node", _POOL, "scalingConfig.isBondEip", Free((False,)), "It gives each node a public address."),
    Want("encrypted", _POOL, "systemDiskEncrypted", Is((True,)), "Disks hold weights and caches."),
    Want("customer-key", _POOL, "systemDiskKmsKey", Given(), _OWN_KEY),
    Want(
        "guarded-metadata",
        _POOL,
        "instanceMetadataOptions.httpTokens",
        Is(("required",)),
        "Without it SSRF reads roles.",
    ),
    Want("key-rotates", _KEY, "automaticRotation", Is(("Enabled",)), "Rotate every 90 days."),
    Want("key-rotates", _KEY, "rotationInterval", Given(), "Say 7776000s, which is 90 days."),
    Want("no-casual-deletion", _KEY, "deletionProtection", Is(("Enabled",)), "A deleted key takes films along."),
    Want("customer-key", _KEY, "dkmsInstanceId", Given(), "Keys of yours live in a KMS instance of yours."),
    Want("no-casual-deletion", _KMS, "deletionProtection", Is((True,)), "A released instance takes its keys along."),
    Want("no-casual-deletion", _NAT, "deletionProtection", Is((True,)), "Without it the firewall guards nothing."),
    Want("no-open-egress", _WALL, "firewallSwitch", Is(("open",)), "Closed means switched off."),
    Want("no-open-egress", _WALL, "strictMode", Is((1, 1.0)), "Loose mode lets flows without a host name out."),
    Want("has-audit-sink", _TRAIL, "eventRw", Is(("All",)), "Reads matter as much as writes."),
    Want("has-audit-sink", _TRAIL, "status", Free(("Enable",)), "A trail that does not log is none."),
    Want("audit-stays", _TRAIL, "trailRegion", Given(), "The default gathers events of all regions here."),
    Want("audit-stays", _TRAIL, "isOrganizationTrail", Free((False,)), "It would copy events of other cells here."),
    Want(
        "has-audit-sink", "alicloud:vpc/flowLog:FlowLog", "trafficType", Is(("All",)), "Refused flows matter as well."
    ),
    Want(
        "no-public-bucket", "alicloud:log/store:Store", "enableWebTracking", Free((False,)), "Anybody may write then."
    ),
    Want(
        "no-public-load-balancer",
        "alicloud:slb/applicationLoadBalancer:ApplicationLoadBalancer",
        "addressType",
        Is(("intranet",)),
        "internet is the default.",
    ),
)
