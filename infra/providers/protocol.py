"""What a cloud must bring, so that a cell can be made on it.

A provider is one module `infra/providers/<name>.py`, or a package when it grows, with one value `CLOUD: Cloud` in it
and nothing else that others import. Its SDK is imported there and nowhere else, so that a stack loads one SDK.
`RegionCell` (infra/cell.py) calls it twice:

    with_provider = cloud.reach(spec, options)      the explicit provider, pinned to the region of the spec
    parts = cloud.build(site)                       the parts, each of its resources a child of `site.room(part)`

How a cloud wires its parts is its own affair: subnets, route tables and roles differ too much to share. What it hands
back is shared: `Parts`, nine values that the chart, the auditor and the outputs read. The rules for `build`:

1. Each resource is a child of the room of its part, made with `room.options()` or, when it holds data, keys or the
   only copy of anything, `room.data_options()`, which protects it. The provider is always explicit; invokes take
   `site.invoke_options()`, and there are none where the spec already knows the answer (zones are in the spec).
2. Names are deterministic. The logical name is `room.name(role)`; a physical name is given wherever the cloud takes
   one, with `site.name(role)` or, where names are unique in the whole cloud, `site.global_name(role)`.
3. Everything that can carry tags carries `site.tags` (or `site.labels`, which are small letters for GCP).
4. Addresses come from `site.addresses`, never from a default network. No resource has a public address but the
   egress gateway and, where the spec asks for one, the load balancer's.
5. What the cloud lacks is a `Control` with state `ABSENT` and a sentence, never a silence. Every part brings all
   controls of its row in `EXPECTED`; `Parts` refuses to be built without them.
6. A secret is a Pulumi secret (`Output.secret`, `additional_secret_outputs`) from the moment it exists, and is neither
   in a name, a tag, a URL nor an environment variable.

`Control.grade` is how well the setting is known from outside the program: DECLARED when the provider's word is all we
have, ENDPOINT when it can be read back from an API that names the region, ATTESTED when a signature vouches for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

import pulumi

from infra.errors import Broken
from infra.site import Site
from infra.spec import RegionSpec
from policies.constraints import Evidence

__all__ = ["EXPECTED", "Audit", "Cloud", "Cluster", "Control", "Database", "Egress", "Guard", "Identity", "Key"]
__all__ += ["Network", "Parts", "State", "Store"]


class State(StrEnum):
    """How far a cloud brings a control."""

    ENFORCED = "enforced"  # the cloud refuses what breaks it, whoever asks
    CONFIGURED = "configured"  # set; somebody with rights over the cell could unset it, and the audit log would show it
    PARTIAL = "partial"  # set for a part, and the note says for which
    ABSENT = "absent"  # the cloud has no such thing, and the note says what follows


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One thing an auditor asks for, and what this cloud does about it."""

    id: str  # of EXPECTED
    state: State
    grade: Evidence
    note: str  # one sentence; it stands in the outputs and in docs/infra/controls.md


#: The controls that each part must speak of.
EXPECTED: Final[Mapping[str, tuple[str, ...]]] = {
    "key": ("key.customer-managed", "key.rotation", "key.region"),
    "network": ("network.private", "network.own-addresses", "network.flow-log"),
    "egress": ("egress.default-deny", "egress.allow-list"),
    "cluster": ("cluster.private-endpoint", "cluster.secrets-key", "cluster.zones", "cluster.node-disk-key"),
    "store": ("store.customer-key", "store.no-public-access", "store.region", "store.no-replication", "store.tls"),
    "database": ("database.customer-key", "database.private", "database.backups-in-region", "database.tls"),
    "identity": ("identity.no-long-lived-keys", "identity.least-privilege"),
    "audit": ("audit.in-region", "audit.immutable", "audit.data-access"),
    "guard": ("guard.region-deny", "guard.scope"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What every part has."""

    controls: tuple[Control, ...]  # all those of its row in EXPECTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Part):
    """The cell's own keys, drawn and held in the region."""

    id: pulumi.Output[str] | None  # how the cloud names the key that encrypts films; None where it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(Part):
    """A private network of the cell's own, peered with nothing."""

    id: pulumi.Output[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress(Part):
    """The one way out, by an allow-list of host names."""

    addresses: tuple[pulumi.Output[str], ...]  # from which the cell is seen from outside; () when the cloud hides them
    allowed: tuple[str, ...]  # host names that may be reached, the spec's and those that the cloud itself needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster(Part):
    """Kubernetes, with the spec's pools in the spec's zones."""

    name: pulumi.Output[str]
    endpoint: pulumi.Output[str]  # of the control plane; private where the cloud can
    kubeconfig: pulumi.Output[str] | None  # a secret; None where operators fetch one by their own identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Store(Part):
    """A bucket for films and uploads, as `[objects]` of the cell's settings reads it."""

    url: pulumi.Output[str]  # s3://BUCKET, gs://BUCKET or az://ACCOUNT/CONTAINER
    options: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)  # obstore's names; none is a secret
    secrets: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)  # the same, where there is no identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Database(Part):
    """Postgres 15 or later, as `[database]` of the cell's settings reads it."""

    url: pulumi.Output[str]  # postgresql://USER@HOST:PORT/NAME, never with a password
    password: pulumi.Output[str] | None  # a secret; None where the cloud keeps it itself
    password_at: pulumi.Output[str] | None = None  # what names the password in the cloud's own vault, if it keeps it
    verify: str = "verify-full"  # libpq's sslmode; verify-ca where a certificate is not made out to the host's name
    ca: pulumi.Output[str] | None = None  # PEM of the authority that the client checks, where it is not a public one


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Part):
    """How the cell's pods become somebody, without a key that lasts."""

    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)  # of the service account
    labels: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)  # of the pods


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit(Part):
    """Where the cloud writes down who did what; in the region."""

    location: pulumi.Output[str] | None  # a bucket, a log group …; None where the cloud has no such sink


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard(Part):
    """What stops everybody, the cell's own operators too, from making anything outside the jurisdiction.

    The organisation's guard is a small program of its own (infra/org), since it needs other rights. What stands here
    is what the cell's own account, project or resource group can carry, and the name of what the organisation must.
    """

    expects: str  # the organisation's guard that this cell relies on, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A whole cell."""

    key: Key
    network: Network
    egress: Egress
    cluster: Cluster
    store: Store
    database: Database
    identity: Identity
    audit: Audit
    guard: Guard

    def __post_init__(self) -> None:
        for part, expected in EXPECTED.items():
            named = sorted(control.id for control in getattr(self, part).controls)
            if named != sorted(expected):
                raise Broken(f"The {part} speaks of {named} and has to speak of {sorted(expected)}, each once.")

    @property
    def controls(self) -> tuple[Control, ...]:
        """All controls, in the order of EXPECTED."""
        held = {control.id: control for part in EXPECTED for control in getattr(self, part).controls}
        return tuple(held[name] for row in EXPECTED.values() for name in row)


class Cloud(Protocol):
    """One provider."""

    @property
    def name(self) -> str:
        """As stack files spell it: aws, gcp, azure, alicloud, ovh, scaleway or local."""

    def reach(self, spec: RegionSpec, options: pulumi.ResourceOptions) -> pulumi.ProviderResource:
        """The provider, pinned to the spec's region, with credentials from the environment and never from the stack."""

    def build(self, site: Site) -> Parts:
        """All parts. Raises Impossible where the spec asks for what this cloud cannot give."""
