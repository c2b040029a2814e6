"""Where to build, and how all that is built there is called, tagged and guarded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import pulumi

from infra.addresses import Addresses
from infra.spec import RegionSpec

__all__ = ["NAMESPACE", "SERVICE_ACCOUNT", "Site"]

NAMESPACE: Final = "equerry"  # of the cell in its cluster
SERVICE_ACCOUNT: Final = "equerry"  # of the cell's pods; a cloud's identity is bound to it

_LONGEST: Final = 63  # letters of a DNS label, which most clouds' names have to be


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A cell that is being built; `room` gives the same site with the component of one part as parent."""

    spec: RegionSpec
    parent: pulumi.Resource
    provider: pulumi.ProviderResource

    @property
    def addresses(self) -> Addresses:
        """The cell's private networks, carved from the spec's."""
        return Addresses.carve(self.spec.network, self.spec.zones)

    @property
    def tags(self) -> dict[str, str]:
        """On everything that can carry tags; the guard reads them."""
        return {
            "equerry:cell": self.spec.cell,
            "equerry:jurisdiction": self.spec.jurisdiction,
            "equerry:region": self.spec.region,
            **self.spec.tags,
        }

    @property
    def labels(self) -> dict[str, str]:
        """The same tags in small letters, digits and hyphens, for clouds whose labels may be nothing else."""
        return {_label(name): _label(value) for name, value in self.tags.items()}

    def room(self, part: str) -> Site:
        """This site with a component for one part (`network`, `store` …) as the parent of what is made there."""
        options = pulumi.ResourceOptions(parent=self.parent)
        kind = f"equerry:infra:{part.title().replace('-', '')}"
        return replace(self, parent=pulumi.ComponentResource(kind, self.name(part), None, options))

    def name(self, role: str) -> str:
        """A name that is unique among cells and the same every time: `eu-arn-store`."""
        return _short(f"{self.spec.cell}-{role}")

    def global_name(self, role: str, longest: int = _LONGEST) -> str:
        """The same for names that all customers of a cloud share; eight digits tell the owners apart."""
        spec = self.spec
        seed = "/".join((spec.owner, spec.provider, spec.region, spec.cell, role))
        return _short(f"{spec.cell}-{role}-{hashlib.sha256(seed.encode()).hexdigest()[:8]}", longest)

    def options(
        self, *, depends_on: Sequence[pulumi.Resource] = (), secrets: Sequence[str] = ()
    ) -> pulumi.ResourceOptions:
        """For what can be made again. `secrets` names outputs to be kept secret."""
        return pulumi.ResourceOptions(
            parent=self.parent,
            provider=self.provider,
            depends_on=list(depends_on),
            additional_secret_outputs=list(secrets),
        )

    def data_options(
        self, *, depends_on: Sequence[pulumi.Resource] = (), secrets: Sequence[str] = ()
    ) -> pulumi.ResourceOptions:
        """For films, jobs, logs and keys: protected, so that no `pulumi up` or `destroy` takes them along."""
        options = self.options(depends_on=depends_on, secrets=secrets)
        options.protect = True
        return options

    def invoke_options(self, *, depends_on: Sequence[pulumi.Resource] = ()) -> pulumi.InvokeOutputOptions:
        """For reading from the cloud, through the same pinned provider, once something is there."""
        return pulumi.InvokeOutputOptions(parent=self.parent, provider=self.provider, depends_on=list(depends_on))


def _short(name: str, longest: int = _LONGEST) -> str:
    """The name, or its beginning and a digest of all of it when it is too long."""
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: longest - 9].rstrip('-')}-{digest}"


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:_LONGEST]
