"""What one cell is to be: the `equerry:cell` of a stack file, parsed at the door.

Whether such a cell can be had is another question, which `infra.ground` answers from the signed catalogue: here a
value is only checked for itself. Nothing here needs Pulumi, so the same check runs on any machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from infra.errors import Refused
from policies.tenants.cell import CELL

__all__ = ["CATALOGUE", "Chart", "Database", "Pool", "ProviderName", "RegionSpec"]

ProviderName = Literal["aws", "gcp", "azure", "alicloud", "ovh", "scaleway", "local"]

#: What the catalogue calls a provider, where Pulumi calls it otherwise.
CATALOGUE: Final[Mapping[str, str]] = {"alicloud": "alibaba"}

#: RFC 1918; a cell's network lies in one of them.
PRIVATE: Final = tuple(IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
WIDEST_OPERATORS: Final = 16  # bits; a wider network is not an office, it is the internet

Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,15}$")]
Host = Annotated[
    str, StringConstraints(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}$", max_length=253)
]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Pool(_Document):
    """Machines of one kind, over zones."""

    name: Word
    role: Literal["system", "work", "gpu"]
    """`system` carries Kubernetes' own pods, `work` gateway and log, `gpu` the studio."""
    machine: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    """The cloud's name of the machine, as in `infra.gpus` when it has accelerators."""
    nodes: Annotated[int, Field(ge=0, le=1000)] = 1
    """Machines that always run, in all zones together."""
    most_nodes: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Machines up to which the cluster may grow; as many as `nodes` if not said."""
    zones: Annotated[tuple[str, ...], Field(max_length=4)] = ()
    """Of the spec's zones; all of them if not said."""
    tensor_parallel: Literal[1, 2, 4, 8] = 1
    """Accelerators that share one model."""
    disk: Annotated[int, Field(ge=30, le=16_000)] = 100
    """GiB of each machine's own disk."""

    @property
    def most(self) -> int:
        """Machines at most."""
        return self.nodes if self.most_nodes is None else self.most_nodes

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.most < self.nodes:
            raise ValueError(f"pool {self.name}: most_nodes is less than nodes")
        if self.role != "gpu" and self.tensor_parallel != 1:
            raise ValueError(f"pool {self.name}: tensor_parallel is for pools with role gpu")
        return self


class Database(_Document):
    """Postgres of the cell."""

    machine: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    """The cloud's name of the machine or plan."""
    storage: Annotated[int, Field(ge=10, le=16_000)] = 100
    """GiB."""
    version: Literal["15", "16", "17"] = "16"
    backups: Annotated[int, Field(ge=1, le=35)] = 14
    """Days for which backups are kept, in the region."""


class Chart(_Document):
    """The release of charts/equerry-cell, made with the cell when it is there."""

    image: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$", max_length=200)]
    """Repository of the image, without a tag."""
    digest: Digest
    """Of the image; tags move."""
    origin: Annotated[str, StringConstraints(pattern=r"^https://[a-z0-9.-]{1,253}$")]
    """Under which clients reach the cell."""
    values: Annotated[str, StringConstraints(pattern=r"^values-[a-z0-9-]{1,40}\.yaml$")]
    """File beside the chart with the operator's own values; what this program knows stands over them."""


class RegionSpec(_Document):
    """One cell in one region of one cloud."""

    cell: Annotated[str, StringConstraints(pattern=rf"^{CELL}$", max_length=24)]
    """Jurisdiction in two letters, a hyphen and a place: eu-arn. It begins the name of all that is made."""
    jurisdiction: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    """In which the cell lies, as the catalogue spells it."""
    provider: ProviderName
    """Whose cloud it is."""
    region: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,40}$")]
    """The provider's name of the region."""
    zones: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,40}$")], ...],
        Field(min_length=1, max_length=4),
    ]
    """The provider's names of zones in that region."""
    network: IPv4Network
    """A private /16 that no other cell has."""
    owner: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{3,100}$")]
    """A domain of yours: it keeps your buckets' names apart from those of others."""
    account: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,100}$")]
    """The account, project or subscription that the cell is made in; the program refuses any other."""
    model: Literal["pony", "horse"] = "horse"
    """What the accelerators have to hold."""
    pools: Annotated[tuple[Pool, ...], Field(min_length=1, max_length=16)]
    database: Database
    egress: Annotated[tuple[Host, ...], Field(max_length=64)] = ()
    """Hosts that the cell may reach beside the cloud's own services in its region, such as an image registry."""
    operators: Annotated[tuple[IPv4Network, ...], Field(max_length=16)] = ()
    """Networks from which operators reach the cluster's API; none leaves it reachable from inside alone."""
    audit_days: Annotated[int, Field(ge=90, le=3650)] = 1095
    """Days for which the cloud's audit log is kept and cannot be deleted."""
    tags: dict[
        Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")],
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,60}$")],
    ] = {}
    """Your own, on everything."""
    unconfirmed: Annotated[frozenset[str], Field(max_length=16)] = frozenset()
    """Doubts that you accept while you plan: `location`, or a GPU such as `H100`. Tenants are still refused there."""
    chart: Chart | None = None
    """The release inside the cluster; none makes the cluster alone."""

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> RegionSpec:
        """From the `equerry:cell` of a stack file. Raises Refused with the place of the first mistake."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"]) or "cell"
            raise Refused(f"equerry:cell, {place}: {first['msg'].removeprefix('Value error, ')}.") from None

    @property
    def region_id(self) -> str:
        """As the catalogue names the region."""
        return f"{CATALOGUE.get(self.provider, self.provider)}/{self.region}"

    def zones_of(self, pool: Pool) -> tuple[str, ...]:
        """The zones that a pool stands in."""
        return pool.zones or self.zones

    def pools_of(self, role: str) -> tuple[Pool, ...]:
        """The pools with this role."""
        return tuple(pool for pool in self.pools if pool.role == role)

    @field_validator("network")
    @classmethod
    def _is_private(cls, network: IPv4Network) -> IPv4Network:
        if network.prefixlen != 16 or not any(network.subnet_of(private) for private in PRIVATE):
            raise ValueError(f"{network} is not a private /16; take one such as 10.16.0.0/16 that no other cell has")
        return network

    @field_validator("operators")
    @classmethod
    def _are_few(cls, networks: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
        wide = [network for network in networks if network.prefixlen < WIDEST_OPERATORS]
        if wide:
            raise ValueError(f"{wide[0]} is wider than a /{WIDEST_OPERATORS}; name the offices that operate the cell")
        return networks

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.cell[:2].upper() != self.jurisdiction:
            raise ValueError(f"the cell {self.cell} is named after {self.cell[:2].upper()}, not {self.jurisdiction}")
        names = [pool.name for pool in self.pools]
        if len(set(names)) != len(names):
            raise ValueError("two pools have the same name")
        strangers = [zone for pool in self.pools for zone in pool.zones if zone not in self.zones]
        if strangers:
            raise ValueError(f"a pool stands in zone {strangers[0]}, which is not among the cell's zones")
        if not self.pools_of("system"):
            raise ValueError("no pool has the role system, so Kubernetes' own pods have no place")
        if any(
            not re.fullmatch(ZONES[self.provider].format(region=re.escape(self.region)), zone) for zone in self.zones
        ):
            raise ValueError(f"{', '.join(self.zones)} are not all zones of {self.provider}'s {self.region}")
        return self


#: How each cloud spells the zones of a region.
ZONES: Final[Mapping[str, str]] = {
    "aws": "{region}[a-f]",
    "gcp": "{region}-[a-f]",
    "azure": "[123]",
    "alicloud": "{region}-?[a-z]",
    "ovh": "{region}(-?[a-c0-9]{{1,2}})?",
    "scaleway": "{region}-[123]",
    "local": "{region}(-[a-z0-9]+)?",
}
